"""The generic method's rows: SAN's numbers by the table alone, temperatures, averages, norms kept."""

from dataclasses import field
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import adversarial_flow, improved_gan, ptgan, san
from decoupled_gan import augment
from decoupled_gan.core import parts, routing
from decoupled_gan.core.state import TrainState
from decoupled_gan.core.step import forward
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.losses.adversarial import ADVERSARIAL
from decoupled_gan.machine.sharding import jit
from decoupled_gan.methods import gan as method
from decoupled_gan.networks import heads
from decoupled_gan.run import experiment
from decoupled_gan.terms.scenes import Scene, tell

OFFICIAL = Path(__file__).parent / 'fixtures/san.npz'


class Given(nn.Module):
  """A network that gives what it was given."""

  value: tuple | None = None

  def __call__(self, x, labels=None, upto=None, from_=None):
    return x if self.value is None else jnp.array(self.value)


# SAN.


@pytest.fixture(scope='module')
def sliced():
  """{group: gradient} and losses of SAN's table on the official module's numbers."""
  official = {name: np.asarray(x, np.float32) for name, x in np.load(OFFICIAL).items()}
  fake = tuple(map(tuple, official['h_fake'].tolist()))
  gan = method.GAN(
    generator=Given(fake), discriminator=heads.Discriminator(Given(), heads.Direction()), z_dim=2,
    prior_name='normal', adversarial=ADVERSARIAL['hinge'](), scene='plain', constants={},
  )  # fmt: skip
  head = {
    'direction': official['weight'],
    'scale': official['scale'],
    'bias': official['bias'],
  }
  divided = (('direction', 'discriminator/head/direction'),)
  config = san.get_config()
  phases = routing.make_phases(method.METHOD.objectives, config.routes.to_dict())
  state = TrainState(
    step=jnp.int32(0), params=parts.split({'discriminator': {'head': head}}, divided), stats={}, opt={},
    copies={}, parts=divided,
  )  # fmt: skip
  batch = Examples(jnp.asarray(official['h_real']))
  losses, pullback, _ = forward(phases[0], gan, state, phases[0].groups, batch, jax.random.key(0))
  found = {}
  for column, groups in phases[0].columns():
    gradients = pullback(column)
    found |= {group: gradients[group] for group in groups}
  return losses, found


@pytest.mark.row(17)
def test_the_table_alone_gives_the_official_losses_and_gradients(sliced):
  losses, gradients = sliced
  assert float(losses['adversarial']) == pytest.approx(1.89333333, rel=1e-6)
  assert float(losses['direction']) == pytest.approx(-1.84, rel=1e-6)
  head = gradients['discriminator']['head']
  np.testing.assert_allclose(head['bias'], [0.8, 0, 1.06666667, 0], rtol=1e-5, atol=1e-7)
  np.testing.assert_allclose(head['scale'], [0.28], rtol=1e-5)
  expected = [[-0.62933333, 1.66666667, 0.472, -0.8]]
  np.testing.assert_allclose(gradients['direction']['discriminator/head/direction'], expected, rtol=1e-5)


@pytest.mark.row(17)
def test_of_the_base_loss_the_direction_gets_nothing_and_of_its_own_loss_the_features_do_not(sliced):
  _, gradients = sliced
  assert set(gradients['discriminator']['head']) == {'scale', 'bias'}
  routes = san.get_config().routes
  assert set(routes.discriminate.adversarial) == {'discriminator'}
  assert set(routes.discriminate.direction) == {'direction'}
  assert set(san.get_config('plain').routes.discriminate) == {'adversarial'}


@pytest.mark.row(17)
def test_the_directions_gradient_is_at_right_angles_to_it(sliced):
  """s (I - omega omega^T) (mean h_fake - mean h_real)."""
  official = np.load(OFFICIAL)
  gradient = np.asarray(sliced[1]['direction']['discriminator/head/direction'][0])
  mean, omega = official['h_fake'].mean(0) - official['h_real'].mean(0), official['weight'][0]
  assert float(gradient @ omega) == pytest.approx(0, abs=1e-6)
  np.testing.assert_allclose(gradient, 2 * (mean - omega * (omega @ mean)), rtol=1e-5, atol=1e-6)


@pytest.mark.row(17)
def test_the_direction_turns_and_keeps_its_length_over_fifty_steps():
  config = san.get_config('tiny,ring8')
  config.model.width, config.model.depth, config.batch_size = 8, 1, 16
  run = experiment.build(config)
  step = jit(method_step(run), quick=True, static_argnums=2)
  state, start = run.create_state(), None
  for number in range(50):
    x = jax.random.normal(jax.random.key(number), (16, 2))
    state, _ = step(state, Examples(x), routing.active(run.phases, number))
    (omega,) = jax.tree.leaves(state.params['direction'])
    start = omega if start is None else start
    assert float(jnp.linalg.norm(omega)) == pytest.approx(1, abs=1e-6)
  assert float((omega * start).sum()) < 0.999


