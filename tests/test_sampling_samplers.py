"""Samplers: their formulas on literal numbers, exact laws, calibration, and the mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from configs import gan as recipe
from decoupled_gan.errors import UserError
from decoupled_gan.modes import train
from decoupled_gan.modes.generate import sample
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.sampling import (
  calibration,
  collaborative,
  frozen,
  langevin,
  metropolis,
  rejection,
  truncation,
)

P, Q = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.4, 0.3, 0.2, 0.1])


def logit(x):
  return jnp.log(jnp.asarray(x)) - jnp.log1p(-jnp.asarray(x))


# Rejection.


@pytest.mark.row('drs')
@pytest.mark.parametrize(
  ('percentile', 'expected'),
  [
    (-1, (0.01315789, 0.05263158, 0.21052632, 1)),
    (60, (0.06404334, 0.22185433, 0.57779379, 1)),
    (80, (1.859e-5, 7.747e-5, 3.7173e-4, 0.99999283)),
    (100, (0, 0, 0, 0.5)),
  ],
)
def test_fakes_are_kept_with_the_papers_probabilities(percentile, expected):
  odds = logit([0.2, 0.5, 0.8, 0.95])
  found = rejection.acceptance(odds, rejection.bar(odds, percentile))
  np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)


@pytest.mark.row('drs')
def test_without_gamma_one_in_the_largest_ratio_is_kept():
  odds = jnp.log(P / Q)
  kept = rejection.acceptance(odds, rejection.bar(odds, -1))
  np.testing.assert_allclose((Q * kept).sum(), 0.25, rtol=1e-5)
  np.testing.assert_allclose(Q * kept / (Q * kept).sum(), P, rtol=1e-5)


# Metropolis.


@pytest.mark.row('mh_gan')
def test_a_chain_goes_to_a_more_real_fake_always_and_to_a_less_real_one_by_their_odds():
  for old, new, expected in ((0.5, 0.2, 0.25), (0.2, 0.5, 1), (0.8, 0.5, 0.25)):
    np.testing.assert_allclose(metropolis.acceptance(logit(old), logit(new)), expected, rtol=1e-6)


@pytest.mark.row('mh_gan')
def test_the_chains_law_is_the_datas_and_it_gets_there_as_fast_as_computed():
  odds = jnp.log(P / Q)
  old, new = np.meshgrid(odds, odds, indexing='ij')
  goes = np.asarray(metropolis.acceptance(old, new))
  moves = Q[None] * goes
  moves += np.diag(1 - moves.sum(1))
  np.testing.assert_allclose(P @ moves, P, rtol=1e-5)
  np.testing.assert_allclose(sorted(np.linalg.eigvals(moves).real)[-2], 0.75, rtol=1e-5)
  distances = [np.abs(Q @ np.linalg.matrix_power(moves, n) - P).sum() / 2 for n in (1, 5, 20)]
  np.testing.assert_allclose(distances, [0.2375, 0.0711914, 0.00095136], rtol=1e-4)


def picks(scores, start, count=4000):
  """(which proposal each of `count` chains ends at, what is told)."""
  scores = jnp.asarray(scores)

  keys = frozen.keys_of(jnp.arange(count))
  odds = logit(scores)

  def drawn(keys):
    return jax.vmap(lambda key: jax.random.categorical(key, jnp.zeros(len(scores))))(keys)

  def proposed(keys):
    which = drawn(keys)
    return which, odds[which]

  return metropolis.chain(proposed, keys, jnp.full((count,), logit(start)), 60)


@pytest.mark.row('mh_gan')
def test_chains_end_at_fakes_in_proportion_to_their_odds():
  which, told = jax.jit(lambda: picks((0.2, 0.5, 0.8), 0.5))()
  shares = np.bincount(which, minlength=3) / len(which)
  np.testing.assert_allclose(shares, np.array([0.25, 1, 4]) / 5.25, atol=0.03)
  assert told['kept'].all()


@pytest.mark.row('mh_gan')
def test_a_real_start_is_never_returned_and_what_was_not_accepted_is_told():
  which, told = jax.jit(lambda: picks((1e-6, 1e-5), 1 - 1e-6, 200))()
  assert not told['kept'].any()
  np.testing.assert_array_equal(which, 1)  # the best proposal


# Langevin.


@pytest.mark.row('ddls')
def test_energy_and_step_are_the_papers():
  z = jnp.array([[0.5, -1.0]])
  np.testing.assert_allclose(langevin.energy(z, jnp.array([0.7])), [-0.075], rtol=1e-5)
  gradient = z - jnp.array([[0.3, -0.2]])
  found = langevin.moved(z, gradient, jnp.array([[0.1, -0.2]]), 0.01)
  np.testing.assert_allclose(found, [[0.509, -1.016]], rtol=1e-6)


@pytest.mark.row('ddls')
@pytest.mark.parametrize('corrected', [False, True])
def test_with_the_true_ratio_the_walk_has_the_datas_law(corrected):
  mean, std = 1.0, 0.5  # of data; the generator is the identity, its law N(0, 1)

  def log_odds(z):
    return (jnp.square(z) / 2 - jnp.square((z - mean) / std) / 2).sum(-1)

  keys = frozen.keys_of(jnp.arange(2000))
  start = jax.random.normal(jax.random.key(9), (2000, 1))
  walk = jax.jit(lambda z: langevin.walk(log_odds, keys, z, 150, 0.1, corrected))
  z, accepted = walk(start)
  np.testing.assert_allclose(z.mean(), mean, atol=0.05)
  np.testing.assert_allclose(z.std(), std, atol=0.06 if corrected else 0.1)
  assert (accepted.mean() < 1) == corrected


# Collaborative sampling.


@pytest.mark.row(36)
def test_momentum_moves_as_published():
  h, memory = jnp.ones((1, 1)), collaborative.Momentum.begin(jnp.ones((1, 1)))
  for number, (g, expected) in enumerate(zip((1, 0.5, 0.25), (0.9, 0.76, 0.609), strict=True)):
    away, memory = memory.next(number == 0, jnp.full((1, 1), g), jnp.zeros(1), 0.1)
    h = h - away
    np.testing.assert_allclose(h, expected, rtol=1e-6)


@pytest.mark.row(36)
def test_ladam_moves_by_how_fake_it_looks():
  memory = collaborative.Ladam.begin(jnp.array([[1.0, -2.0]]))
  away, memory = memory.next(True, jnp.array([[0.3, -0.1]]), jnp.array([0.2]), 0.1)
  np.testing.assert_allclose(away, [[0.049, -0.049]], rtol=1e-5)
  away, memory = memory.next(False, jnp.array([[0.1, 0.1]]), jnp.array([-0.1]), 0.1)
  np.testing.assert_allclose(away, [[0.03787899, -0.0242]], rtol=1e-4)
  memory = memory._replace(e=jnp.array([-2.0]))
  still, _ = memory.next(False, jnp.ones((1, 2)), jnp.array([-1.0]), 0.1)
  np.testing.assert_array_equal(still, 0)  # once it is fooled by more than half


@pytest.mark.row(36)
def test_refinement_takes_the_best_point_of_the_path_or_the_one_that_is_named():
  score = lambda h: -jnp.square(h - 2).sum(-1)  # noqa: E731
  h = jnp.array([[0.0], [2.0]])
  found = collaborative.refine(score, h, jnp.float32(0.9), steps=60, rate=0.1)
  assert (score(found) >= score(h)).all()
  np.testing.assert_allclose(found, 2, atol=0.2)
  first = collaborative.refine(score, h, jnp.float32(0.9), steps=5, stop=jnp.array([0, 0]))
  np.testing.assert_array_equal(first, h)
  g = jax.grad(lambda h: jax.nn.softplus(-score(h)).sum())(h)
  one = collaborative.refine(
    score, h, jnp.float32(0.9), steps=5, rule='momentum', stop=jnp.array([1, 1])
  )
  np.testing.assert_allclose(one, h - 0.1 * g, rtol=1e-6)  # the slope of each row, not of their mean


# Truncation.


@pytest.mark.row('truncation')
def test_latents_beyond_the_threshold_are_drawn_again_and_not_cut_off():
  keys = frozen.keys_of(jnp.arange(500))
  z = jax.vmap(lambda key: truncation.truncated(key, 8, 0.5))(keys)
  assert float(jnp.abs(z).max()) <= 0.5
  assert float((jnp.abs(z) > 0.499).mean()) < 0.01  # clipping would put 62 % there
  assert stats.kstest(np.ravel(z), stats.truncnorm(-0.5, 0.5).cdf).pvalue > 0.01


# Calibration.


def test_a_line_through_logits_makes_a_confident_judge_as_sure_as_it_should_be():
  rng = np.random.default_rng(0)
  real, fake = rng.normal(1, 1, 4000), rng.normal(-1, 1, 4000)  # log odds are 2 x
  found = calibration.logistic(10 * real + 3, 10 * fake + 3)
  np.testing.assert_allclose(found(np.array([3.0, 13.0])), [0, 2], atol=0.15)
  few = calibration.logistic(10 * real[:500] + 3, 10 * fake + 3)  # sets count alike
  np.testing.assert_allclose(few(np.array([3.0])), [0], atol=0.3)


def test_the_isotonic_function_rises_and_stays_finite():
  rng = np.random.default_rng(0)
  real, fake = rng.normal(1, 1, 2000), rng.normal(-1, 1, 2000)
  found = calibration.isotonic(np.exp(real), np.exp(fake))
  at = np.linspace(-1, 1, 9)
  odds = np.asarray(found(jnp.exp(at)))
  assert (np.diff(odds) >= 0).all()
  assert np.abs(odds - 2 * at).max() < 0.7
  assert np.isfinite(found.log_odds).all()
  with pytest.raises(UserError, match='platt is unknown; there are logistic'):
    calibration.fit('platt', real, fake)


# The mode.


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp('points')
  config = recipe.get_config('grid25,tiny')
  config.num_steps = config.checkpoint_every_steps = config.sample_every_steps = 2
  train.train(config, Workdir(folder))
  return Workdir(folder)


@pytest.mark.row('mh_gan', 36, 'drs', 'ddls')
@pytest.mark.parametrize(
  ('sampler', 'flags'),
  [
    ('rejection', {}),
    ('mh', {'steps': 6, 'calibration': 'isotonic'}),
    ('langevin', {'steps': 3, 'rate': 0.02, 'corrected': True}),
    ('collaborative', {'steps': 3, 'layer': 'hidden_0', 'shape_steps': 2}),
    ('truncation', {'truncation': 0.5}),
  ],
)
def test_a_seed_is_a_samples_whole_randomness_and_networks_stay(run, tmp_path, sampler, flags, capsys):
  before = inference.load(run).variables
  asked = sample.Asked(sampler, **flags)
  sample.sample(run, str(tmp_path), '0-9', asked)
  many = np.load(tmp_path / f'{sampler}.npy')
  assert many.shape == (10, 2)
  assert 'high_quality_share' in capsys.readouterr().out
  sample.sample(run, str(tmp_path), '3-12', asked)  # as many, so that nothing is compiled anew
  others = np.load(tmp_path / f'{sampler}.npy')
  np.testing.assert_allclose(others[:7], many[3:], rtol=1e-4, atol=1e-5)
  jax.tree.map(np.testing.assert_array_equal, before, inference.load(run).variables)


def test_an_unknown_sampler_and_a_missing_ability_are_told(run, tmp_path):
  with pytest.raises(UserError, match='gibbs is unknown; there are truncation, rejection, mh'):
    sample.sample(run, str(tmp_path), '0', sample.Asked('gibbs'))
  with pytest.raises(UserError, match='there is no such stage'):
    sample.sample(run, str(tmp_path), '0', sample.Asked('collaborative', layer='attic', steps=1))


def test_a_run_that_is_told_labels_draws_under_them_in_turn(tmp_path):
  config = recipe.get_config('labelled_digits,tiny')
  config.data.source, config.num_steps, config.sample_every_steps = 'digits', 1, 1
  config.checkpoint_every_steps = 1
  workdir = Workdir(tmp_path / 'run')
  train.train(config, workdir)
  sample.sample(workdir, str(tmp_path / 'out'), '0-3', sample.Asked('truncation'))
  assert len(list((tmp_path / 'out').glob('*.png'))) == 4
