"""SinGAN: its pyramid and resizing; three steps of D and one of G against the official arrays."""

import functools
import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from decoupled_gan.core import routing, state
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.layers.resample import bicubic_matrix, rescaled_8_bit
from decoupled_gan.machine import sharding
from decoupled_gan.methods.noise import singan
from decoupled_gan.modes.generate import draw
from decoupled_gan.networks.singan import pyramid, widths
from decoupled_gan.run import experiment


@pytest.mark.row(77)
@pytest.mark.parametrize(
  ('shape', 'ratio', 'sizes'),
  [
    (
      (164, 250),
      0.79047296,
      ((25, 39), (32, 49), (41, 61), (51, 78), (65, 98), (82, 124), (103, 157), (130, 198), (164, 250)),
    ),
    ((48, 64), 0.84952212, ((25, 34), (30, 40), (35, 47), (41, 55), (48, 64))),
  ],
)
def test_the_pyramid_is_the_official_one(shape, ratio, sizes):
  found = pyramid(*shape)
  assert found[0] == sizes
  assert found[1] == pytest.approx(ratio, abs=1e-8)


@pytest.mark.row(77)
def test_a_large_image_is_made_smaller_first():
  sizes, ratio = pyramid(400, 600)
  assert (sizes[0], sizes[-1], len(sizes)) == ((25, 38), (167, 250), 8)
  assert ratio == pytest.approx(0.76238579, abs=1e-8)


@pytest.mark.row(77)
def test_widths_double_after_four_scales_up_to_128():
  assert widths(32, 13) == (32,) * 4 + (64,) * 4 + (128,) * 5


@pytest.mark.row(77)
def test_resizing_is_matlabs():
  down, up = bicubic_matrix(12, 0.75) @ np.arange(12) ** 2, bicubic_matrix(6, 4 / 3) @ np.arange(6) ** 2
  np.testing.assert_allclose(
    down,
    [0.0397351, 2.30188679, 7.92273731, 17.45695360, 30.2968070, 46.4746137, 66.9050773, 90.4136430,
     117.737307],
    rtol=1e-5,
  )  # fmt: skip
  np.testing.assert_allclose(
    up,
    [-0.0546875, 0.43457031, 1.890625, 4.515625, 8.265625, 13.140625, 19.62402344, 25.4921875],
    rtol=1e-5,
  )


@pytest.mark.row(77)
def test_what_passes_between_scales_has_8_bits_and_no_gradient():
  levels = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1)
  x = jnp.asarray(levels / 255 * 2 - 1)
  np.testing.assert_allclose(rescaled_8_bit(x + 0.9 / 127.5, 1)[0, :-1], x[0, :-1], atol=1e-6)
  assert not jax.grad(lambda x: rescaled_8_bit(x, 1.5).sum())(x).any()


class Official:
  """The arrays of the official code in our layout; a pyramid whose second scale they are."""

  def __init__(self):
    with np.load(Path(__file__).parent / 'fixtures' / '77_singan.npz') as arrays:
      self.arrays = dict(arrays)
    self.networks = {'generator': singan.Generator(4), 'discriminator': singan.Patches(4)}

  def image(self, name):
    return jnp.asarray(np.moveaxis(self.arrays[name], -3, -1), jnp.float32)

  def variables(self, when, network):
    letter, params, stats = network[0].upper(), {}, {}
    layers = {'head': 'head', 'body.block1': 'body_0', 'body.block2': 'body_1', 'body.block3': 'body_2'}
    get = lambda key: self.arrays[f'{when}/{letter}/{key}']  # noqa: E731
    for theirs, ours in layers.items():
      params[ours] = self._conv(get, f'{theirs}.conv')
      params[f'{ours}_norm'] = {
        'gamma': get(f'{theirs}.norm.weight'), 'beta': get(f'{theirs}.norm.bias')
      }  # fmt: skip
      averages = {name: get(f'{theirs}.norm.running_{name}') for name in ('mean', 'var')}
      stats[f'{ours}_norm'] = averages | {'count': np.int32(0)}
    params['tail'] = self._conv(get, 'tail.0' if letter == 'G' else 'tail')
    found = {'params': params, 'batch_stats': stats}
    return {k: {'patches': x} for k, x in found.items()} if letter == 'G' else found

  def _conv(self, get, name):
    return {'kernel': get(f'{name}.weight').transpose(2, 3, 1, 0), 'bias': get(f'{name}.bias')}


