"""Searches in a frozen run: the projector, codes that share a layer, recovery, degradations."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from configs import gan as recipe
from configs import glead
from decoupled_gan.errors import UserError
from decoupled_gan.modes import project, recover, train
from decoupled_gan.modes.generate import sample
from decoupled_gan.run import experiment, inference
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.sampling import (
  degradations,
  distances,
  frozen,
  multicode,
  projector,
  recovery,
  search,
)

STAGE = 'hidden_0'


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A run of two steps that draws 8 px digits, and eight of its test digits as files."""
  folder = tmp_path_factory.mktemp('digits')
  config = recipe.get_config('tiny')
  config.data.source, config.image_channels = 'digits', 1
  config.num_steps = config.checkpoint_every_steps = config.sample_every_steps = 2
  train.train(config, Workdir(folder / 'run'))
  rng = np.random.default_rng(0)
  for i in range(5):
    (folder / 'photos').mkdir(exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(folder / f'photos/{i}.png')
  return folder


# The projector.


@pytest.mark.row('projector')
@pytest.mark.parametrize(
  ('step', 'factor', 'rate'),
  [
    (0, 0.05, 0), (10, 0.04867556, 0.02), (25, 0.04672222, 0.05), (50, 0.04355556, 0.1),
    (500, 0.00555556, 0.1), (750, 0, 0.1), (900, 0, 0.03454915), (999, 0, 3.948e-6),
  ],
)  # fmt: skip
def test_noise_on_w_and_the_rate_follow_the_official_schedule(step, factor, rate):
  np.testing.assert_allclose(projector.noise_factor(step), factor, rtol=1e-5, atol=1e-9)
  np.testing.assert_allclose(projector.rate(step), rate, rtol=1e-3, atol=1e-9)


@pytest.mark.row('projector')
def test_a_noise_images_penalty_is_the_official_one_at_all_scales():
  small = jnp.array([[1, 2, 0, -1], [0, 1, -1, 1], [2, -2, 1, 0], [-1, 0, 1, 1]], jnp.float32)
  np.testing.assert_allclose(projector.autocorrelation(small), 0.2890625, rtol=1e-6)
  large = np.random.RandomState(0).randn(16, 16).round(2).astype(np.float32)
  np.testing.assert_allclose(projector.autocorrelation(jnp.asarray(large)), 0.01020789, rtol=1e-5)


@pytest.mark.row('projector')
def test_the_spread_of_w_is_a_length_and_not_a_mean_over_its_entries():
  average, spread = projector.statistics(lambda z: jnp.asarray(z) + 3, 16)
  np.testing.assert_allclose(average, 3, atol=0.05)
  np.testing.assert_allclose(spread, 4, rtol=0.01)  # sqrt(16), of 16 entries of variance 1


@pytest.mark.row('projector')
def test_images_are_compared_at_256_px_by_means_over_areas():
  images = jnp.arange(512.0)[None, :, None, None] * jnp.ones((1, 512, 512, 1))
  small = projector.compared(images)
  assert small.shape == (1, 256, 256, 1)
  np.testing.assert_allclose(small[0, :2, 0, 0], [0.5, 2.5])
  assert projector.compared(small) is small


@pytest.fixture(scope='module')
def styled():
  """A projector's search of two images: begun, after 1 and 2 steps, and with another second image."""
  run = experiment.build(glead.get_config('stylegan2,tiny'), train=False)
  variables = run.create_state()
  trained = inference.Trained(run, {'params': variables.params, **variables.stats}, 0)
  targets = np.random.RandomState(1).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
  seeds = np.arange(2, dtype=np.uint32)
  average, spread = jnp.zeros(8), jnp.float32(1)

  def begun(gan, seeds):
    return projector.begin(frozen.of(run.method, gan), average, frozen.keys_of(seeds), 100)

  def go(gan, state, targets, seeds, number):
    own, keys = frozen.of(run.method, gan), frozen.keys_of(seeds)
    return projector.advance(own, state, targets, keys, spread, distances.mse, number, 100)

  begin, one = trained.compiled(begun), trained.compiled(go, 1)
  start = begin(seeds)
  first = one(start, targets, seeds)
  other = one(first, np.stack([targets[0], -targets[1]]), seeds)
  return start, first, one(first, targets, seeds), other


@pytest.mark.row('projector')
def test_the_first_step_has_a_rate_of_0_and_noise_images_stay_normal_ever_after(styled):
  start, first, second, _ = styled
  np.testing.assert_array_equal(first.variables['w'], start.variables['w'])
  assert np.abs(second.variables['w'] - start.variables['w']).min() > 0
  for noise in jax.tree.leaves(second.variables['noise']):
    np.testing.assert_allclose(noise.mean((1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(jnp.square(noise).mean((1, 2, 3)), 1, rtol=1e-5)
  assert int(second.step) == 2


@pytest.mark.row('projector')
def test_an_image_is_searched_as_if_it_were_alone(styled):
  _, _, second, other = styled
  pairs = zip(jax.tree.leaves(second.variables), jax.tree.leaves(other.variables), strict=True)
  for one, beside_another in pairs:
    np.testing.assert_array_equal(one[0], beside_another[0])
  assert np.abs(second.variables['w'] - other.variables['w'])[1].max() > 0


# Searches.


def test_a_search_that_was_stopped_ends_where_one_ends_that_was_not():
  def loss(x, step):
    return jnp.square(x - 3).sum(-1) + 0.01 * step

  optimizer = optax.adam(search.decaying(0.1, 20))
  begun = search.begin(jnp.zeros((2, 3)), optimizer, 2)
  whole = search.advance(begun, loss, optimizer, 20)
  parts = search.advance(search.advance(begun, loss, optimizer, 7), loss, optimizer, 13)
  for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
    np.testing.assert_array_equal(one, other)


def test_the_best_restart_of_each_row_is_kept_and_one_that_burst_is_not():
  losses = jnp.array([[3.0, jnp.nan], [1.0, 2.0], [2.0, 5.0]])
  found, tree = search.best(losses, {'z': jnp.arange(6.0).reshape(3, 2)})
  np.testing.assert_array_equal(found, [1, 2])
  np.testing.assert_array_equal(tree['z'], [2, 3])


# mGANprior.


@pytest.mark.row(82)
def test_features_are_weighted_for_each_channel_and_added_once():
  features = jnp.array([[[1.0, 2], [3, -1], [2, 0]]])
  alpha = jnp.full((1, 3, 2), 1 / 3)
  np.testing.assert_allclose(multicode.compose(features, alpha), [[2, 1 / 3]], rtol=1e-6)
  official = multicode.compose(features, alpha, averaged=True)
  np.testing.assert_allclose(official, [[2 / 3, 1 / 9]], rtol=1e-6)


@pytest.mark.row(82)
def test_weights_that_choose_one_code_give_its_own_image_to_rounding(run):
  trained = inference.load(Workdir(run / 'run'))
  z = np.random.RandomState(0).randn(2, 3, 4).astype(np.float32)

  def both(gan, z):
    own = frozen.of(trained.run.method, gan)
    width = multicode.features(own, z, None, STAGE).shape[-1]
    chosen = jnp.zeros((2, 3, width)).at[:, 1].set(1)
    return multicode.paint(own, {'z': z, 'alpha': chosen}, None, STAGE), own.draw(z[:, 1])

  composed, own = trained.compiled(both)(z)
  np.testing.assert_allclose(composed, own, atol=1e-6)  # jax 0.12 adds the zeros elsewhere


@pytest.mark.row(82)
def test_degradations_are_the_papers():
  images = jnp.arange(48.0).reshape(1, 4, 4, 3)
  np.testing.assert_allclose(degradations.pool(images, 2)[0, 0, 0], images[0, :2, :2].mean((0, 1)))
  np.testing.assert_allclose(
    degradations.downsample(images, 4)[0, 0, 0], images[0, 1:3, 1:3].mean((0, 1))
  )  # not antialiased: the four pixels about the middle only
  np.testing.assert_allclose(degradations.grey(images)[0, 0, 0], [0.587 + 2 * 0.114] * 3, rtol=1e-6)
  hidden = jnp.zeros((4, 4)).at[1, 2].set(1)
  masked = degradations.mask(images, hidden)
  assert (masked != images).sum() == 3
  assert float(jnp.abs(masked[0, 1, 2]).max()) == 0
  kept = degradations.coloured(images, images[:, ::-1])
  np.testing.assert_allclose(degradations.grey(kept), degradations.grey(images), atol=1e-4)


def test_mistakes_in_a_degradation_or_a_distance_are_told(tmp_path):
  for text, message in (
    ('blur', 'blur is unknown; there are none, downsample:4'),
    ('pool:3', '3 does not divide the images, 8 x 8 px'),
    ('downsample:x', 'is unknown'),
    (f'mask:{tmp_path}/none.png', 'is not there any more'),
  ):
    with pytest.raises(UserError, match=message):
      degradations.parse(text, (8, 8))
  with pytest.raises(UserError, match='ssim is unknown; there are lpips, mse'):
    distances.named('ssim', 64)
  with pytest.raises(UserError, match='at least 31 px'):
    distances.named('lpips', 16)
  assert distances.named('', 16) is distances.mse


# Recovery.


@pytest.mark.row(12)
def test_medians_their_gap_and_p_are_the_papers_on_literal_errors():
  said = recovery.verdict(np.array([0.01, 0.02, 0.03, 0.015]), np.array([0.03, 0.05, 0.04, 0.06]))
  np.testing.assert_allclose(said, [0.0175, 0.045, 0.61111111, 0.22857143], rtol=1e-6)


@pytest.mark.row(12)
def test_the_line_search_finds_the_bottom_of_a_narrow_valley_from_far():
  widths = jnp.array([1.0, 10, 100, 1000])
  loss = lambda x: (widths * jnp.square(x - 2)).sum()  # noqa: E731
  found, value = jax.jit(lambda x: recovery.minimise(loss, x, 25))(jnp.full(4, -30.0))
  np.testing.assert_allclose(found, 2, atol=1e-2)
  assert value < 1e-3


# The modes.


@pytest.mark.row(12)
def test_recovery_reaches_the_generators_own_images_and_keeps_what_it_found(run, tmp_path, capsys):
  workdir = Workdir(run / 'run')
  before = inference.load(workdir).variables
  recover.recover(workdir, 8, 'pool:2', steps=20)
  told = capsys.readouterr().out
  kept = json.loads((workdir.path / 'recovery.json').read_text())
  assert kept['drawn'] < 1e-4 < min(kept['train'], kept['test'])
  assert 'KS p' in told
  assert (workdir.path / 'recovered.png').exists()
  after = inference.load(workdir).variables
  jax.tree.map(np.testing.assert_array_equal, before, after)
  with pytest.raises(UserError, match='at least 8 of each kind'):
    recover.recover(workdir, 3)
  moved = workdir.load_config()
  moved.data.source, moved.data.path = 'folder', 'elsewhere'
  with pytest.raises(UserError, match=r"data\.path='elsewhere' is not a folder"):
    recover.recover(workdir, 8, config=moved)
  for i in range(8):
    Image.new('L', (8, 8), i).save(tmp_path / f'{i}.png')
  moved.data.path = str(tmp_path)
  with pytest.raises(UserError, match='has no held-out examples, those of training stand in'):
    recover.recover(workdir, 8, config=moved)
  moved.data.path = 'elsewhere'
  with pytest.raises(UserError, match=r"data\.path='elsewhere' is not a folder"):
    sample.sample(workdir, '', '0', sample.Asked('rejection'), config=moved)


@pytest.mark.row(82)
def test_images_are_searched_once_and_again_only_by_other_flags(run, tmp_path, capsys):
  workdir, photos = Workdir(run / 'run'), str(run / 'photos')
  asked = project.Asked(layer=STAGE, codes=3, steps=120)
  project.project(workdir, photos, str(tmp_path), asked)
  capsys.readouterr()
  with np.load(tmp_path / '3.npz') as kept:
    assert kept['z'].shape == (3, 4)
    first = float(kept['loss'])
  project.project(workdir, photos, str(tmp_path), asked)
  assert '5 image(s) were found by the same flags before' in capsys.readouterr().out
  project.project(workdir, photos, str(tmp_path), project.Asked(steps=2))
  assert 'projected by step 2' in capsys.readouterr().out
  with np.load(tmp_path / '3.npz') as kept:
    assert kept['loss'] > first  # one z, two steps
  for asked, message in (
    (project.Asked(layer='attic'), 'there is no such stage; there are hidden_0'),
    (project.Asked(codes=2), 'several codes meet at a layer'),
    (project.Asked(attributes='digit=3'), 'does not draw under labels'),
  ):
    with pytest.raises(UserError, match=message):
      project.project(workdir, photos, str(tmp_path), asked)
  hole = tmp_path / '0.png'  # the result of 0.png would be written over it
  with pytest.raises(UserError, match=r'is the input .*0\.png, which would be overwritten'):
    project.project(workdir, photos, str(tmp_path), project.Asked(degrade=f'mask:{hole}'))
