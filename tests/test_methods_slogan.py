"""SLOGAN: Stein's identities against their closed forms, the contrastive loss, who learns of what."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from configs import slogan as recipe
from decoupled_gan.core import optim
from decoupled_gan.core.images import to_float
from decoupled_gan.core.step import forward
from decoupled_gan.core.types import Examples
from decoupled_gan.data.sources.toy import MIXTURES
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics import points
from decoupled_gan.methods.encode import slogan
from decoupled_gan.networks import mixture
from decoupled_gan.run import experiment

MEAN = jnp.array([[1.0, 0], [-1, 0.5]])
COVARIANCE = jnp.array([[[1, 0.2], [0.2, 0.5]], [[0.8, -0.1], [-0.1, 1.2]]])
LOGIT = jnp.array([0.3, -0.2])
Z = jnp.array([[0.5, 0.1], [-1.2, 0.4], [2, -0.3]])
SLOPE = jnp.array([[0.5, -1], [0.2, 0.3], [-0.4, 1]])
PRIOR = MEAN, COVARIANCE, LOGIT
N = np.array([
  [[-0.26484779, 0.3880266], [0.3880266, -0.47385436]],
  [[0.01567024, -0.04789339], [-0.04789339, -0.0035279]],
])  # fmt: skip


@pytest.mark.row(66)
def test_responsibilities_are_the_posterior_of_the_components():
  expected = [[0.89277476, 0.10722524], [0.09172437, 0.90827563], [0.9969572, 0.0030428]]
  np.testing.assert_allclose(mixture.responsibilities(Z, *PRIOR), expected, rtol=2e-5)


@pytest.mark.row(66)
def test_latents_are_what_was_drawn_and_their_derivatives_are_steins():
  value, pullback = jax.vjp(lambda *prior: mixture.learning(Z, *prior), *PRIOR)
  np.testing.assert_array_equal(value, Z)
  mean, covariance, logit = pullback(SLOPE / 3)
  np.testing.assert_allclose(
    mean, [[0.02198312, 0.04389992], [0.07801688, 0.05610008]], rtol=1e-5, atol=1e-7
  )
  np.testing.assert_allclose(covariance, N, rtol=2e-5, atol=1e-7)
  np.testing.assert_array_equal(logit, 0)


@pytest.mark.row(66)
def test_covariances_step_as_the_official_code_and_stay_positive_definite():
  link = optim.positive_definite()
  moved, _ = link.update(jnp.float32(-0.01 * N), link.init(COVARIANCE), COVARIANCE)
  expected = [[-0.2673124, 0.39118382], [0.39118382, -0.4779127]]
  np.testing.assert_allclose(moved[0] / -0.01, expected, rtol=1e-4)
  eta = 50  # the plain step of so large a rate leaves the cone
  plain = np.asarray(COVARIANCE)[0] - eta * N[0]
  np.testing.assert_allclose(np.linalg.eigvalsh(plain)[0], -0.618, atol=2e-3)
  far, _ = link.update(jnp.float32(-eta * N), link.init(COVARIANCE), COVARIANCE)
  after = optax.apply_updates(COVARIANCE, far)
  np.testing.assert_allclose(np.linalg.eigvalsh(after[0])[0], 0.692, atol=5e-3)


@pytest.mark.row(66)
def test_weights_learn_of_the_losses_that_their_components_get():
  losses = jnp.array([1, -0.5, 0.3])
  grown = jax.grad(mixture.weight_loss, argnums=(0, 1, 2, 3, 4))(Z, losses, *PRIOR)
  np.testing.assert_allclose(grown[4], [0.21601076, -0.21601076], rtol=2e-5)
  for other in grown[:4]:
    np.testing.assert_array_equal(other, 0)


@pytest.mark.row(66)
def test_many_draws_have_the_law_and_their_slopes_tend_to_the_closed_form():
  """Of l = z_0^2: dE/dmu = 2 pi mu; dE/dvar = pi, of which the code takes twice; of weights exactly."""
  covariance = jnp.array([[[0.5, 0], [0, 1]], [[1.5, 0], [0, 1]]])
  prior = jnp.array([[1.0, 0], [-1, 0]]), covariance, jnp.log(jnp.array([0.3, 0.7]))
  module = mixture.Mixture(2, 2)
  params = dict(zip(('mean', 'covariance', 'logit'), prior, strict=True))
  normal = jax.random.normal(jax.random.key(0), (50_000, 2))

  def loss(params):
    z = module.apply({'params': params}, normal)
    return jnp.square(z[:, 0]).mean(), z

  (_, z), grown = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
  law = lambda x: 0.3 * stats.norm(1, 0.5**0.5).cdf(x) + 0.7 * stats.norm(-1, 1.5**0.5).cdf(x)  # noqa: E731
  assert stats.kstest(np.asarray(z[:20_000, 0]), law).pvalue > 0.01
  assert stats.kstest(np.asarray(z[:20_000, 1]), stats.norm.cdf).pvalue > 0.01
  np.testing.assert_allclose(grown['mean'][:, 0], [0.6, -1.4], atol=0.05)
  np.testing.assert_allclose(grown['covariance'][:, 0, 0], [0.6, 1.4], atol=0.05)
  weights = jax.grad(mixture.weight_loss, argnums=4)(z, jnp.square(z[:, 0]), *prior)
  np.testing.assert_allclose(weights, [-0.21, 0.21], atol=0.03)


def equations(jaxpr):
  """All of a jaxpr and of what it calls."""
  for equation in jaxpr.eqns:
    yield equation
    for inner in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, 'eqns')):
      inner = getattr(inner, 'jaxpr', inner)
      if hasattr(inner, 'eqns'):
        yield from equations(inner)


def test_no_batch_of_matrices_goes_to_lapack():
  """Two such batches at once wait for ever on two cores, in jaxlib 0.10: see `of_each`."""
  module = mixture.Mixture(3, 4)
  normal = jax.random.normal(jax.random.key(0), (8, 4))
  variables = module.init(jax.random.key(1), normal)

  def loss(params):
    z = module.apply({'params': params}, normal)
    parts = params['mean'], params['covariance'], params['logit']
    return jnp.square(z).mean() + mixture.weight_loss(z, z[:, 0], *parts)

  jaxpr = jax.make_jaxpr(jax.grad(loss))(variables['params'])
  calls = {'cholesky', 'lu', 'triangular_solve'}
  found = [x for x in equations(jaxpr.jaxpr) if x.primitive.name in calls]
  assert {x.primitive.name for x in found} == calls
  assert {x.outvars[0].aval.ndim for x in found} == {2}


@pytest.mark.row(66)
def test_truncation_is_within_components():
  module = mixture.Mixture(2, 2)
  params = {'mean': MEAN, 'covariance': COVARIANCE, 'logit': LOGIT}
  normal = jax.random.normal(jax.random.key(1), (500, 2))
  z = module.apply({'params': params}, 1e-3 * normal, method='place')
  near = jnp.abs(z[:, None] - MEAN[None]).max(-1) < 0.01
  assert near.any(1).all()
  np.testing.assert_allclose(near.mean(0), jax.nn.softmax(LOGIT), atol=0.07)


@pytest.mark.row(66)
def test_the_margin_turns_an_angle_and_falls_on_beyond_pi():
  cosine = jnp.array([0.9, 0.2, -0.95])
  expected = [1.16169511, -0.58844533, -2.37942554]
  np.testing.assert_allclose(slogan.turned(cosine, jnp.float32(0.5), 2.0), expected, rtol=1e-5)


@pytest.mark.row(66)
def test_contrast_is_against_the_mean_of_the_row_its_own_among_them():
  codes, assigned = jnp.array([[2.0, 0], [0, 3]]), jnp.array([[1.0, 0], [0, 1]])
  found = slogan.contrastive(codes, assigned, jnp.float32(0), 2.0)
  expected = -np.log(np.exp(2) / ((np.exp(2) + 1) / 2))
  np.testing.assert_allclose(found, [expected] * 2, rtol=1e-4)
  assert (found < 0).all()  # a mean, not a sum


@pytest.mark.row(66)
def test_the_penalty_of_shares_is_against_those_of_the_law():
  law = MIXTURES['unequal8']
  np.testing.assert_allclose(law.shares.sum(), 1)
  which = law.assign(law.sample(50_000, 0))[0]
  np.testing.assert_allclose(np.bincount(which) / 50_000, law.shares, atol=0.01)
  assert points.mode_kl(law, law.sample(20_000, 1)).value < 1e-3
  assert points.mode_kl(law, law.centres).value > 0.1  # one of each


@pytest.fixture(scope='module')
def rows():
  """{loss: {group: gradient}} of one play of `generate`, with the discriminator awake."""
  run = experiment.build(recipe.get_config('tiny'))
  state = run.create_state()
  batch = to_float(Examples(np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)))
  phase = next(phase for phase in run.phases if phase.name == 'generate')

  @jax.jit
  def grown(state):
    losses, pullback, _ = forward(phase, run.gan, state, run.groups, batch, jax.random.key(0))
    return {loss: pullback({name: float(name == loss) for name in losses}) for loss in losses}

  return grown(state)


def size(tree) -> float:
  return max(np.abs(x).max() for x in jax.tree.leaves(tree))


@pytest.mark.row(66)
def test_each_loss_reaches_what_it_may_and_no_more(rows):
  assert set(rows) == {'adversarial', 'contrast', 'stein_weight'}
  for group in ('generator', 'means', 'covariances'):
    assert size(rows['adversarial'][group]) > 0
    assert size(rows['contrast'][group]) > 0
    assert size(rows['stein_weight'][group]) == 0
  assert size(rows['adversarial']['encoder']) == size(rows['stein_weight']['encoder']) == 0
  assert size(rows['contrast']['encoder']) > 0
  assert size(rows['contrast']['discriminator']) == size(rows['stein_weight']['discriminator']) == 0


@pytest.mark.row(66)
def test_weights_learn_of_the_adversarial_loss_alone(rows):
  """Theirs is the one group that `contrast` must not reach, though each assignment depends on it."""
  assert size(rows['contrast']['weights']) == size(rows['adversarial']['weights']) == 0
  assert size(rows['stein_weight']['weights']) > 0
  np.testing.assert_allclose(sum(jax.tree.leaves(rows['stein_weight']['weights'])[0]), 0, atol=1e-6)
  routes = recipe.get_config().routes.generate
  assert set(routes.stein_weight) == {'weights'}


@pytest.mark.row(66)
def test_what_it_cannot_do_is_told():
  for field, value, message in (
    ('losses.adversarial', 'relativistic', 'a loss of each fake alone'),
    ('model.components', 0, 'a component and two numbers at least'),
    ('model.z_dim', 1, 'a component and two numbers at least'),
    ('attributes', {'digit': ('0', '1')}, 'finds its classes itself'),
  ):
    config = recipe.get_config('tiny')
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=message):
      slogan.build(config)