@pytest.fixture(scope='module')
def played():
  """(official arrays, {network: losses}, {network: variables}) after three steps of D and one of G."""
  given = Official()
  nets = given.networks
  real, prev, z_prev = (given.image(name) for name in ('real', 'prev', 'z_prev'))
  noise = 0.08704638 * given.image('noise')[0]
  now = {name: given.variables('before', name) for name in nets}
  adam = optax.adam(5e-4, 0.5, 0.999)
  opt = {name: adam.init(now[name]['params']) for name in nets}
  losses = {'discriminator': [], 'generator': []}
  quick = functools.partial(sharding.jit, quick=True)

  def step(name, loss, *inputs):
    value, gradient = loss(now[name]['params'], now[name], *inputs)
    updates, opt[name] = adam.update(gradient, opt[name])
    losses[name].append(value[1][0])
    stats = value[1][1]
    now[name] = {'params': optax.apply_updates(now[name]['params'], updates), **stats}

  def call(name, variables, *args, **options):
    return nets[name].apply(variables, *args, mutable=['batch_stats'], **options)

  def critic(params, variables, fake, share):
    variables = {**variables, 'params': params}
    on_real, stats = call('discriminator', variables, real)
    on_fake, stats = call('discriminator', {**variables, **stats}, fake)
    slope = singan.penalty(nets['discriminator'].bind(variables), real, fake, share)
    terms = jnp.stack([-on_real.mean(), on_fake.mean(), 0.1 * slope])
    return terms.sum(), (terms, stats)

  draw = quick(lambda variables: call('generator', variables, noise, prev))
  critic = quick(jax.value_and_grad(critic, has_aux=True))
  for share in given.arrays['alpha']:
    fake, stats = draw(now['generator'])
    now['generator'] = {**now['generator'], **stats}
    step('discriminator', critic, fake, jnp.float32(share))
  given.fake = fake

  def maker(params, variables):
    variables = {**variables, 'params': params}
    fake, _ = call('generator', variables, noise, prev, track=False)
    again, stats = call('generator', variables, jnp.zeros_like(z_prev), z_prev)
    on_fake, _ = call('discriminator', now['discriminator'], fake)
    terms = jnp.stack([-on_fake.mean(), 10 * jnp.square(again - real).mean()])
    return terms.sum(), (terms, stats)

  step('generator', quick(jax.value_and_grad(maker, has_aux=True)))
  return given, losses, now


@pytest.mark.row(77)
def test_losses_are_the_official_ones(played):
  given, losses, _ = played
  np.testing.assert_allclose(losses['discriminator'], given.arrays['losses_d'], rtol=2e-5, atol=2e-6)
  np.testing.assert_allclose(losses['generator'], given.arrays['losses_g'], rtol=2e-5, atol=2e-6)


@pytest.mark.row(77)
def test_the_fake_is_the_official_one(played):
  given, _, _ = played
  np.testing.assert_allclose(given.fake, given.image('fake'), atol=2e-5)


@pytest.mark.row(77)
@pytest.mark.parametrize('network', ['generator', 'discriminator'])
def test_parameters_and_the_generators_averages_after_the_steps_are_the_official_ones(played, network):
  given, _, now = played
  wanted, found = given.variables('after', network), now[network]
  named = jax.tree_util.tree_leaves_with_path(wanted['params'])
  for (path, theirs), ours in zip(named, jax.tree.leaves(found['params']), strict=True):
    where = jax.tree_util.keystr(path)
    if 'bias' in where and 'tail' not in where:
      continue  # before a norm: the gradient is rounding, which Adam makes large
    np.testing.assert_allclose(ours, theirs, atol=3e-5, err_msg=where)
  if network == 'generator':
    for theirs, ours in zip(
      jax.tree.leaves(wanted['batch_stats']), jax.tree.leaves(found['batch_stats']), strict=True
    ):
      if theirs.ndim:
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.row(77)
def test_the_penaltys_norm_is_that_of_each_pixel():
  class Sum(singan.nn.Module):
    def __call__(self, x):
      return x * jnp.array([3.0, 4.0])[None, None, None]

  x = jnp.ones((1, 2, 2, 2))
  assert singan.penalty(Sum().bind({}), x, x, jnp.float32(0.5)) == pytest.approx(16), '(5 - 1)^2'


