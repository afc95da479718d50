"""StackGAN++: networks, losses, gradients against official arrays; literals; who learns of what."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from configs import stackgan as recipe
from decoupled_gan.core import routing
from decoupled_gan.core.images import to_float
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.machine import sharding
from decoupled_gan.methods.noise import stackgan
from decoupled_gan.networks.stackgan import Condition, Conditioner, Discriminator, Tree
from decoupled_gan.run import experiment


def logit(*probabilities):
  p = jnp.array(probabilities)
  return jnp.log(p) - jnp.log(1 - p)


def counted(network, *shapes, method=None):
  given = [jnp.zeros(shape) for shape in shapes]
  variables = jax.eval_shape(lambda *x: network.init(jax.random.key(0), *x, method=method), *given)
  return sum(x.size for x in jax.tree.leaves(variables['params']))


@pytest.mark.row(79)
def test_parameter_counts_are_the_official_networks():
  tree = Tree(64, 3, 64)
  assert counted(tree, (1, 100), (1, 100)) == 16_472_208
  assert counted(tree, (1, 228), (1, 128)) == 21_239_696 - 524_800
  assert counted(Conditioner(128), (1, 1024)) == 524_800
  alone = lambda network, x, c: network.looks_real(network.features(x))  # noqa: E731
  both = lambda network, x, c: (alone(network, x, c), network.fits(network.features(x), c))  # noqa: E731
  for size, one, two in (
    (64, 2_765_569, 5_723_906), (128, 15_875_841, 18_834_178), (256, 68_310_785, 71_269_122)
  ):  # fmt: skip
    network = Discriminator(size, 64, 512)
    assert counted(network, (1, size, size, 3), (1, 128), method=alone) == one
    assert counted(network, (1, size, size, 3), (1, 128), method=both) == two


@pytest.mark.row(79)
def test_losses_of_probabilities_are_the_literals():
  real, wrong, fake = logit(0.9, 0.6), logit(0.3, 0.4), logit(0.2, 0.35)
  alone = logit(0.8, 0.7), logit(0.75, 0.5), logit(0.1, 0.45)
  joint = stackgan.conditional(real, wrong, fake) + stackgan.unconditional(*alone)
  assert joint == pytest.approx(2.20072922, rel=1e-6), 'a wrong image is a real one'
  assert stackgan.conditional(real, wrong, fake, 0.5) == pytest.approx(0.68844983, rel=1e-6)
  rising = stackgan.logistic(fake, True) + stackgan.logistic(alone[2], True)
  assert rising == pytest.approx(2.88017641, rel=1e-6)


@pytest.mark.row(79)
def test_the_divergence_is_a_mean_over_dimensions():
  told = Condition(jnp.array([[0.5, -1], [0, 2]]), jnp.array([[0, -1], [0.3, 0.1]]))
  assert stackgan.kl(told) == pytest.approx(0.70911365, rel=1e-6)


@pytest.mark.row(79)
def test_colours_are_means_and_biased_covariances_over_pixels():
  image = jnp.array([[0, 1, 2, 3], [1, 1, 1, 5]], jnp.float32).T.reshape(1, 2, 2, 2)
  mean, covariance = stackgan.colours(image)
  np.testing.assert_allclose(mean, [[1.5, 2]])
  np.testing.assert_allclose(covariance, [[[1.25, 1.5], [1.5, 3]]])
  finer, coarser = (
    jnp.float32(np.random.RandomState(seed).rand(2, 3, n, n).transpose(0, 2, 3, 1))
    for seed, n in ((0, 4), (1, 2))
  )
  of_means, of_covariances = (stackgan.colour_loss([coarser, finer], which) for which in (0, 1))
  assert of_means == pytest.approx(0.04848028, rel=1e-5)
  assert of_covariances == pytest.approx(0.00164830, rel=1e-5)
  assert 50 * of_means + 250 * of_covariances == pytest.approx(2.83608802, rel=1e-5)
  slope = jax.grad(lambda images: stackgan.colour_loss(images, 0))([coarser, finer])
  np.testing.assert_array_equal(slope[0], 0)
  assert np.abs(slope[1]).max() > 0


@pytest.mark.row(79)
def test_wrong_images_are_of_other_labels_where_there_are_any():
  labels = jnp.array([[0, 1], [0, 1], [0, 2], [0, 1]])
  for seed in range(20):
    other = stackgan.mismatched(jax.random.key(seed), labels)
    assert set(other[np.array([0, 1, 3])].tolist()) == {2}
    assert other[2] != 2
  assert (stackgan.mismatched(jax.random.key(0), labels[:2]) < 2).all()


@pytest.mark.row(79)
def test_a_description_is_the_labels_one_hot_and_zeros_where_they_are_unknown():
  found = stackgan.described(jnp.array([[1, 0], [-1, 2]]), (2, 3))
  two, three = 2**0.5, 3**0.5
  np.testing.assert_allclose(found, [[0, two, three, 0, 0], [0, 0, 0, 0, three]])
  quantities = stackgan.described(jnp.array([[0.25, 1.0]]), (0, 2))
  np.testing.assert_allclose(quantities, [[0.25, 0, two]])


@pytest.mark.row(79)
@pytest.mark.parametrize('count', [2, 10, 300])
def test_a_description_is_not_drowned_by_the_noise_of_its_condition(count):
  """Means of an orthogonal layer of one-hot labels would have a mean square of 1 / (16 E)."""
  description = stackgan.described(jnp.arange(count)[:, None], (count,))
  told, _ = Conditioner(16).init_with_output(jax.random.key(0), description)
  assert 0.1 < jnp.square(told.mean).mean() < 0.5


# the official code, two scales of 64 and 128 px

TREE = (
  ('h_net1.fc.0', 'stem/dense'), ('h_net1.fc.1', 'stem/norm'),
  *((f'h_net1.upsample{i + 1}.{k}', f'stem/up_{i}/{own}') for i in range(4)
    for k, own in ((1, 'conv'), (2, 'norm'))),
  ('img_net1.img.0', 'image_0'), ('img_net2.img.0', 'image_1'),
  ('h_net2.jointConv.0', 'branch_1/joint/conv'), ('h_net2.jointConv.1', 'branch_1/joint/norm'),
  ('h_net2.residual.0.block.0', 'branch_1/residual_0/gated/conv'),
  ('h_net2.residual.0.block.1', 'branch_1/residual_0/gated/norm'),
  ('h_net2.residual.0.block.3', 'branch_1/residual_0/conv'),
  ('h_net2.residual.0.block.4', 'branch_1/residual_0/norm'),
  ('h_net2.upsample.1', 'branch_1/up/conv'), ('h_net2.upsample.2', 'branch_1/up/norm'),
)  # fmt: skip
HEADS = (
  ('logits.0', 'conditional/conv'), ('uncond_logits.0', 'unconditional/conv'),
  ('jointConv.0', 'joint/conv'), ('jointConv.1', 'joint/norm'),
)  # fmt: skip
DOWN = (
  ('img_code_s16.0', 'trunk_0/conv'),
  *((f'img_code_s16.{3 * i - 1 + k}', f'trunk_{i}/{own}') for i in (1, 2, 3)
    for k, own in ((0, 'conv'), (1, 'norm'))),
)  # fmt: skip
DOWN_128 = (
  ('img_code_s32.0', 'trunk_4/conv'), ('img_code_s32.1', 'trunk_4/norm'),
  ('img_code_s32_1.0', 'trunk_5/conv'), ('img_code_s32_1.1', 'trunk_5/norm'),
)  # fmt: skip
NETWORKS = (
  ('g', 'conditioner', (('ca_net.fc', 'dense'),)), ('g', 'generator', TREE),
  ('d0', 'discriminator_0', DOWN + HEADS), ('d1', 'discriminator_1', DOWN + DOWN_128 + HEADS),
)  # fmt: skip


def by_pixel(x):
  """The root's units [..., 2 C 4 4], two halves of maps, with channels last in each."""
  halves = x.reshape(*x.shape[:-1], 2, -1, 4, 4)
  return np.moveaxis(halves, -3, -1).reshape(x.shape)


