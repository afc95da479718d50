"""Terms of AugSelf-GAN, AdaptiveMix and MEE on the numbers of their papers' sections."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import gan as recipe
from decoupled_gan.augment.seen import Seen
from decoupled_gan.core.step import forward
from decoupled_gan.core.types import Examples
from decoupled_gan.losses.adversarial import ADVERSARIAL
from decoupled_gan.machine.sharding import jit
from decoupled_gan.networks.heads import Verdict
from decoupled_gan.run import experiment
from decoupled_gan.terms import TERMS, mixing
from decoupled_gan.terms.augmentation import missed
from decoupled_gan.terms.entropy import nearest

# AugSelf-GAN.

PREDICTED = {'translation': jnp.array([[0.2, -0.1], [0.5, 0.3]])}
DRAWN = {'translation': jnp.array([[0.25, 0.75], [0.5, 0.0]])}


@pytest.mark.row(41)
def test_augself_has_the_published_values():
  real, fake = missed(PREDICTED, DRAWN, 1), missed(PREDICTED, DRAWN, -1)
  np.testing.assert_allclose([real, fake, real - fake], [0.20375, 0.42875, -0.225], rtol=1e-6)


def augself_scene(frozen):
  """Features are the examples, what is seen of them is the double, the predictor is the identity."""
  verdict = lambda x, *_: Verdict(x[:, :1], x)  # noqa: E731
  real, fake = PREDICTED['translation'], 2 * PREDICTED['translation']
  return types.SimpleNamespace(
    gan=types.SimpleNamespace(
      view=types.SimpleNamespace(as_is=Seen), predictor=lambda x: {'translation': x}
    ),
    verdict=lambda seen: verdict(seen.x),
    labels=None, frozen=frozen, real=real, fake=fake,
    seen_real=Seen(2 * real, draws=DRAWN), seen_fake=Seen(2 * fake, draws=DRAWN),
    judged_real=verdict(2 * real), judged_fake=verdict(2 * fake),
  )  # fmt: skip


@pytest.mark.row(41)
def test_fakes_are_told_by_minus_what_was_drawn_and_the_generator_gets_the_difference():
  """The commonest mistake is a target of 1 - w for fakes; the next, only half of G's loss."""
  fake = {'translation': 2 * PREDICTED['translation']}
  expected = missed(PREDICTED, DRAWN, 1) + missed(fake, DRAWN, -1)
  assert float(TERMS['discriminate']['augself'](augself_scene(True))) == pytest.approx(float(expected))
  found = float(TERMS['generate']['augself'](augself_scene(False)))
  assert found == pytest.approx(-4 * float((fake['translation'] * DRAWN['translation']).mean()))


# AdaptiveMix.

A = jnp.array([[1, -1, 0.5], [-0.5, 2, 1]])
X = jnp.array([[1, -2], [-1, 0.5]])
REVERSED = jnp.array([1, 0])


def mixture(a):
  return mixing.mix(lambda x: jax.nn.relu(x @ a), X, 0.3, REVERSED)


@pytest.mark.row(26)
def test_adaptive_mix_has_the_published_values():
  found = mixture(A)
  np.testing.assert_allclose(found.mixed, [[0, 0, 0], [1.025, 0, 0]], atol=1e-6)
  np.testing.assert_allclose(found.target, [[0.6, 1.4, 0], [1.4, 0.6, 0]], atol=1e-6)
  assert float(found.distance(jnp.zeros((2, 3)), 'cosine')) == pytest.approx(-0.45957251, abs=1e-6)
  assert float(found.distance(jnp.zeros((2, 3)), 'l2')) == pytest.approx(0.47010417, abs=1e-6)
  conclude = lambda f, labels: Verdict(f @ jnp.array([[1.0], [-1], [2]]), f)  # noqa: E731
  logits = mixing._outputs(conclude, found, None)
  np.testing.assert_allclose(logits[:, 0], [-0.8, 1.825], atol=1e-6)


@pytest.mark.row(26)
def test_the_mixture_of_features_is_a_constant():
  """Without the stop the gradient would be (.0975, -.3867, 0), (-.1388, .1933, 0)."""
  found = jax.grad(lambda a: mixture(a).distance(jnp.zeros((2, 3)), 'l2'))(A)
  np.testing.assert_allclose(found, [[-0.05, 0, 0], [0.15625, 0, 0]], atol=1e-6)


@pytest.mark.row(26)
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_linear_features_of_a_mixture_are_the_mixture_of_features(share):
  found = mixing.mix(lambda x: x @ A, X, share, REVERSED)
  assert float(found.distance(jnp.zeros((2, 3)), 'cosine')) == pytest.approx(-1, abs=1e-6)
  assert float(found.distance(jnp.zeros((2, 3)), 'l2')) == pytest.approx(0, abs=1e-6)