@pytest.fixture(scope='module')
def tiny():
  config = importlib.import_module('configs.singan').get_config('tiny')
  return experiment.build(config, jax.devices()[:1])


@pytest.fixture(scope='module')
def variables(tiny):
  return state.inference_variables(tiny.create_state())


@pytest.mark.row(77)
def test_the_rate_falls_in_the_last_fifth_of_each_scale():
  config = importlib.import_module('configs.singan').get_config('48x64')
  assert config.num_steps == 10_000
  assert config.anneal.optimizer_of.generator_2['learning_rate'] == (0.1, 5600, 'steps')
  assert config.window.draw_2 == (4000, 6000)


def drawn(gan, variables, *codes):
  """What `gan` makes of each of `codes`."""
  draw = lambda v, z: gan.apply(v, z, 'const', method=singan.draw)  # noqa: E731
  function = sharding.jit(draw, quick=True)
  return [function(variables, z) for z in codes]


@pytest.mark.row(77)
def test_images_of_any_size_are_drawn(tiny, variables):
  gan = singan.at_size(tiny.gan, (20, 44), 0)
  (made,) = drawn(gan, variables, jnp.ones((2, gan.z_dim)))
  assert made.shape == (2, 20, 44, 3)


@pytest.mark.row(77)
def test_scales_below_the_start_have_the_fixed_noise(tiny, variables):
  only_coarsest = {'sigma': jnp.eye(len(tiny.gan.sizes))[0]}
  gan = singan.at_size(tiny.gan, None, 1)
  codes = [jax.random.normal(jax.random.key(k), (1, gan.z_dim)) for k in (0, 1)]
  made = drawn(gan, {**variables, 'amplitudes': only_coarsest}, *codes)
  np.testing.assert_array_equal(*made)
  assert made[0].shape == (1, *tiny.config.image_size, 3)


@pytest.mark.row(77)
def test_errors_teach(tiny):
  recipe = importlib.import_module('configs.singan')
  config = recipe.get_config('tiny')
  config.image_size = (40, 40)
  with pytest.raises(UserError, match=r'has \d+ scales, and the table has phases of .*singan\.py:40x40'):
    experiment.build(config)
  with pytest.raises(UserError, match=r'image_size=\(400, 600\) is larger .* 167x250'):
    experiment.build(recipe.get_config('400x600'))
  with pytest.raises(UserError, match='--start_scale=9: this run has the scales 0'):
    singan.at_size(tiny.gan, None, 9)
  with pytest.raises(UserError, match='--size=164 is no size'):
    draw.parse_size('164')
  assert draw.parse_size('164x500') == (164, 500)


@pytest.mark.row(77)
def test_a_scale_inherits_and_only_it_moves(tiny):
  begin = tiny.config.window.judge_1[0]
  before = tiny.create_state()
  before, _ = singan.inherit(tiny, before, None, begin)
  for network in ('generator', 'discriminator'):
    same = jax.tree.map(np.array_equal, before.params[f'{network}_0'], before.params[f'{network}_1'])
    assert all(jax.tree.leaves(same)), network
  images = np.random.default_rng(0).integers(0, 256, (1, *tiny.config.image_size, 3), np.uint8)
  active = routing.active(tiny.phases, begin)
  state, before = before, jax.device_get(before)  # the step reuses the state's buffers
  after, losses = tiny.train_step()(state, Examples(images), active)
  assert {loss.split('/')[0] for loss in losses} == {'judge_1', 'draw_1'}
  moved = jax.tree.map(lambda a, b: bool(np.any(np.asarray(a) != b)), before.params, after.params)
  assert {group for group, tree in moved.items() if any(jax.tree.leaves(tree))} == {
    'generator_1', 'discriminator_1'
  }  # fmt: skip
  stats = before.stats['batch_stats']['generator_0'], after.stats['batch_stats']['generator_0']
  assert all(jax.tree.leaves(jax.tree.map(np.array_equal, *stats))), 'coarser scales are constants'
  counts = after.stats['batch_stats']['generator_1']['patches']['head_norm']['count']
  assert counts - before.stats['batch_stats']['generator_1']['patches']['head_norm']['count'] == 2
  assert 0 < after.stats['amplitudes']['sigma'][1] < 0.2
