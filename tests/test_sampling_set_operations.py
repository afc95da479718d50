"""S2M: samples of what classes share, on exact classifiers, and the mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from configs import gan as recipe
from decoupled_gan import data
from decoupled_gan.core.types import Examples
from decoupled_gan.data.sources import digits
from decoupled_gan.errors import UserError
from decoupled_gan.modes import train
from decoupled_gan.modes.generate import fit, sample
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.sampling import frozen, metropolis
from decoupled_gan.sampling import set_operations as s2m

CONFIG = recipe.get_config('digits7to3')


def wanted(classes, without='', gammas='', conditional=False, temperatures=''):
  config = CONFIG.copy_and_resolve_references()
  config.model.conditional = conditional
  return s2m.wanted_of(config, classes, without, gammas, temperatures)


def told(real_class, real=0.0, fake_class=None):
  """A verdict by probabilities and log odds."""
  logits = [
    jnp.log(jnp.maximum(jnp.asarray(p, float), 1e-30)) for p in (real_class, fake_class or real_class)
  ]
  return s2m.Told(jnp.broadcast_to(jnp.asarray(real, float), len(real_class)), *logits)


@pytest.mark.row(52)
@pytest.mark.parametrize(
  ('classes', 'without', 'share', 'expected'),
  [
    ('A,B', '', 0.5, 0.45), ('A', 'B', 0.5, 0.05), ('B', 'A', 0.5, 0.0), ('A', 'B', 0.6, 0.075),
    ('A', 'B,C', 0.5, 0.05), ('B', 'C', 0.5, 0.29),
  ],
)  # fmt: skip
def test_the_ratio_is_the_least_of_the_wanted_classes_less_the_most_of_the_others(
  classes, without, share, expected
):
  seen = told([(0.5, 0.3, 0.2)], np.log(share / (1 - share)))
  found = s2m.ratio(seen, wanted(classes, without, '1,1.5,0.8'))
  np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=1e-7)


@pytest.mark.row(52)
def test_a_class_that_the_generator_is_told_and_temperatures_divide():
  seen = told([(0.5, 0.3, 0.2)], np.log(4), [(0.2, 0.7, 0.1)])
  plain, conditional = (s2m.ratio(seen, wanted('A', 'B', conditional=x)) for x in (False, True))
  np.testing.assert_allclose(plain, [0.2 * 4], rtol=1e-5)
  np.testing.assert_allclose(conditional, [0.2 * 4 / 0.2], rtol=1e-5)
  root = np.sqrt([0.5, 0.3, 0.2])
  cooler = s2m.ratio(seen, wanted('A', 'B', temperatures='2,4'))
  np.testing.assert_allclose(cooler, [(root[0] - root[1]) / root.sum() * 4**0.25], rtol=1e-5)
  assert wanted('B,A', conditional=True).told == 1  # the first one


@pytest.mark.row(52)
def test_a_chain_leaves_what_is_not_wanted_at_once_and_goes_to_it_never():
  old, new = jnp.array([0.0, 0, 0, 1, 1, 2]), jnp.array([0.0, 1e-6, 1e-4, 0, 0.5, 3])
  expected = [0, 0.1, 1, 0, 0.5, 1]
  np.testing.assert_allclose(s2m.acceptance(old, new), expected, rtol=2e-5)


def where(x):
  """Shares of the labels A and B at points of U[0, 3], A = [0, 2], B = [1, 3]; nothing is of C."""
  a = jnp.where(x < 1, 1.0, jnp.where(x < 2, 0.5, 0.0))
  return jnp.stack([a, 1 - a, jnp.zeros_like(x)], -1)


def ends(law, odds, asked, count=4000):
  """Where chains of proposals of `law` (key -> x) end, with exact classifiers."""

  def propose(keys):
    x = jax.vmap(law)(keys)
    shares = jnp.log(jnp.maximum(where(x), 1e-30))
    return x, s2m.ratio(s2m.Told(odds(x), shares, shares), asked)

  keys = frozen.keys_of(jnp.arange(count))
  chain = metropolis.chain
  run = jax.jit(lambda keys: chain(propose, keys, jnp.zeros(count), 200, s2m.acceptance, 'ratio'))
  x, found = run(keys)
  assert found['kept'].all()
  assert (found['ratio'] > 0).all()
  return np.asarray(x)


@pytest.mark.row(52)
@pytest.mark.parametrize(('classes', 'without', 'low'), [('A,B', '', 1), ('A', 'B', 0), ('B', 'A', 2)])
def test_exact_classifiers_give_the_intersection_and_both_differences(classes, without, low):
  """Proposals N(1.5, 1.2^2) of data U[0, 3]; labels A and B half and half, P(A) = P(B) = 2/3."""

  def odds(x):
    of_data = jnp.where((x > 0) & (x < 3), -jnp.log(3.0), -jnp.inf)
    return of_data - jax.scipy.stats.norm.logpdf(x, 1.5, 1.2)

  third = str(4 / 3)
  asked = wanted(classes, without, f'{third},{third},1')
  x = ends(lambda key: 1.5 + 1.2 * jax.random.normal(key), odds, asked)
  assert x.min() > low - 0.01
  assert x.max() < low + 1.01
  assert stats.kstest(x, stats.uniform(low, 1).cdf).pvalue > 0.01


@pytest.mark.row(52)
def test_a_perfect_generator_that_is_told_the_class_is_left_as_it_is():
  """Without the division by D_f(c | x) what is of one class alone would come twice as often."""
  x = ends(lambda key: 2 * jax.random.uniform(key), jnp.zeros_like, wanted('A', conditional=True))
  assert stats.kstest(x, stats.uniform(0, 2).cdf).pvalue > 0.01


@pytest.mark.row(52)
def test_a_factor_of_all_weights_changes_nothing():
  x = [
    ends(jax.random.normal, lambda x: -x, wanted('A', 'B', gammas), 50) for gammas in ('1,1,1', '8,8,8')
  ]
  np.testing.assert_array_equal(*x)


@pytest.mark.row(52)
def test_a_chain_that_meets_nothing_of_the_set_is_told():
  keys = frozen.keys_of(jnp.arange(5))

  def propose(keys):
    return jax.vmap(jax.random.normal)(keys), jnp.zeros(len(keys))

  x, found = metropolis.chain(propose, keys, jnp.zeros(5), 3, s2m.acceptance, 'ratio')
  assert not found['kept'].any()
  np.testing.assert_array_equal(x, propose(frozen.each(keys, 0))[0])


@pytest.mark.row(52)
def test_what_the_classifiers_minimise_and_that_nobody_learns_of_labels_that_fakes_do_not_have():
  real = s2m.Told(jnp.array([1.0]), jnp.array([[2.0, 0, 0]]), jnp.array([[9.0, 0, 0]]))
  fake = s2m.Told(jnp.array([-2.0]), jnp.array([[0.0, 9, 0]]), jnp.array([[0.0, 1, 0]]))
  label = jnp.array([0])
  apart = (np.log1p(np.exp(-1)) + np.log1p(np.exp(-2))) / 2
  of_real, of_fake = np.log(1 + 2 * np.exp(-2)), np.log(2 + np.e)
  np.testing.assert_allclose(s2m.error(real, fake, label, True), apart + of_real + of_fake, rtol=1e-6)
  np.testing.assert_allclose(s2m.error(real, fake, label, False), apart + of_real, rtol=1e-6)
  moved = jax.grad(s2m.error, (0, 1))(real, fake, label, False)
  for untouched in (moved[0].fake_class, moved[1].fake_class, moved[1].real_class):
    np.testing.assert_array_equal(untouched, 0)
  assert all(jnp.abs(x).max() > 0 for x in (moved[0].real, moved[0].real_class, moved[1].real))


@pytest.mark.row(52)
@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ({'classes': 'A,D'}, "set has no class 'D'; there are A, B, C"),
    ({'classes': '', 'without': 'B'}, 'wants the classes that samples are of'),
    ({'classes': 'A,B', 'without': 'B'}, 'wants the classes that samples are of'),
    ({'classes': 'A', 'gammas': '1,2'}, '--gammas=1,2 has to be 3 positive numbers'),
    ({'classes': 'A', 'gammas': '1,2,x'}, 'one for each class'),
    ({'classes': 'A', 'temperatures': '0,1'}, 'has to be 2 positive numbers, one for D_r and D_v'),
  ],
)
def test_what_cannot_be_asked_is_told(flags, message):
  with pytest.raises(UserError, match=message):
    wanted(**flags)


def test_a_run_without_classes_has_no_sets():
  with pytest.raises(UserError, match='goes by the classes of one attribute'):
    s2m.wanted_of(recipe.get_config('grid25'), 'A')


@pytest.mark.row(52)
def test_seven_digits_are_the_parts_of_three_classes_and_each_has_one_label_of_its_own():
  dataset = data.load(CONFIG, Examples)
  (images, truth), _ = digits.halves(CONFIG)
  kept = truth[:, 0] < 7
  assert len(dataset.train.x) == kept.sum()
  np.testing.assert_array_equal(dataset.train.x[5], images[int(np.flatnonzero(kept)[5])])
  for digit, names in enumerate(digits.SETS):
    labels = dataset.train.labels[truth[kept, 0] == digit, 0]
    shares = np.bincount(labels, minlength=3) / len(labels)
    expected = [(name in names) / len(names) for name in 'ABC']
    np.testing.assert_allclose(shares, expected, atol=0.13)
    assert (shares[np.array(expected) == 0] == 0).all()
  with pytest.raises(UserError, match='digits7to3 have one'):
    config = CONFIG.copy_and_resolve_references()
    config.attributes.set = ('A', 'B')
    digits.load_sets(config)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  config = recipe.get_config('digits7to3,tiny')
  config.data.source, config.data.num_threads = 'digits7to3', 0
  config.num_steps = config.checkpoint_every_steps = config.sample_every_steps = 1
  workdir = Workdir(tmp_path_factory.mktemp('sets'))
  train.train(config, workdir)
  return workdir


@pytest.mark.row(52)
def test_a_seed_is_a_samples_whole_randomness_and_the_generator_stays(
  run, tmp_path, monkeypatch, capsys
):
  from PIL import Image

  monkeypatch.setattr(fit, 'HELD_OUT', 20)
  before = inference.load(run).variables
  asked = sample.Asked('s2m', classes='A,B', without='C', steps=4, shape_steps=2)
  for folder, seeds in (('first', '0-3'), ('second', '2-5')):
    sample.sample(run, str(tmp_path / folder), seeds, asked)
  assert 'ratio ' in capsys.readouterr().out
  for seed in (2, 3):
    both = [np.asarray(Image.open(tmp_path / x / f'seed{seed:04d}.png')) for x in ('first', 'second')]
    np.testing.assert_array_equal(*both)
  jax.tree.map(np.testing.assert_array_equal, before, inference.load(run).variables)


@pytest.mark.row(52)
def test_classifiers_stop_when_held_out_examples_say_so(run, monkeypatch):
  trained, lessons = inference.load(run), []
  plain = fit._lessons

  def counted(*args):
    for lesson in plain(*args):
      lessons.append(1)
      yield lesson

  monkeypatch.setattr(fit, '_lessons', counted)
  monkeypatch.setattr(fit, 'HELD_OUT', 8)
  monkeypatch.setattr(fit, 'LOOK', 1)
  monkeypatch.setattr(s2m, 'RATE', 0.0)  # nothing becomes better
  config = trained.run.config
  fit.taught(trained, data.load(config, Examples), 50, s2m.wanted_of(config, 'A'))
  assert len(lessons) == 1 + fit.PATIENCE