def gradients_of(phase, rows, **fields):
  """{loss: {path: gradient}} of a phase with these rows, of all groups, at tiny size."""
  config = recipe.get_config('digits,tiny')
  config.data.source = 'fake'
  config.batch_size = 8
  config.update_from_flattened_dict(fields)
  group = 'generator' if phase == 'generate' else 'discriminator'
  config.routes[phase] = {row: {group: 1.0} for row in rows}
  run = experiment.build(config)
  state = run.create_state()
  (played,) = [p for p in run.phases if p.name == phase]
  batch = Examples(jax.random.uniform(jax.random.key(1), run.batch_shape.x.shape, minval=-1))

  def measure(state, batch):
    losses, pullback, _ = forward(played, run.gan, state, run.groups, batch, jax.random.key(0))
    zero = dict.fromkeys(losses, 0.0)
    return {loss: pullback(zero | {loss: 1.0}) for loss in losses}

  return jit(measure, quick=True)(state, batch)


def moved(tree):
  return any(x.any() for x in jax.tree.leaves(tree))


@pytest.mark.row(26)
def test_adaptive_mix_reaches_the_trunk_only_and_the_heads_gradient_is_exactly_zero():
  found = gradients_of('discriminate', ('adversarial', 'adaptive_mix', 'mixed_adversarial'))
  discriminator = found['adaptive_mix']['discriminator']
  assert moved(discriminator['backbone']) and not moved(discriminator['head'])
  assert moved(found['mixed_adversarial']['discriminator']['head'])
  assert not moved(found['adaptive_mix']['generator'])


@pytest.mark.row(26)
def test_the_term_trains_the_generator_through_the_mixed_examples():
  found = gradients_of('generate', ('adaptive_mix',))
  assert moved(found['adaptive_mix']['generator'])


@pytest.mark.row(26)
def test_both_rows_see_one_mixture_and_the_slope_goes_through_both_roles_of_an_example():
  """Of a linear D, outputs on the mixed and on the mixture agree: 2 D(x) in sum, so R1 is 4 |w|^2."""
  w = jnp.array([[3.0], [4.0]])

  class Linear(types.SimpleNamespace):
    def unbind(self):
      return self, None

    def apply(self, variables, *inputs, method):
      return getattr(self, method)(*inputs)

  conclude = lambda f, labels=None: Verdict(f, f)  # noqa: E731
  discriminator = Linear(features=lambda x, labels=None: x @ w, conclude=conclude)
  view = types.SimpleNamespace(lens=lambda key: Seen, watch=lambda outputs: None)
  gan = types.SimpleNamespace(
    discriminator=discriminator, view=view, adversarial=ADVERSARIAL['wasserstein']()
  )
  made = {}
  scene = types.SimpleNamespace(
    gan=gan, labels=None, condition=None, told_to=lambda x: (None, None), frozen=True, real=X,
    key=lambda name: jax.random.key(len(name)),
    view_key=lambda name: None, seen_real=Seen(X), seen_fake=Seen(2 * X),
    once=lambda name, make: made.setdefault(name, make()),
  )  # fmt: skip
  assert float(TERMS['regularise']['mixed_r1'](scene)) == pytest.approx(4 * 25, rel=1e-5)
  found = float(TERMS['discriminate']['mixed_adversarial'](scene))
  assert found == pytest.approx(2 * float((X @ w).mean()), rel=1e-5)  # D(fake) - D(real), twice


# MEE.

MEMORY = jnp.array([[[0, 0], [1, 1]], [[0.8, 1.2], [-1, 0]], [[1, 0], [0.3, 0.2]]])
CODES = jnp.array([[0.2, 0.1], [0.9, 1.5]])


@pytest.mark.row(54)
def test_distances_to_a_memory_have_the_published_values():
  np.testing.assert_allclose(nearest(CODES, MEMORY.reshape(6, 2)), [0.01, 0.05], atol=1e-6)
  columns = [nearest(CODES[i : i + 1], MEMORY[:, i])[0] for i in range(2)]
  np.testing.assert_allclose(columns, [0.025, 0.13], atol=1e-6)


def entropy_scene(codes, memory, kept):
  return types.SimpleNamespace(
    on_real=codes, on_fake=codes, frozen=True,
    recall=lambda name, first: memory, remember=lambda name, value: kept.append(value),
  )  # fmt: skip


@pytest.mark.row(54)
def test_entropy_is_the_log_of_the_mean_not_the_mean_of_logs():
  kept = []
  pooled = MEMORY.reshape(6, 2)
  found = TERMS['discriminate']['entropy'](entropy_scene(CODES, pooled, kept), memory=6)
  assert float(found) == pytest.approx(3.50655790, rel=1e-6)  # the mean of logs is 3.80045123
  np.testing.assert_array_equal(kept[0], jnp.concatenate([pooled[2:], CODES]))