def method_step(run):
  from decoupled_gan.core.step import make_train_step

  return make_train_step(run.gan, run.phases, run.optimizers, run.copies, 0)


# Scenes.


class Host(nn.Module):
  """Stands for a GAN: what a scene's own state needs."""

  view: augment.View = field(default_factory=augment.View)

  def averaged(self, value, decay, start):
    scene = Scene(self, Examples(jnp.zeros((1, 1))), frozen=True)
    return scene.average('mean', value, decay, start)


def test_an_average_moves_before_it_is_used_and_follows_at_once_until_its_start():
  variables, seen = {'terms': {'mean': jnp.float32(0)}}, []
  for step, value in enumerate([1.0, 2.0, 4.0, 8.0]):
    found, changed = Host().apply(
      variables | {'clock': {'step': jnp.int32(step)}}, jnp.float32(value), 0.9, 2,
      method=Host.averaged, mutable=['terms'],
    )  # fmt: skip
    variables = dict(changed)
    assert float(variables['terms']['mean']) == float(found)
    seen.append(float(found))
  np.testing.assert_allclose(seen, [1, 2, 0.9 * 2 + 0.4, 0.9 * 2.2 + 0.8], rtol=1e-6)
  looked = Host().apply(variables | {'clock': {'step': jnp.int32(4)}}, jnp.float32(0), 0.9, 2,
                        method=Host.averaged)  # fmt: skip
  assert float(looked) == pytest.approx(0.9 * seen[-1])


def test_numbers_are_told_behind_a_vector_and_as_channels_of_one_value():
  told = jnp.array([[0.5], [1.0]])
  np.testing.assert_allclose(tell(jnp.zeros((2, 2)), told), [[0, 0, 0.5], [0, 0, 1]])
  images = tell(jnp.zeros((2, 4, 4, 3)), told)
  assert images.shape == (2, 4, 4, 4)
  np.testing.assert_allclose(images[1, :, :, 3], 1)
  assert tell(told, None) is told


@pytest.mark.row(42)
@pytest.mark.parametrize('words', ['tiny,ring8', 'tiny'])
def test_both_networks_are_told_the_temperature_points_and_images_alike(words):
  config = ptgan.get_config(words)
  run = experiment.build(config)
  shapes = jax.tree.map(lambda x: x.shape, run.abstract_state().params)
  leaves = lambda tree: jax.tree.leaves(tree, is_leaf=lambda x: isinstance(x, tuple))  # noqa: E731
  first = {name: leaves(shapes[name]) for name in shapes}
  z, data = config.model.z_dim, config.vector_size or config.image_channels
  assert any(z + 1 in shape for shape in first['generator'])
  assert any(data + 1 in shape[:-1] for shape in first['discriminator'])


@pytest.mark.row(42)
def test_data_is_drawn_at_temperature_0_and_with_a_ratio_of_1_nothing_else_is_learned():
  config = ptgan.get_config('tiny,ring8')
  config.losses.tempered.ratio = 1.0
  run = experiment.build(config)
  normal = jnp.ones((3, config.model.z_dim))
  np.testing.assert_allclose(run.gan.codes(normal)[:, -1], 0)
  x = jax.random.normal(jax.random.key(0), (8, 2))

  def look(gan, batch):
    from decoupled_gan.terms.scenes import stage

    scene = stage(gan, batch, frozen=True)
    return scene.real, scene.condition, scene.z

  state = run.create_state()
  rngs = {'noise': jax.random.key(1)}
  real, condition, z = run.gan.apply(state.variables(), Examples(x), method=look, rngs=rngs)
  np.testing.assert_array_equal(real, x)
  np.testing.assert_array_equal(condition, 0)
  assert z.shape == (8, config.model.z_dim)


@pytest.mark.row(42)
def test_mixed_examples_have_no_labels():
  config = ptgan.get_config('tiny')
  config.attributes = {'digit': ('0', '1')}
  with pytest.raises(UserError, match=r"model.scene='tempered' mixes examples"):
    experiment.build(config)


# Networks and heads of these rows.


@pytest.mark.row(105)
def test_latents_are_as_large_as_an_example_if_none_is_said():
  assert experiment.build(adversarial_flow.get_config('tiny')).gan.z_dim == 1
  config = adversarial_flow.get_config('digits,tiny')
  config.model.z_dim = 0
  assert experiment.build(config).gan.z_dim == 8 * 8


