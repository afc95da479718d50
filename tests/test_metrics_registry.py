"""How metrics are asked for, what they are called, and intervals."""

import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import metrics
from decoupled_gan.evaluation.metrics import registry


@pytest.mark.parametrize(
  ('text', 'name', 'count', 'network'),
  [
    ('kid', 'kid', None, 'inception'),
    ('kid_1k', 'kid', 1000, 'inception'),
    ('fd_500@efficientnet_lite0', 'fd', 500, 'efficientnet_lite0'),
    ('inception_score_50k', 'inception_score', 50_000, 'inception'),
    ('precision_10', 'precision', 10, 'vgg16'),
    (' psnr ', 'psnr', None, ''),
    ('lpips', 'lpips', None, 'lpips_alex'),
    ('sliced_wasserstein_2k', 'sliced_wasserstein', 2000, ''),
  ],
)
def test_a_request_is_a_metric_a_number_of_images_and_a_network(text, name, count, network):
  request = metrics.parse(text)
  assert (request.metric.name, request.count, request.network) == (name, count, network)


def test_no_two_networks_or_numbers_of_images_share_a_name():
  requests = [metrics.parse(x) for x in ('kid', 'kid@vgg16', 'kid@efficientnet_lite0')]
  names = {request.title(count) for request in requests for count in (1000, 1024)}
  assert names == {
    'kid_1k', 'kid_1024', 'kid_1k@vgg16', 'kid_1024@vgg16', 'kid_1k@efficientnet_lite0',
    'kid_1024@efficientnet_lite0',
  }  # fmt: skip
  assert metrics.parse('precision@inception').title(10) == 'precision_10@inception'


def test_means_over_images_have_no_number_of_images_in_their_name():
  assert metrics.parse('psnr').title(1000) == 'psnr'


@pytest.mark.parametrize(
  ('text', 'told'),
  [
    ('fidd', "no metric 'fidd'; there are accuracy, .*, density, .*fd, fd_infinity, fid, five_shot, "),
    ('fid_1m', "no metric 'fid_1m'"),
    ('psnr@inception', 'psnr takes no feature network; ask for psnr'),
    ('lpips@inception', 'lpips takes no feature network; ask for lpips'),
    ('ssim_1k', 'ssim takes no such number of images; ask for ssim'),
    ('kid_0', 'kid takes no such number'),
  ],
)
def test_what_cannot_be_asked_for_is_told(text, told):
  with pytest.raises(UserError, match=told):
    metrics.parse(text)


def test_a_metric_is_a_decorated_function(monkeypatch):
  monkeypatch.setattr(registry, 'METRICS', {})

  @registry.metric(registry.IMAGES, 'higher')
  def brightness(real, fake, rng):
    return registry.mean_of(fake.mean((1, 2, 3)))

  found = registry.parse('brightness_2').metric
  assert found.better == 'higher'
  assert found.function(None, np.full((2, 4, 4, 3), 7), None).value == 7


def test_the_interval_of_a_mean_is_two_standard_errors_and_more_of_few():
  estimate = registry.mean_of(np.array([0.0, 2.0] * 50))
  assert estimate.value == 1
  np.testing.assert_allclose(estimate.high - estimate.low, 2 * 1.96 / 10, rtol=0.02)
  estimate = registry.mean_of(np.array([0.0, 2.0]))
  np.testing.assert_allclose(estimate.high - estimate.low, 2 * 12.706, rtol=1e-4)  # t of one degree
  assert np.isnan(registry.mean_of(np.array([1.0])).low)
  assert np.isnan(registry.mean_of(np.array([1.0, 1.0])).low)  # nothing was seen to vary


@pytest.mark.parametrize(('real', 'fake'), [(2, 2), (3, 3), (7, 100), (100, 7)])
def test_of_few_images_there_is_no_interval(real, fake):
  x, y = (np.random.default_rng(i).normal(size=(n, 1)) for i, n in enumerate((real, fake)))
  found = registry.subsampled(0.5, lambda a, b: a.mean() - b.mean(), x, y, np.random.default_rng(1))
  assert found.value == 0.5
  assert np.isnan(found.low)
  assert np.isnan(found.high)


@pytest.mark.parametrize('counts', [(9, 9), (11, 15), (40, 9)])
def test_the_factor_is_of_what_was_drawn_where_halves_are_no_whole_numbers(counts):
  """4 of 9 are not a half: the spread of such draws, rightly scaled, is the error of the mean."""
  x, y = (np.random.default_rng(i).normal(size=(n, 1)) for i, n in enumerate(counts))
  found = registry.subsampled(
    0, lambda a, b: a.mean() - b.mean(), x, y, np.random.default_rng(1), draws=4000
  )
  variance = sum(z.var(ddof=1) / len(z) for z in (x, y))
  np.testing.assert_allclose((found.high - found.low) / 2, 1.96 * np.sqrt(variance), rtol=0.2)


def test_a_value_and_its_interval_stay_within_what_the_metric_can_be():
  assert registry.within(-1e-14, 5, '', least=0)[:3] == (0, 0, 5 - 1e-14)
  assert registry.within(0.9, 5, '', least=0, most=1)[:3] == (0.9, 0, 1)


def test_the_interval_of_subsamples_is_that_of_a_mean_where_both_can_be_had():
  x = np.random.default_rng(0).normal(size=(400, 1))
  found = registry.subsampled(
    0, lambda a, b: a.mean() - b.mean(), x, np.zeros_like(x), np.random.default_rng(1), draws=400
  )
  expected = 1.96 * x.std() / np.sqrt(400)
  np.testing.assert_allclose((found.high - found.low) / 2, expected, rtol=0.15)
