"""BAGAN: who is seen how often, classes as Gaussians, and what the second stage begins with."""

import types

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import bagan as recipe
from decoupled_gan import data
from decoupled_gan.core import routing
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.methods.noise import bagan
from decoupled_gan.networks import bagan as networks
from decoupled_gan.run import experiment


class Stub:
  """Networks that are known: the discriminator's logits are its input, the generator is the identity."""

  classes = 2

  def __init__(self, fakes):
    self.fakes, self.asked = fakes, []
    self.generator = self.discriminator = lambda x: x

  def drawn(self, count):
    self.asked.append(count)
    return self.fakes, jnp.zeros(len(self.fakes), int)


@pytest.mark.row(21)
def test_each_fake_weighs_as_each_real_example_and_counts_as_the_last_class():
  real, fakes = jnp.log(jnp.array([[2.0, 1, 1], [1, 2, 1], [1, 2, 1], [1, 2, 1]])), jnp.zeros((2, 3))
  gan = Stub(fakes)
  found = bagan.discriminate(gan, Examples(real, jnp.array([[0], [1], [1], [0]])))['classify']()
  np.testing.assert_allclose(found, (3 * np.log(2) + np.log(4) + 2 * np.log(3)) / 6, rtol=1e-6)
  assert gan.asked == [2]


@pytest.mark.row(21)
def test_of_128_and_ten_classes_13_fakes_are_shown_and_the_generator_learns_from_141():
  gan = Stub(jnp.zeros((141, 3)))
  gan.classes = 10
  found = bagan.generate(gan, Examples(jnp.zeros((128, 3)), jnp.zeros((128, 1), int)))['classify']()
  np.testing.assert_allclose(found, np.log(3), rtol=1e-6)  # the class that each was drawn for
  assert gan.asked == [141]
  assert bagan.fakes_beside(128, 10) == 13


@pytest.mark.row(21)
def test_the_discriminators_loss_leads_to_no_generator():
  class Scaled(Stub):
    def __init__(self, scale):
      super().__init__(jnp.ones((2, 3)))
      self.generator = lambda x: scale * x

  batch = Examples(jnp.eye(3), jnp.array([[0], [1], [1]]))
  loss = lambda scale: bagan.discriminate(Scaled(scale), batch)['classify']()  # noqa: E731
  assert jax.grad(loss)(2.0) == 0
  ours = lambda scale: bagan.generate(Scaled(jnp.array([scale, 1, 1])[None]), batch)['classify']()  # noqa: E731
  assert jax.grad(ours)(2.0) < 0