@pytest.mark.row(105)
def test_numbers_as_waves_are_the_notebooks_encoding():
  from decoupled_gan.networks.backbones.mlp import Waves

  found = Waves(32)(jnp.array([[0.3]]), None)[0]
  rates = np.exp(-np.log(10_000) * np.arange(32) / 31)
  expected = np.concatenate([np.sin(30 * rates), np.cos(30 * rates)])
  np.testing.assert_allclose(found, expected, atol=2e-5)
  assert Waves(4)(jnp.zeros((2, 3)), None).shape == (2, 24)


@pytest.mark.row(35)
def test_minibatch_discrimination_is_the_papers_sum_with_the_example_itself():
  from decoupled_gan.layers.minibatch import MinibatchDiscrimination

  features = jnp.array([[1.0, 0], [0.5, 1], [-1, 0.5]])
  kernel = 0.1 * jnp.arange(12.0).reshape(2, 2, 3)
  found = MinibatchDiscrimination(2, 3).apply({'params': {'kernel': kernel}}, features)
  expected = [[1.77990222, 1.49728761], [1.36540423, 1.12760112], [1.86075831, 1.44345283]]
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  alone = MinibatchDiscrimination(2, 3).apply({'params': {'kernel': kernel}}, features[:1])
  np.testing.assert_allclose(alone, 1)


@pytest.mark.row(35)
def test_the_discriminator_is_noisy_in_training_only():
  config = improved_gan.get_config('tiny')
  run = experiment.build(config)
  state, x = run.create_state(), jnp.ones((2, 8, 8, 3))

  judge = method.METHOD.judge
  still = [run.gan.apply(state.variables(), x, method=judge) for _ in range(2)]
  np.testing.assert_array_equal(*still)
  noisy = run.gan.apply(state.variables(), x, method=judge, rngs={'noise': jax.random.key(0)})
  assert not np.allclose(noisy, still[0])
  assert noisy.shape == (2, 10)


@pytest.mark.row(95)
def test_maxout_units_are_the_largest_of_five_pieces_and_drop_what_they_see_in_training_only():
  from decoupled_gan.networks.backbones.maxout import Maxout

  kernel = jnp.concatenate([jnp.eye(2, 5), jnp.zeros((2, 5))], 1)  # unit 0: max(x0, x1, 0, 0, 0)
  variables = {'params': {'dense': {'kernel': kernel, 'bias': jnp.arange(10.0) * 0}}}
  x = jnp.array([[3.0, -1], [-2, -1], [1, 2]])
  layer = Maxout(2, 0.8, jnp.float32)
  np.testing.assert_allclose(layer.apply(variables, x, None)[:, 0], [3, 0, 2])
  many = jnp.broadcast_to(x[:1], (4000, 2))
  seen = layer.apply(variables, many, None, rngs={'noise': jax.random.key(0)})[:, 0]
  assert set(np.unique(seen).tolist()) == {0.0, 3.75}  # dropped, or divided by 0.8
  assert float((seen > 0).mean()) == pytest.approx(0.8, abs=0.03)


@pytest.mark.row(35)
def test_labels_train_the_discriminator_alone_and_matched_features_the_generator():
  routes = improved_gan.get_config().routes
  cells = {(p, loss, g) for p in routes for loss in routes[p] for g in routes[p][loss]}
  assert cells == {
    ('discriminate', 'adversarial', 'discriminator'),
    ('discriminate', 'supervised', 'discriminator'),
    ('generate', 'feature_matching', 'generator'),
  }


@pytest.mark.row(35)
def test_classes_need_labels_and_an_output_each():
  config = improved_gan.get_config('tiny')
  config.model.outputs = 1
  with pytest.raises(UserError, match=r'supervised needs labels .* model.outputs'):
    experiment.build(config)


@pytest.mark.row(98)
def test_a_slopes_penalty_refuses_a_discriminator_that_normalises_by_its_batch():
  from configs import wgan_gp

  config = wgan_gp.get_config('tiny')
  config.image_size, config.model.norm_discriminator = 16, 'batch'
  with pytest.raises(UserError, match='each example on its own, and this one has batch normalisation'):
    experiment.build(config)


@pytest.mark.row(98)
def test_ten_steps_of_the_penalty_bring_a_linear_critics_slope_to_1_step_by_step():
  import optax

  from decoupled_gan.terms import TERMS

  def penalty(w):
    import types

    critic = lambda x: x @ w[:, None]  # noqa: E731
    scene = types.SimpleNamespace(witness=critic, between=jnp.ones((4, 2)))
    return TERMS['discriminate']['gradient_penalty'](scene)

  w, away = jnp.array([3.0, 4.0]), []
  for _ in range(10):
    away.append(abs(float(jnp.linalg.norm(w)) - 1))
    w = optax.apply_updates(w, -0.02 * 10 * jax.grad(penalty)(w))
  assert away == sorted(away, reverse=True)
  assert away[-1] < 0.1 < away[0]
