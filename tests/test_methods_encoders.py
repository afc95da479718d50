"""Encoders and learned codes: GLO's pyramid and table, BiGAN's and BigBiGAN's losses and columns."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import bigan as bigan_recipe
from configs import bigbigan as bigbigan_recipe
from configs import datasets
from configs import glo as glo_recipe
from decoupled_gan import data
from decoupled_gan.core import optim, routing, state
from decoupled_gan.core.images import to_float
from decoupled_gan.core.step import forward
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import probes
from decoupled_gan.evaluation.tasks import tasks_of
from decoupled_gan.losses import pyramid
from decoupled_gan.methods.encode import bigan, bigbigan, glo
from decoupled_gan.networks import joint
from decoupled_gan.networks.backbones import staged
from decoupled_gan.run import experiment

OFFICIAL = Path(__file__).parent / 'fixtures/laplacian.npz'


def images(x):
  return jnp.asarray(x, jnp.float32)[None, :, :, None]


# GLO.


@pytest.mark.row(78)
def test_the_pyramid_is_the_reference_level_by_level_with_either_kernel():
  found = np.load(OFFICIAL)
  for name, kernel in (
    ('binomial', pyramid.BINOMIAL),
    ('minimal_glo', found['kernel_minimal_glo'].astype(np.float32)),
  ):
    levels = pyramid.pyramid(images(found['a']), kernel=kernel)
    assert len(levels) == 4
    for number, level in enumerate(levels):
      np.testing.assert_allclose(level[0, :, :, 0], found[f'{name}_{number}'], atol=2e-6)


@pytest.mark.row(78)
def test_every_level_weighs_one_where_levels_are_means():
  found = np.load(OFFICIAL)
  a, b = images(found['a']), images(found['b'])
  np.testing.assert_allclose(pyramid.laplacian(a, b), 0.41638052, rtol=1e-5)
  kernel = found['kernel_minimal_glo'].astype(np.float32)
  official = pyramid.laplacian(a, b, kernel=kernel)
  np.testing.assert_allclose(official, found['loss_minimal_glo'], rtol=1e-5)
  both = zip(pyramid.pyramid(a), pyramid.pyramid(b), strict=True)
  paper = sum(4**j * float(jnp.abs(x - y).sum()) for j, (x, y) in enumerate(both))
  np.testing.assert_allclose(paper, 256 * 0.41638052, rtol=1e-5)  # sums and 2^(2j), as published


@pytest.mark.row(78)
def test_codes_beyond_the_ball_come_back_to_it_and_others_stay():
  x = optim.unit_ball(jnp.array([[3.0, 4.0], [0.3, 0.4]]))
  np.testing.assert_allclose(x, [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)


@pytest.mark.row(78)
def test_only_the_batchs_codes_move_and_the_others_stay_to_the_bit():
  config = glo_recipe.get_config('tiny')
  run = experiment.build(config)
  state = run.create_state()
  before = np.asarray(state.params['latents'])
  batch = Examples(np.zeros((2, 8, 8, 3), np.uint8), index=np.array([3, 11], np.int32))
  after, _ = run.train_step()(state, batch, routing.active(run.phases, 0))
  moved = (np.asarray(after.params['latents']) != before).any(1)
  np.testing.assert_array_equal(np.flatnonzero(moved), [3, 11])
  assert np.linalg.norm(after.params['latents'], axis=1).max() <= 1 + 1e-6


@pytest.mark.row(78)
def test_new_codes_have_the_mean_and_the_covariance_of_the_learned_ones():
  rng = np.random.default_rng(0)
  learned = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + 1).astype(np.float32)
  network = glo.build(glo_recipe.get_config('tiny')).generator
  model = glo.GLO(network, 500, 3)
  z = rng.normal(size=(20_000, 3)).astype(np.float32)
  codes = model.apply({'params': {'latents': learned}}, z, 1.0, method=glo.style)
  np.testing.assert_allclose(codes.mean(0), learned.mean(0), atol=0.05)
  np.testing.assert_allclose(np.cov(codes.T), np.cov(learned.T), atol=0.15)


@pytest.mark.row(78)
def test_a_virtual_norm_of_its_generator_has_a_reference_of_codes_in_the_ball():
  config = glo_recipe.get_config('tiny')
  config.model.norm_generator = 'virtual'
  run = experiment.build(config)
  state = run.abstract_state()
  reference = state.stats['virtual']['generator']['reference']['z']
  assert reference.shape == (staged.REFERENCE, config.model.z_dim)
  network = run.gan.generator
  made = network.prior(jax.random.key(0), (100, config.model.z_dim))
  assert jnp.linalg.norm(made, axis=1).max() <= 1 + 1e-6


@pytest.mark.row(78)
def test_as_many_codes_as_examples_are_asked_for_and_an_index():
  config = glo_recipe.get_config('tiny')
  data = type('Data', (), {'train': Examples(np.zeros(9))})
  with pytest.raises(UserError, match=r'Set --config.model.examples=9'):
    glo.counted(config, data)
  config.data.index = False
  with pytest.raises(UserError, match=r'needs config.data.index=True'):
    glo.build(config)
  config.data.index, config.data.clusters = True, 3
  with pytest.raises(UserError, match=r'has no labels: leave .* empty and data.clusters=0'):
    glo.build(config)


# BiGAN.


@pytest.mark.row(85)
def test_losses_are_halved_sums_and_the_encoders_has_the_labels_exchanged():
  real, fake = jnp.array([0.5, -1.2]), jnp.array([-0.3, 2.0])
  np.testing.assert_allclose(bigan.joint_loss(real, fake), 1.15466068, rtol=1e-6)
  np.testing.assert_allclose(bigan.joint_loss(fake, real), 0.55466068, rtol=1e-6)


@pytest.fixture(scope='module')
def contest():
  """BiGAN: losses at its start, and {loss: {group: gradient}} when its last layer has woken."""
  run = experiment.build(bigan_recipe.get_config('tiny'))
  state = run.create_state()
  # the last layer's start of 0 lets nothing through
  discriminator = jax.tree.map(lambda x: x + 0.1, state.params['discriminator'])
  awake = state.replace(params={**state.params, 'discriminator': discriminator})
  rng = np.random.default_rng(0)
  batch = to_float(Examples(rng.integers(0, 255, (4, 8, 8, 1), np.uint8)))
  (phase,) = run.phases

  def grown(state):
    losses, pullback, _ = forward(phase, run.gan, state, run.groups, batch, jax.random.key(0))
    rows = {}
    for loss in losses:
      rows[loss] = pullback({name: float(name == loss) for name in losses})
    return losses, rows

  grown = jax.jit(grown)
  return grown(state)[0], grown(awake)[1]


def size(tree) -> float:
  return max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree))


@pytest.mark.row(85)
def test_before_the_first_step_both_losses_are_log_2(contest):
  first, _ = contest
  np.testing.assert_allclose([first['joint'], first['swapped']], np.log(2), rtol=1e-6)


@pytest.mark.row(85)
def test_the_path_to_the_encoder_is_there_in_joint_and_the_table_alone_closes_it(contest):
  _, rows = contest
  assert size(rows['joint']['encoder']) > 0
  routes = bigan_recipe.get_config().routes.contest
  assert set(routes.joint) == {'discriminator'}
  assert set(routes.swapped) == {'encoder', 'generator'}


@pytest.mark.row(85)
def test_the_published_networks_have_the_published_numbers_of_parameters():
  z, x = jnp.zeros((2, 50)), jnp.zeros((2, 28, 28, 1))

  def count(module, *args):
    shapes = jax.eval_shape(module.init, jax.random.key(0), *args)['params']
    return sum(x.size for x in jax.tree.leaves(shapes))

  assert count(joint.Generator((28, 28, 1), 1024), z) == 1_953_792
  assert count(joint.Encoder(50, 1024), x) == 1_902_592
  assert count(joint.Discriminator(1024), x, z) == 1_903_616


# BigBiGAN.


def scores():
  """s_x, s_z and s_xz of two real and two fake pairs."""
  image = jnp.array([0.5, -0.2]), jnp.array([0.1, -1.5])
  latent = jnp.array([1.5, 0.3]), jnp.array([-0.4, 0.8])
  both = jnp.array([0.9, -2.0]), jnp.array([0.2, -0.3])
  return [joint.Scores(*row) for row in zip(image, latent, both, strict=True)]


@pytest.mark.row(80)
def test_the_hinge_is_of_each_score_and_not_of_their_sum():
  real, fake = scores()
  found = [float(bigbigan.hinge(x, y)) for x, y in zip(real, fake, strict=True)]
  np.testing.assert_allclose(found, [1.4, 1.55, 2.5], rtol=1e-6)
  summed = bigbigan.hinge(sum(real), sum(fake))
  np.testing.assert_allclose(summed, 1.9, rtol=1e-6)


@pytest.mark.row(80)
def test_the_encoder_lowers_what_real_pairs_get_and_the_generator_raises_fakes():
  real, fake = scores()
  rows = [float(bigbigan.embedding(x, y)) for x, y in zip(real, fake, strict=True)]
  np.testing.assert_allclose(sum(rows), 1.05, rtol=1e-5)
  np.testing.assert_allclose(real.latent.mean() + real.joint.mean(), 0.35, rtol=1e-5)
  np.testing.assert_allclose(-(fake.image.mean() + fake.joint.mean()), 0.75, rtol=1e-5)


@pytest.mark.row(80)
def test_a_code_is_drawn_by_a_softplus_deviation():
  std = jax.nn.softplus(jnp.array([[-1.0]]))
  found = joint.Code(jnp.array([[0.3]]), std)
  np.testing.assert_allclose(found.mean + found.std * 0.7, [[0.51928318]], rtol=1e-6)
  key = jax.random.key(1)
  np.testing.assert_allclose(
    found.sample(key), found.mean + found.std * jax.random.normal(key, (1, 1)), rtol=1e-6
  )


@pytest.mark.row(80)
def test_of_their_own_domain_scores_are_constants():
  run = experiment.build(bigbigan_recipe.get_config('tiny'))
  state = run.create_state()
  images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)
  batch = to_float(Examples(images))
  phase = next(phase for phase in run.phases if phase.name == 'embed')

  @jax.jit
  def rows(state):
    losses, pullback, _ = forward(phase, run.gan, state, run.groups, batch, jax.random.key(0))
    return {loss: pullback({name: float(name == loss) for name in losses}) for loss in losses}

  found = rows(state)
  assert size(found['unary_image']['encoder']) == 0
  assert size(found['unary_latent']['generator']) == 0
  assert min(size(found['joint'][group]) for group in ('encoder', 'generator')) > 0


# Linear probes.


def test_a_probe_tells_what_codes_know_however_small_they_are_and_no_class_that_it_never_saw():
  rng = np.random.default_rng(0)
  labels = rng.integers(3, size=90)
  codes = 1e-4 * (np.eye(3)[labels] + 0.1 * rng.standard_normal((90, 3)))
  told = probes.linear(codes[:60], labels[:60], 4)(codes[60:])
  assert (told.argmax(1) == labels[60:]).all()
  assert (told[:, 3] == -np.inf).all()
  np.testing.assert_allclose(np.exp(told).sum(1), 1, rtol=1e-5)
  with pytest.raises(UserError, match='codes that are not finite: the run went astray'):
    probes.linear(codes * np.nan, labels, 4)


@pytest.mark.row(85)
def test_a_run_with_labels_is_scored_by_a_probe_of_its_own_codes_of_training_examples():
  config = bigan_recipe.get_config('labelled_digits,tiny')
  config.update_from_flattened_dict(datasets.DATASETS['labelled_digits'])
  run = experiment.build(config)
  dataset = data.load(config, Examples)
  task = {task.name: task for task in tasks_of(run, dataset)}['digit probe']
  variables = state.inference_variables(run.create_state())
  which = np.arange(64)
  found = task.generate(variables, which)
  encode = run.compiled(run.method.encode)
  train, test = (
    np.asarray(encode(variables, data.test_images(x.x, range(len(x.x)), config)))
    for x in (dataset.train, dataset.test)
  )
  probe = probes.linear(train, dataset.train.labels[:, 0], 10)
  np.testing.assert_allclose([row.logits for row in found], probe(test[:64]), atol=1e-3)
  assert [row.label for row in found] == dataset.test.labels[:64, 0].tolist()
  config.seed += 1
  other = state.inference_variables(experiment.build(config).create_state())
  assert not np.allclose(task.generate(other, which)[0].logits, found[0].logits, atol=1e-3)
  raw = task.baselines['its own numbers'](which)
  assert np.mean([row.logits.argmax() == row.label for row in raw]) > 0.9
  config.data.normal = '0'
  assert 'digit probe' not in [task.name for task in tasks_of(experiment.build(config), dataset)]