@pytest.mark.row(21)
@pytest.mark.parametrize(
  ('shares', 'expected'),
  [
    ((0.5, 0.3, 0.15, 0.05), (0, 0.2, 0.35, 0.45)),
    ((0.7, 0.2, 0.06, 0.04), (0, 0.25, 0.36666667, 0.38333333)),
    ((0.25,) * 4, (0.25,) * 4),
  ],
)
def test_rare_classes_are_drawn_by_what_they_lack(shares, expected):
  np.testing.assert_allclose(bagan.rebalanced(shares), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.row(21)
def test_a_class_is_a_gaussian_by_n_minus_1_also_where_its_images_are_few():
  codes = np.random.default_rng(0).normal(3, 2, (20, 4))
  mean, root = bagan.gaussian(codes)
  np.testing.assert_allclose(mean, codes.mean(0))
  np.testing.assert_allclose(root @ root.T, np.cov(codes.T), atol=1e-12)
  few = codes[:2]  # a Cholesky decomposition of this fails
  mean, root = bagan.gaussian(few)
  assert np.isfinite(root).all()
  away, along = root @ np.ones(4), few[0] - few[1]
  np.testing.assert_allclose(np.abs(away @ along), np.linalg.norm(away) * np.linalg.norm(along))
  np.testing.assert_array_equal(bagan.gaussian(codes[:1])[1], 0)


@pytest.mark.row(21)
def test_codes_have_the_covariance_of_their_class():
  root = np.array([[[2.0, 0], [1, 3]], [[1, 0], [0, 1]]], np.float32)
  gaussians = {
    'means': jnp.array([[10.0, 20], [0, 0]]),
    'factors': jnp.array(root),
    'shares': jnp.ones(2) / 2,
  }
  gan = bagan.BAGAN(None, None, None, 2, 2)
  normal = jnp.array([[1.0, 2], [1, 2]])
  found = gan.apply({'gaussians': gaussians}, normal, jnp.array([0, 1]), method='codes')
  np.testing.assert_allclose(found, [[12, 27], [1, 2]])
  shares = {**gaussians, 'shares': jnp.array([0.0, 1])}
  rngs = {'noise': jax.random.key(0)}
  _, classes = gan.apply({'gaussians': shares}, 50, method='drawn', rngs=rngs)
  assert (classes == 1).all()


@pytest.mark.row(21)
def test_networks_are_the_official_ones_at_their_size():
  generator = networks.Generator(64, 3, 8, 32)
  shapes = jax.eval_shape(generator.init, jax.random.key(0), jnp.zeros((1, 100)))['params']
  found = {name: x['kernel'].shape for name, x in shapes.items()}
  assert found == {
    'dense_0': (100, 1024), 'dense_1': (1024, 128 * 8 * 8), 'conv_16': (5, 5, 128, 256),
    'conv_32': (5, 5, 256, 256), 'conv_64': (5, 5, 256, 128), 'image': (2, 2, 128, 3),
  }  # fmt: skip
  assert all(set(x) == {'kernel'} for x in shapes.values())  # no biases
  judge = networks.Headed(networks.Trunk(8, 32), 11)
  for size, channels in ((32, (32, 64, 128, 256)), (64, (32, 64, 128, 256, 256, 256))):
    x = jnp.zeros((1, size, size, 3))
    shapes = jax.eval_shape(judge.init, jax.random.key(0), x)['params']
    layers = sorted(name for name in shapes['trunk'])
    assert tuple(shapes['trunk'][name]['kernel'].shape[-1] for name in layers) == channels
    assert shapes['out']['kernel'].shape == (8 * 8 * 256, 11)


@pytest.mark.row(21)
def test_units_are_dropped_where_there_is_noise_and_nowhere_else():
  trunk, x = networks.Trunk(4, 2), jnp.ones((2, 8, 8, 1))
  variables = trunk.init(jax.random.key(0), x)
  plain = trunk.apply(variables, x)
  np.testing.assert_array_equal(plain, trunk.apply(variables, x))
  noisy = trunk.apply(variables, x, rngs={'noise': jax.random.key(0)})
  assert (np.asarray(noisy == 0).mean() > 0.1) and (np.asarray(plain == 0).mean() < 0.1)


@pytest.fixture(scope='module')
def begun():
  """(run, state before the second stage, data): 8 px of `fake`, two classes."""
  run = experiment.build(recipe.get_config('tiny,rebalance'))
  return run, run.create_state(), data.load(run.config, run.method.batch)


@pytest.mark.row(21)
def test_the_second_stage_begins_with_the_first_ones_networks_and_new_optimizers(begun):
  run, state, dataset = begun
  ones = jax.tree.map(lambda x: jnp.ones_like(x) if x.ndim else x, state.opt)
  state = state.replace(opt=ones)
  same, _ = bagan.initialise(run, state, dataset, 0)
  assert same is state
  found, _ = bagan.initialise(run, state, dataset, run.config.events.initialise)
  equal = lambda a, b: jax.tree.map(np.testing.assert_array_equal, a, b)  # noqa: E731
  equal(found.params['discriminator']['trunk'], state.params['encoder']['trunk'])
  equal(found.params['discriminator']['out'], state.params['discriminator']['out'])
  for group in ('encoder', 'generator'):
    equal(found.params[group], state.params[group])
  equal(found.opt['encoder'], state.opt['encoder'])
  for group in ('generator', 'discriminator'):
    equal(found.opt[group], run.optimizers[group].init(found.params[group]))
  structure = jax.tree.structure(run.abstract_state())
  assert jax.tree.structure(found) == structure  # so that nothing is compiled anew
  assert [x.shape for x in jax.tree.leaves(found)] == [
    x.shape for x in jax.tree.leaves(run.abstract_state())
  ]


@pytest.mark.row(21)
def test_classes_are_the_gaussians_of_their_training_images_codes(begun):
  run, state, dataset = begun
  found, _ = bagan.initialise(run, state, dataset, run.config.events.initialise)
  labels = np.asarray(dataset.train.labels)[:, 0]
  x = next(run.examples(dataset.train.x, len(labels)))
  variables = {'params': state.params, **state.stats}
  codes = np.asarray(run.compiled(lambda gan, x: gan.encoder(x))(variables, x))
  for k in range(2):
    mean, root = bagan.gaussian(codes[labels == k].astype(np.float64))
    np.testing.assert_allclose(found.stats['gaussians']['means'][k], mean, rtol=1e-4, atol=1e-6)
    factor = np.asarray(found.stats['gaussians']['factors'][k])
    np.testing.assert_allclose(factor @ factor.T, root @ root.T, rtol=1e-3, atol=1e-7)
  shares = np.bincount(labels) / len(labels)
  np.testing.assert_allclose(found.stats['gaussians']['shares'], bagan.rebalanced(shares), rtol=1e-6)
  missing = types.SimpleNamespace(
    train=dataset.train._replace(labels=np.zeros_like(dataset.train.labels))
  )
  with pytest.raises(UserError, match='class 1 has no training example'):
    bagan.initialise(run, state, missing, run.config.events.initialise)


@pytest.mark.row(21)
def test_stages_follow_each_other(begun):
  run = begun[0]
  names = [
    [phase.name for _, phase in routing.played(run.phases, routing.active(run.phases, step))]
    for step in range(4)
  ]
  assert names == [['reconstruct']] * 2 + [['discriminate', 'generate']] * 2
  assert {phase.name: phase.groups for phase in run.phases} == {
    'reconstruct': ('encoder', 'generator'), 'discriminate': ('discriminator',),
    'generate': ('generator',),
  }  # fmt: skip


def test_what_is_real_is_any_class_against_the_last():
  gan = types.SimpleNamespace(discriminator=lambda x: x)
  found = bagan.judge(gan, jnp.log(jnp.array([[1.0, 3, 2], [1, 1, 8]])))
  np.testing.assert_allclose(found, np.log([[2], [0.25]]), rtol=1e-6)


@pytest.mark.row(21)
@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'model.start': 3}, 'squares of model.start=3 px doubled some times'),
    ({'image_size': 4}, 'these are of 4 px'),
    ({'model.balance': 'even'}, "model.balance='even' is unknown; there are uniform, rebalance"),
    ({'events.initialise': 0}, 'has two stages: events.initialise'),
    ({'window.generate': (0, 0)}, 'windows are'),
  ],
)
def test_what_it_cannot_do_is_told(fields, message):
  config = recipe.get_config('tiny')
  config.update_from_flattened_dict(fields)
  with pytest.raises(UserError, match=message):
    bagan.build(config)
  with config.unlocked():
    config.attributes = {}
  with pytest.raises(UserError, match='goes by the classes of one attribute'):
    bagan.build(config)


def test_a_module_without_its_collection_is_not_silently_an_even_one():
  """`gaussians` is saved with a run: an inference that lacks it must fail, not draw N(0, 1)."""
  gan = bagan.BAGAN(None, None, None, 2, 2)
  with pytest.raises(flax.errors.FlaxError):
    gan.apply({}, jnp.zeros((1, 2)), jnp.array([0]), method='codes')
