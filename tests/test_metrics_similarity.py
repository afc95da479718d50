"""MS-SSIM among generated images, and path lengths in a generator's latents."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import convolve2d

from configs import gan
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import scoring, tasks
from decoupled_gan.evaluation.metrics import METRICS, parse, path_length, similarity
from decoupled_gan.evaluation.metrics.protocols import PROTOCOLS
from decoupled_gan.pretrained import lpips
from decoupled_gan.run import experiment


def restated(x, y):
  """MS-SSIM of two images, float64, channel by channel, each window as a square of weights."""
  found = []
  for a, b in zip(np.moveaxis(x, -1, 0).astype(float), np.moveaxis(y, -1, 0).astype(float), strict=True):
    product = 1
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
      if scale:
        a, b = (np.pad(z, [(0, n % 2) for n in z.shape], 'symmetric') for z in (a, b))
        a, b = ((z[::2, ::2] + z[1::2, ::2] + z[::2, 1::2] + z[1::2, 1::2]) / 4 for z in (a, b))
      away = np.arange(min(11, *a.shape)) - (min(11, *a.shape) - 1) / 2
      square = np.exp(-(away[:, None] ** 2 + away[None] ** 2) / (2 * 1.5**2))
      ma, mb, aa, bb, ab = (
        convolve2d(z, square / square.sum(), 'valid') for z in (a, b, a * a, b * b, a * b)
      )
      cs = (2 * (ab - ma * mb) + 58.5225) / (aa - ma**2 + bb - mb**2 + 58.5225)
      light = (2 * ma * mb + 6.5025) / (ma**2 + mb**2 + 6.5025)
      product *= max(0, (light * cs if scale == 4 else cs).mean()) ** weight
    found.append(product)
  return np.mean(found)


def shades(size, count=3):
  """Images that look alike more or less."""
  rng = np.random.default_rng(0)
  base = rng.integers(0, 256, (1, *size, 3))
  noise = rng.normal(size=(count, *size, 3)) * np.array([10, 40, 60])[:count].reshape(-1, 1, 1, 1)
  return np.clip(base + noise, 0, 255).astype(np.uint8)


@pytest.mark.row('ms_ssim')
@pytest.mark.parametrize('size', [(45, 38), (8, 8)])
def test_pairs_are_as_alike_as_the_formula_says_and_no_image_counts_against_itself(size):
  images = shades(size)
  pairs = [restated(images[i], images[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
  assert max(pairs) < 0.98
  assert similarity.among(images) == pytest.approx(np.mean(pairs), rel=1e-3)


@pytest.mark.row('ms_ssim')
def test_one_image_again_and_again_is_1_and_unlike_images_are_near_0():
  images = shades((16, 16), 1)
  assert similarity.among(np.repeat(images, 5, 0)) == pytest.approx(1, abs=1e-4)
  stripes = np.tile(np.array([0, 255], np.uint8), 8)[None, :, None, None] * np.ones((1, 16, 16, 1), int)
  assert similarity.among(np.concatenate([stripes, 255 - stripes]).astype(np.uint8)) < 1e-3


@pytest.mark.row('ms_ssim')
def test_five_batches_of_64_share_no_image(monkeypatch):
  seen = []
  monkeypatch.setattr(similarity, 'among', lambda images: seen.append(images[:, 0, 0, 0]) or len(seen))
  numbered = np.arange(400)[:, None, None, None] * np.ones((1, 2, 2, 1), int)
  found = METRICS['ms_ssim'].function(None, numbered, np.random.default_rng(0))
  assert (found.value, [len(x) for x in seen]) == (3, [64] * 5)
  assert len(set(np.concatenate(seen).tolist())) == 320
  seen.clear()
  METRICS['ms_ssim'].function(None, numbered[:10], np.random.default_rng(0))
  assert [len(x) for x in seen] == [10]
  with pytest.raises(UserError, match='compares images with each other; there are 1'):
    METRICS['ms_ssim'].function(None, numbered[:1], np.random.default_rng(0))


@pytest.fixture
def squared(monkeypatch):
  """In place of LPIPS the squared distance."""
  monkeypatch.setattr(lpips, 'load', lambda trunk: {})
  apart = lambda weights, x, y, trunk: jnp.square(x - y).sum((1, 2, 3))  # noqa: E731
  monkeypatch.setattr(lpips, 'distance', apart)


@pytest.mark.row('ppl')
def test_a_linear_generators_path_is_as_long_as_what_it_makes_of_the_whole_way(squared):
  a = np.array([[1.0, 2.0], [0, 1], [2, 0]])
  last = np.float32(path_length.EPSILON * a @ np.array([-1.0, 2.0]))[None, None, :, None]
  ends = np.zeros((3, 1, 3, 1), np.float32), np.repeat(last, 3, 0)
  steps = iter([ends, tuple(x[:1] for x in ends)])
  found = path_length.lengths(steps, lambda x: x)
  np.testing.assert_allclose(found, [17] * 4, rtol=1e-5)


@pytest.mark.row('ppl')
def test_lengths_beyond_the_percentiles_do_not_count_and_those_at_them_do():
  found = path_length.of_lengths(np.random.default_rng(0).permutation(np.arange(1.0, 201)))
  assert found.value == pytest.approx(np.arange(2, 200).mean())


@pytest.mark.row('ppl')
def test_a_step_is_on_the_line_in_z_or_in_the_generators_codes():
  method = types.SimpleNamespace(style=lambda gan, z, t: z**3, draw=lambda gan, codes, noise: codes)
  module, seeds = types.SimpleNamespace(z_dim=4), jnp.arange(5, dtype=jnp.uint32)
  first, moved = tasks._step(method, 'w', module, seeds)
  again, in_z = tasks._step(method, 'z', module, seeds)
  np.testing.assert_array_equal(first, again)
  away = (moved - first) / path_length.EPSILON
  z, other = jnp.cbrt(first), jnp.cbrt(first + away)
  np.testing.assert_allclose(in_z, (z + path_length.EPSILON * (other - z)) ** 3, rtol=1e-3, atol=1e-6)
  assert float(jnp.abs(in_z - moved).max()) > 1e-5  # the two are not the same
  assert len(np.unique(np.asarray(z))) == z.size  # nor are pairs of different seeds


@pytest.mark.row('ppl')
@pytest.mark.parametrize('space', ['z', 'w'])
def test_a_run_that_draws_from_seeds_walks(space):
  run = experiment.build(gan.get_config('tiny'))
  step = functools.partial(tasks._step, run.method, space)
  ends = jax.eval_shape(
    lambda variables, seeds: run.gan.apply(variables, seeds, method=step),
    run.variables, jax.ShapeDtypeStruct((3,), jnp.uint32),
  )  # fmt: skip
  assert [x.shape for x in ends] == [(3, 8, 8, 3)] * 2


@pytest.mark.row('ppl')
def test_both_lengths_ask_their_own_space_and_size(squared):
  asked = []

  def walk(count, space):
    asked.append((count, space))
    yield jnp.zeros((4, 512, 512, 1)), jnp.ones((4, 512, 512, 1)) * path_length.EPSILON

  ppl, wend = (METRICS[name].function(walk, 4, None).value for name in ('ppl', 'ppl2_wend'))
  assert asked == [(4, 'z'), (4, 'w')]
  np.testing.assert_allclose([ppl, wend], [64**2, 256**2], rtol=1e-3)


@pytest.mark.row('ppl')
def test_without_a_generator_there_is_no_path():
  images = shades((16, 16))
  pictures = scoring.of_images('photos', images)
  with pytest.raises(UserError, match='photos has none at hand: ask for it of a run'):
    scoring.score([parse('ppl')], pictures, pictures, PROTOCOLS['cleanfid'], 0)