@pytest.mark.row(54)
def test_the_released_memory_is_the_batch_before_place_by_place():
  kept = []
  found = TERMS['generate']['entropy'](entropy_scene(CODES, MEMORY[2], kept), official=True)
  expected = -np.log(np.mean([(0.8**2 + 0.1**2) / 2, (0.6**2 + 1.3**2) / 2]))
  assert float(found) == pytest.approx(expected, rel=1e-6)
  np.testing.assert_array_equal(kept[0], CODES)


@pytest.mark.row(54)
def test_entropy_pushes_a_code_from_its_nearest_neighbour_and_the_memory_is_no_path():
  memory = jnp.array([[0.0, 0.0], [5.0, 5.0]])
  gradient = jax.grad(lambda codes: TERMS['generate']['entropy'](entropy_scene(codes, memory, [])))
  slope = gradient(jnp.array([[0.1, 0.0], [5.0, 4.9]]))
  assert slope[0, 0] < 0 and slope[1, 1] > 0 and slope[0, 1] == 0  # what descends moves away


def test_what_terms_remember_is_saved_moves_with_the_steps_and_begins_at_the_first():
  config = recipe.get_config('ring8,tiny')
  config.batch_size, config.model.outputs, config.model.width = 8, 4, 8
  config.losses.entropy = {'memory': 16}
  config.routes.discriminate.entropy = {'discriminator': 1.0}
  run = experiment.build(config)
  state = run.create_state()
  memory = state.stats['terms']['codes of real']
  assert memory.shape == (16, 4) and float(np.abs(memory).max()) <= 1
  phase = next(p for p in run.phases if p.name == 'discriminate')
  batch = Examples(jax.random.normal(jax.random.key(0), (8, 2)))
  step = jit(lambda s, b, k: forward(phase, run.gan, s, (), b, k)[2], quick=True)
  after = step(state, batch, jax.random.key(0))['terms']['codes of real']
  np.testing.assert_array_equal(after[:8], memory[8:])
  assert not (after[8:] == memory[:8]).any()


def mee_scene(outputs_of, x):
  """D of points is `outputs_of`; shares and noise are drawn, the noise of the terms is off."""
  judge = lambda x, *_: Verdict(outputs_of(x), x)  # noqa: E731
  return types.SimpleNamespace(
    judge=judge, labels=None, frozen=True, real=x, fake=-x,
    on_real=outputs_of(x), on_fake=outputs_of(-x), key=lambda name: jax.random.key(len(name)),
  )  # fmt: skip


@pytest.mark.row(54)
def test_an_affine_embedding_is_isometric_and_one_of_symmetric_images_locally_linear():
  x = jax.random.normal(jax.random.key(0), (6, 2))
  affine = lambda x: x @ jnp.array([[1.0, 2, 3], [0, 1, -1]]) + 2.0  # noqa: E731
  isometric = TERMS['discriminate']['disomap'](mee_scene(affine, x), noise=0.0)
  assert float(isometric) == pytest.approx(0, abs=1e-10)
  assert float(TERMS['discriminate']['disomap'](mee_scene(jnp.tanh, x), noise=0.0)) > 1e-3
  images = jax.random.normal(jax.random.key(1), (3, 4, 4, 1))
  means = lambda x: jnp.stack([x.mean((1, 2, 3)), (x**2).mean((1, 2, 3))], 1)  # noqa: E731
  corners = lambda x: x[:, 0, 0]  # noqa: E731
  local = TERMS['discriminate']['dlle']
  assert float(local(mee_scene(means, images), noise=0.0)) == pytest.approx(0, abs=1e-10)
  assert float(local(mee_scene(corners, images), noise=0.0)) > 1e-3


@pytest.mark.row(54)
@pytest.mark.parametrize('name', ['dlle', 'disomap'])
def test_targets_are_constants(name):
  """For D(x) = a x they would else double the gradient (dlle) or cancel it (disomap)."""
  x = jnp.array([[1.0, 2.0], [0.5, -1.0]])
  term = TERMS['discriminate'][name]

  def loss(a, b):  # a: of what moves, b: of what is to be constant
    scene = mee_scene(lambda x: a * x, x)
    if name == 'dlle':
      scene.judge = lambda x, *_: Verdict(b * x, x)
    else:
      scene.on_real, scene.on_fake = b * x, -b * x
    return term(scene)

  slopes = jax.grad(loss, (0, 1))(1.0, 1.1)
  assert slopes[0] != 0 and slopes[1] == 0


@pytest.mark.row(54)
def test_the_mean_of_outputs_is_the_score():
  real, fake = jnp.array([[0.2, -0.1], [0.4, 0.3]]), jnp.array([[-0.3, 0.1], [0.5, 0.2]])
  loss = ADVERSARIAL['wasserstein']()
  assert float(loss.discriminate(real, fake)) == pytest.approx(-0.075)
  assert float(loss.generate(fake, None)) == pytest.approx(-0.125)