def ours(name, x):
  """An official tensor in our layout, and what we call it."""
  kind = name.rsplit('/', 1)[-1]
  if x.ndim == 1:
    named = {'weight': 'gamma', 'bias': 'beta' if 'norm' in name else 'bias'}[kind]
  else:
    named = 'kernel'
  x = x.transpose(2, 3, 1, 0) if x.ndim == 4 else x.T
  if name.startswith(('generator/stem/dense', 'generator/stem/norm')):
    x = by_pixel(x)
  return f'{name.rsplit("/", 1)[0]}/{named}', jnp.float32(x)


class Official:
  """The arrays of the official code, and our module with its parameters."""

  def __init__(self):
    with np.load(Path(__file__).parent / 'fixtures' / '79_stackgan.npz') as arrays:
      self.arrays = dict(arrays)
    self.gan = stackgan.StackGAN(64, 2, 2, 2, 3, 1, 5, 3, (0,) * 6)
    real = self.arrays['real'].repeat(8, 1).repeat(8, 2)
    self.batch = to_float(Examples(jnp.asarray(real), jnp.asarray(self.arrays['text'])))
    self.normal = jnp.concatenate([self.arrays['z'], self.arrays['eps']], 1)
    found = {}
    for net, network, table in NETWORKS:
      for theirs, own in table:
        for kind in ('weight', 'bias'):
          if f'{net}/{theirs}.{kind}' in self.arrays:
            path, x = ours(f'{network}/{own}/{kind}', self.arrays[f'{net}/{theirs}.{kind}'])
            found[path] = x
    self.params = unflatten_dict(found, sep='/')

  def variables(self):
    def both(gan, batch):
      return [x() for f in (stackgan.discriminate, stackgan.generate) for x in f(gan, batch).values()]

    init = lambda key: self.gan.init(key, self.batch, method=both)  # noqa: E731
    shapes = jax.eval_shape(init, jax.random.key(0))
    wanted = {name: x.shape for name, x in flatten_dict(shapes['params'], sep='/').items()}
    assert {name: x.shape for name, x in flatten_dict(self.params, sep='/').items()} == wanted
    return {
      name: jax.tree_util.tree_map_with_path(
        lambda path, x: (jnp.ones if path[-1].key == 'var' else jnp.zeros)(x.shape, x.dtype), tree
      )
      for name, tree in shapes.items()
      if name != 'params'
    }

  def play(self):
    """(discriminators' losses, generator's total, its gradient, images, told, statistics after)."""
    stats, rngs = self.variables(), {'noise': jax.random.key(1), 'step': jax.random.key(2)}

    def apply(params, method):
      variables = {'params': params, **stats}
      return self.gan.apply(variables, self.batch, method=method, mutable=['batch_stats'], rngs=rngs)

    def total(params):
      losses, after = apply(params, lambda *x: {k: v() for k, v in stackgan.generate(*x).items()})
      weights = {'kl': 2, 'colour_mean': 50, 'colour_covariance': 250}
      return sum(weights.get(name, 1) * x for name, x in losses.items()), after

    @sharding.exact
    def everything(params):
      judging, _ = apply(params, lambda *x: {k: v() for k, v in stackgan.discriminate(*x).items()})
      (loss, after), gradient = jax.value_and_grad(total, has_aux=True)(params)
      (images, told), _ = apply(params, lambda gan, batch: gan.imagined(batch, False))
      return judging, loss, gradient, images, told, after

    return sharding.jit(everything, quick=True)(self.params)


