"""ADA against arrays of the official code: transforms, compositions, gradient, recorded draws."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import erfinv

from decoupled_gan.augment import ada, wavelets
from decoupled_gan.augment.ada import ADA, GROUPS
from decoupled_gan.augment.seen import Draws
from decoupled_gan.errors import UserError

FIXTURES = Path(__file__).parent / 'fixtures'
TOLERANCE = 1e-4  # the worst found is below 1e-5
SINGLE = np.load(FIXTURES / '10_ada.npz')
COMPOSED = np.load(FIXTURES / '10_ada_composed.npz')
PERCENTILES = ('0.1', '0.3', '0.7', '0.9')


@dataclass(frozen=True)
class Percentile(Draws):
  """The official `debug_percentile`: every draw is its percentile, and transforms fire where named.

  Normal draws lack the factor sqrt 2 there; the second rotation is none. Each row of the batch is a
  case of its own.
  """

  q: Any = None  # [B, 1]
  firing: tuple[str, ...] = ()  # of each row: the transforms that fire

  def uniform(self, name, size=1):
    q = jnp.full_like(self.q, 0.5) if name == 'rotate after' else self.q
    return jnp.broadcast_to(q, (self.count, size))

  def normal(self, name, size=1):
    return jnp.broadcast_to(erfinv(2 * self.q - 1), (self.count, size))

  def fires(self, name, p=None):
    rows = [row.split(',') for row in self.firing]
    return jnp.array([[any(name == x or name.startswith(f'{x} ') for x in row)] for row in rows])


def applied(pipeline, x, cases, cotangent=None):
  """{case: image} of `cases`, 'words that fire/percentile', one compiled batch; and the pullback."""
  words, qs = zip(*(case.rsplit('/', 1) for case in cases), strict=True)
  q = jnp.array([[float(q)] for q in qs])
  draws = Percentile(jax.random.key(0), len(cases), 1.0, q, words)
  x = jnp.tile(jnp.asarray(x), (len(cases), 1, 1, 1))

  @jax.jit
  def run(x, cotangent):
    y, pullback = jax.vjp(lambda x: pipeline.apply(x, draws), x)
    return y, None if cotangent is None else pullback(cotangent)[0]

  y, back = run(x, cotangent)
  return dict(zip(cases, y, strict=True)), back


TRANSFORMS = (*ada.KINDS['blit'], *ada.KINDS['geom'], *ada.KINDS['color'], 'cutout')
SMALL = [f'{name}/{q}' for name in TRANSFORMS for q in PERCENTILES]


@functools.cache
def small():
  return applied(ADA((*GROUPS['bgc'], 'cutout')), SINGLE['x16'], SMALL)[0]


@pytest.mark.row(10)
@pytest.mark.parametrize('case', SMALL)
def test_each_transform_equals_the_official_one(case):
  np.testing.assert_allclose(small()[case], SINGLE[case][0], atol=TOLERANCE)


BANDS = [key for key in SINGLE.files if key.startswith('imgfilter')]
COMPOSITIONS = [f'{groups}/{q}' for groups in ('bg', 'bgc', 'bgcf') for q in PERCENTILES]


@functools.cache
def large():
  """Images of the cases at 24 px, and the pullback of the official cotangent by the case bgcf/0.7."""
  cases = [key.replace('imgfilter_band', 'imgfilter ') for key in BANDS]
  cases += [f'{",".join(GROUPS[case.split("/")[0]])}/{case.split("/")[1]}' for case in COMPOSITIONS]
  names = BANDS + COMPOSITIONS
  cotangent = np.zeros((len(names), 24, 24, 3), np.float32)
  cotangent[names.index('bgcf/0.7')] = COMPOSED['cotangent'][0]
  made, back = applied(ADA(GROUPS['bgcf']), COMPOSED['x24'], cases, jnp.asarray(cotangent))
  return dict(zip(names, made.values(), strict=True)), back[names.index('bgcf/0.7')]


@pytest.mark.row(10)
@pytest.mark.parametrize('case', BANDS + COMPOSITIONS)
def test_bands_and_compositions_equal_the_official_ones(case):
  expected = SINGLE[case] if case in BANDS else COMPOSED[case]
  np.testing.assert_allclose(large()[0][case], expected[0], atol=TOLERANCE)


@pytest.mark.row(10)
def test_its_gradient_equals_the_official_one():
  np.testing.assert_allclose(large()[1], COMPOSED['pullback_bgcf/0.7'][0], atol=TOLERANCE)


@pytest.mark.row(10)
@pytest.mark.parametrize(('x', 'groups'), [('grey', 'bgcf'), ('wide', 'bg')])
def test_grey_images_and_rectangles_equal_the_official_ones(x, groups):
  cases = {q: f'{",".join(GROUPS[groups])}/{q}' for q in ('0.3', '0.9')}
  made, _ = applied(ADA(GROUPS[groups]), COMPOSED[x], list(cases.values()))
  for q, case in cases.items():
    np.testing.assert_allclose(made[case], COMPOSED[f'{x}_{groups}/{q}'][0], atol=TOLERANCE)


ORDER = (
  'xflip', 'rotate90', 'xint', 'scale', 'rotate', 'aniso', 'rotate after', 'xfrac', 'brightness',
  'contrast', 'lumaflip', 'hue', 'saturation', *(f'imgfilter {i}' for i in range(4)),
)  # fmt: skip


@dataclass(frozen=True)
class Recorded(Draws):
  """The draws of the official code, in its order: a value and a coin each; cutout's coin comes first."""

  numbers: Any = None

  def _number(self, position):
    return jnp.asarray(self.numbers[position]).reshape(self.count, -1)

  def uniform(self, name, size=1):
    return self._number(35 if name == 'cutout' else 2 * ORDER.index(name))

  normal = uniform

  def fires(self, name, p=None):
    coin = self._number(34 if name == 'cutout' else 2 * ORDER.index(name) + 1)
    return coin < (self.p if p is None else p)