@pytest.fixture(scope='module')
def official():
  return Official()


@pytest.fixture(scope='module')
def played(official):
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(stackgan, 'mismatched', lambda key, labels: jnp.array([1, 2, 3, 0]))
    draw, drawn = jax.random.normal, official.normal
    patch.setattr(
      jax.random,
      'normal',
      lambda key, shape, *x: drawn if shape == drawn.shape else draw(key, shape, *x),
    )
    return official.arrays, *official.play()


@pytest.mark.row(79)
def test_images_of_both_scales_are_the_official_ones(played):
  arrays, *_, images, told, _ = played
  np.testing.assert_allclose(told.mean, arrays['mu'], rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(told.log_variance, arrays['logvar'], rtol=1e-5, atol=1e-6)
  for i, image in enumerate(images):
    step = 4 * 2**i + 1
    np.testing.assert_allclose(image[:, ::step, ::step], arrays[f'image_{i}'], atol=2e-5)


@pytest.mark.row(79)
def test_what_the_players_minimise_is_official(played):
  arrays, judging, total, *_ = played
  for i, (joint, _) in enumerate(arrays['d_losses']):
    found = judging[f'conditional_{i}'] + judging[f'unconditional_{i}']
    assert found == pytest.approx(joint, rel=1e-4)
  assert total == pytest.approx(float(arrays['g_loss']), rel=1e-4)


@pytest.mark.row(79)
def test_the_generators_gradient_is_official_and_reaches_the_condition_through_discriminators(played):
  arrays, _, _, gradient, *_ = played
  for theirs, own in (
    ('ca_net.fc.bias', 'conditioner/dense/bias'),
    ('img_net1.img.0.weight', 'generator/image_0/kernel'),
    ('h_net2.jointConv.1.weight', 'generator/branch_1/joint/norm/gamma'),
    ('h_net1.upsample4.1.weight', 'generator/stem/up_3/conv/kernel'),
  ):
    wanted = arrays[f'grad/{theirs}']
    wanted = wanted.transpose(2, 3, 1, 0) if wanted.ndim == 4 else wanted
    found = flatten_dict(gradient, sep='/')[own]
    assert np.abs(found - wanted).max() < 2e-4 * np.abs(wanted).max(), own


@pytest.mark.row(79)
def test_running_statistics_of_the_generator_are_official(played):
  arrays, *_, after = played
  found = flatten_dict(after['batch_stats'], sep='/')['generator/stem/up_3/norm/var']
  np.testing.assert_allclose(found, arrays['running'], rtol=1e-5)


# a run


@pytest.fixture(scope='module')
def tiny():
  return experiment.build(recipe.get_config('described,tiny'), jax.devices()[:1])


@pytest.fixture(scope='module')
def state(tiny):
  return tiny.create_state()


def batch_of(run):
  images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
  return Examples(images, np.array([[0], [1]], np.int32) if run.config.attributes else None)


@pytest.mark.row(79)
def test_colours_teach_neither_the_coarsest_image_nor_a_discriminator_and_kl_no_generator(tiny, state):
  rngs = {'noise': jax.random.key(1), 'step': jax.random.key(2)}
  batch = to_float(batch_of(tiny))

  def losses(params):
    variables = {**state.variables(), 'params': params}
    method = lambda *x: {n: f() for n, f in stackgan.generate(*x).items() if n[-1].isalpha()}  # noqa: E731
    return tiny.gan.apply(variables, batch, method=method, mutable=['batch_stats'], rngs=rngs)[0]

  slopes = sharding.jit(jax.jacrev(losses), quick=True)(state.params)
  largest = lambda tree: max(np.abs(x).max() for x in jax.tree.leaves(tree))  # noqa: E731
  for name in ('colour_mean', 'colour_covariance'):
    slope = slopes[name]
    assert largest(slope['generator']['image_0']) == 0
    assert largest([slope['discriminator_0'], slope['discriminator_1']]) == 0
    for part in ('stem', 'branch_1', 'image_1'):
      assert largest(slope['generator'][part]) > 0, part
  assert largest({n: x for n, x in slopes['kl'].items() if n != 'conditioner'}) == 0
  assert largest(slopes['kl']['conditioner']) > 0


@pytest.mark.row(79)
def test_phases_of_a_step_see_the_same_drawings_and_statistics_move_once(tiny, state):
  after, losses = tiny.train_step()(
    jax.tree.map(jnp.copy, state), batch_of(tiny), routing.active(tiny.phases, 0)
  )
  assert all(np.isfinite(x) for x in losses.values())
  counts = flatten_dict(after.stats['batch_stats']['generator'], sep='/')
  counts = [int(x) for name, x in counts.items() if name.endswith('count')]
  assert counts
  assert set(counts) == {1}, 'once a step, though it draws in two phases'
  imagine = sharding.jit(
    lambda variables, batch, noise, step: tiny.gan.apply(
      variables, batch, False, method=stackgan.StackGAN.imagined, rngs={'noise': noise, 'step': step}
    )[0][1],
    quick=True,
  )
  first, second, another = (
    imagine(state.variables(), to_float(batch_of(tiny)), jax.random.key(noise), jax.random.key(step))
    for noise, step in ((0, 7), (1, 7), (0, 8))
  )
  np.testing.assert_array_equal(first, second)
  assert np.abs(first - another).max() > 0


@pytest.mark.row(79)
def test_a_drawing_follows_its_labels_and_its_numbers(tiny, state):
  draw = tiny.compiled(
    lambda gan, z, labels: stackgan.draw(gan, stackgan.style(gan, z, 0.5), '', labels)
  )
  z = jax.random.normal(jax.random.key(0), (1, tiny.gan.z_dim))
  red, blue = (draw(state.variables(), z, jnp.array([[k]])) for k in (0, 1))
  assert red.shape == (1, 16, 16, 3)
  assert np.abs(red - blue).max() > 0
  other = draw(state.variables(), z.at[:, -1].add(1), jnp.array([[0]]))
  assert np.abs(red - other).max() > 0, 'the last numbers are those that the condition is drawn by'


@pytest.mark.row(79)
def test_without_labels_there_is_no_condition():
  run = experiment.build(recipe.get_config('tiny'), jax.devices()[:1])
  assert sorted(run.variables['params']) == ['discriminator_0', 'discriminator_1', 'generator']
  assert 'conditional' not in run.variables['params']['discriminator_0']
  assert run.gan.z_dim == run.config.model.latent_size


@pytest.mark.row(79)
@pytest.mark.parametrize(
  ('fields', 'told'),
  [
    ({'image_size': 24}, r'image_size=24 with model\.scales=2: sizes are powers of two'),
    ({'model.scales': 3}, r'the coarsest has 8 px or more'),
    ({'model.scales': 0}, r'model\.scales=0: a tree draws at one scale at least'),
    ({'model.width': 3}, r'model\.width=3 is halved .* a multiple of 2'),
  ],
)
def test_sizes_that_do_not_fit_are_told(fields, told):
  config = recipe.get_config('tiny')
  config.update_from_flattened_dict(fields)
  with pytest.raises(UserError, match=told):
    experiment.build(config)