@pytest.mark.row(10)
def test_recorded_draws_give_the_official_images():
  keys = sorted(key for key in COMPOSED.files if key.startswith('random/') and key[7].isdigit())
  numbers = [COMPOSED[key] for key in keys]
  x = jnp.asarray(COMPOSED['random/x'])
  draws = Recorded(jax.random.key(0), len(x), jnp.asarray(COMPOSED['random/p']), numbers)
  pipeline = ADA((*GROUPS['bgcf'], 'cutout'))
  found = jax.jit(lambda x: pipeline.apply(x, draws))(x)
  np.testing.assert_allclose(found, COMPOSED['random/y'], atol=TOLERANCE)


@pytest.mark.row(10)
def test_the_filters_are_the_official_ones():
  np.testing.assert_allclose(np.array(wavelets.SYM6) / sum(wavelets.SYM6), SINGLE['Hz_geom'], atol=1e-7)
  np.testing.assert_allclose(wavelets.bands(), SINGLE['Hz_fbank'], atol=1e-7)
  np.testing.assert_allclose(wavelets.bands().sum(1), [1, 0, 0, 0], atol=1e-9)


COUNT = 512
pipeline = jax.jit(ADA())


@functools.cache
def seen(p):
  """512 copies of an image, each seen under draws of its own."""
  x = jnp.tile(jnp.asarray(SINGLE['x16']), (COUNT, 1, 1, 1))
  return x, pipeline(jax.random.key(5), x, jnp.float32(p)).x


def clean(x, y):
  return np.abs(np.asarray(x - y)).max((1, 2, 3)) < 1e-4


def test_without_strength_images_are_what_they_were():
  assert clean(*seen(0.0)).all()


def test_the_share_of_clean_images_is_that_of_independent_coins():
  """(1 - p/2)^2 (1 - 3p/4) (1 - p)^9 under bgc, where both rotations together have 1 - p."""
  expected = (1 - 0.05) ** 2 * (1 - 0.075) * 0.9**9
  assert clean(*seen(0.1)).mean() == pytest.approx(expected, abs=0.06)  # three standard deviations


def test_a_strength_above_one_acts_as_one():
  np.testing.assert_array_equal(seen(1.0)[1], seen(1.7)[1])


def test_images_of_a_batch_do_not_depend_on_each_other():
  x, y = seen(1.0)
  others = pipeline(jax.random.key(5), x.at[1:].set(-x[1:]), jnp.float32(1.0)).x
  np.testing.assert_array_equal(others[0], y[0])
  assert not np.allclose(others[1], y[1])


def test_images_too_small_for_the_filters_are_told():
  with pytest.raises(UserError, match='imgfilter needs images of at least 22 px'):
    applied(ADA(('imgfilter',)), SINGLE['x16'], ['imgfilter/0.3'])
