"""Metrics, resizes and networks against torch-fidelity's and PyTorch's, on the same inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_fidelity as reference
import torch
from test_metrics_distribution import FAKE, PROTOCOL, REAL, features, value
from test_metrics_features import photo
from test_metrics_protocols import image

from decoupled_gan.evaluation.metrics import METRICS, distribution, path_length, protocols
from decoupled_gan.machine import pickles
from decoupled_gan.pretrained import inception, lpips, vgg, weights

SIZES = [((40, 57), 24), ((20, 31), 64), ((24, 24), 24)]


def tensor(x):
  return torch.from_numpy(x.astype(np.float64))


@pytest.mark.parametrize('dimensions', [16, 200])
def test_fid_is_torch_fidelitys_with_more_and_with_fewer_images_than_features(dimensions):
  real, fake = features(150, 0, dimensions=dimensions), features(120, 1, 0.5, dimensions)
  statistics = [
    reference.metric_fid.fid_features_to_statistics(tensor(x['features'])) for x in (real, fake)
  ]
  expected = reference.metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
  found = value('fid', real, fake)
  np.testing.assert_allclose(found, expected['frechet_inception_distance'], rtol=1e-6)


def test_kid_is_torch_fidelitys_with_the_same_subsets():
  expected = reference.metric_kid.kid_features_to_metric(
    tensor(REAL['features']), tensor(FAKE['features']),
    kid_subsets=4, kid_subset_size=50, rng_seed=7, verbose=False,
  )  # fmt: skip
  rng = np.random.RandomState(7)  # what draws the reference's subsets
  found = METRICS['kid'].function(REAL, FAKE, PROTOCOL, rng)
  np.testing.assert_allclose(found.value, expected['kernel_inception_distance_mean'], rtol=1e-6)


def test_inception_score_is_torch_fidelitys():
  expected = reference.metric_isc.isc_features_to_metric(tensor(FAKE['logits']), rng_seed=3)
  found = distribution.inception_score(None, FAKE, PROTOCOL, np.random.RandomState(3))
  np.testing.assert_allclose(found.value, expected['inception_score_mean'], rtol=1e-6)


def test_precision_and_recall_are_torch_fidelitys():
  both = (tensor(FAKE['features']), tensor(REAL['features']))
  expected = reference.metric_prc.prc_features_to_metric(*both, prc_neighborhood=3, verbose=False)
  assert 0 < expected['precision'] < 1
  np.testing.assert_allclose(value('precision'), expected['precision'], rtol=1e-6)
  np.testing.assert_allclose(value('recall'), expected['recall'], rtol=1e-6)


def nchw(x):
  return torch.from_numpy(x.astype(np.float32).transpose(2, 0, 1)[None])


@pytest.mark.parametrize(('old', 'new'), SIZES)
def test_bilinear_is_pytorchs_interpolate(old, new):
  x = image(old)
  expected = torch.nn.functional.interpolate(
    nchw(x), (new, new), mode='bilinear', align_corners=False
  )
  np.testing.assert_allclose(
    protocols.bilinear(x, new), expected[0].numpy().transpose(1, 2, 0), atol=2e-3
  )


@pytest.mark.parametrize(('old', 'new'), SIZES)
def test_tensorflow_is_that_of_tensorflow_1(old, new):
  x = image(old)
  expected = reference.interpolate(nchw(x), size=(new, new), align_corners=False)
  np.testing.assert_allclose(
    protocols.tensorflow(x, new), expected[0].numpy().transpose(1, 2, 0), atol=2e-3
  )


def random_state(shapes, seed=0):
  """A state dict at which signals neither vanish nor explode, and nothing is symmetric."""
  rng, state = np.random.default_rng(seed), {}
  for name, shape in shapes.items():
    part = name.rpartition('.')[2]
    if len(shape) > 1:
      value = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
    else:
      value = {'weight': 1, 'running_var': 1}.get(part, 0) + 0.1 * np.abs(rng.normal(size=shape))
    integer = part == 'num_batches_tracked'
    state[name] = torch.tensor(0) if integer else torch.from_numpy(value.astype(np.float32))
  return state


def test_inception_is_torch_fidelitys_at_the_same_random_weights(tmp_path, monkeypatch):
  monkeypatch.setattr(
    'torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url', lambda *a, **k: {}
  )
  monkeypatch.setattr(reference.FeatureExtractorInceptionV3, 'load_state_dict', lambda *a: None)
  network = reference.FeatureExtractorInceptionV3('x', ['2048', 'logits_unbiased'])
  monkeypatch.undo()
  state = random_state({name: tuple(x.shape) for name, x in network.state_dict().items()})
  network.load_state_dict(state)
  images = np.random.default_rng(1).integers(0, 256, (2, 80, 80, 3), dtype=np.uint8)
  images[1] //= 3
  expected = [x.numpy() for x in network(torch.from_numpy(images.transpose(0, 3, 1, 2)))]

  torch.save(state, tmp_path / 'weights.pth')
  read = pickles.read_tensors((tmp_path / 'weights.pth').read_bytes(), 'weights.pth')
  variables = inception.convert(read)
  weights.check(variables, inception.build(), 299, 'inception')
  inputs = jnp.stack([protocols.network_input(x, 299, 'tensorflow') for x in images])
  found = jax.jit(inception.build().apply)(variables, inputs)
  for name, reference_output in zip(('features', 'logits'), expected, strict=True):
    scale = np.abs(reference_output).max()
    np.testing.assert_allclose(found[name] / scale, reference_output / scale, atol=1e-3)
    assert np.abs(reference_output[0] - reference_output[1]).max() > 0.01 * scale


def test_vgg16_is_the_same_sum_in_pytorch(monkeypatch):
  """torchvision's layers by their published names and order, at random weights, cut to 1/16."""
  small = {number: channels // 16 for number, channels in vgg._LAYERS.items()}
  shapes, inputs = {}, 3
  for number, channels in small.items():
    shapes |= {f'features.{number}.weight': (channels, inputs, 3, 3)}
    shapes |= {f'features.{number}.bias': (channels,)}
    inputs = channels
  for number, size in {0: 49 * inputs, 3: 4096, 6: 4096}.items():
    outputs = 10 if number == 6 else 4096
    shapes |= {f'classifier.{number}.weight': (outputs, size), f'classifier.{number}.bias': (outputs,)}
  state = random_state(shapes)
  image = photo('chelsea')
  x = torch.from_numpy(image.transpose(2, 0, 1)[None] / 255)
  mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (vgg._MEAN, vgg._STD))
  x = (x - mean) / std
  for number in small:
    weight, bias = (state[f'features.{number}.{part}'] for part in ('weight', 'bias'))
    x = torch.relu(torch.nn.functional.conv2d(x, weight, bias, padding=1))
    if number in vgg._POOLED_AFTER:
      x = torch.nn.functional.max_pool2d(x, 2)
  x = x.flatten(1)
  for number in (0, 3):
    x = torch.relu(x @ state[f'classifier.{number}.weight'].T + state[f'classifier.{number}.bias'])
  variables = vgg.convert({name: value.numpy() for name, value in state.items()})
  monkeypatch.setattr(vgg, '_LAYERS', small)
  found = vgg.build().apply(variables, jnp.asarray(image)[None])['features']
  np.testing.assert_allclose(found, x.numpy(), atol=1e-4 * float(x.max()))


@pytest.mark.row('ppl')
def test_lpips_of_vgg16_at_64_px_is_torch_fidelitys_at_the_same_random_weights(monkeypatch):
  module, found = reference.lpips_vgg(monkeypatch), {}
  layers = [layer for part in module.net.children() for layer in part if hasattr(layer, 'weight')]
  for i, layer in enumerate(layers):
    state = random_state({name: tuple(x.shape) for name, x in layer.state_dict().items()}, i)
    layer.load_state_dict(state)
    found[f'VGG16_0/Conv_{i}/kernel'] = state['weight'].numpy().transpose(2, 3, 1, 0)
    found[f'VGG16_0/Conv_{i}/bias'] = state['bias'].numpy()
  rng = np.random.default_rng(0)
  for i, head in enumerate(module.lins):
    head = head.model[-1].weight
    head.data = torch.from_numpy(rng.uniform(size=tuple(head.shape)).astype(np.float32))
    found[f'NetLinLayer_{i}/Conv_0/kernel'] = head.numpy().transpose(2, 3, 1, 0)
  apart = jax.jit(lambda x, y: lpips.distance(found, x, y, lpips.VGG))
  for old in (40, 100, 128):  # bilinear, means over uneven areas and over even ones
    x, y = rng.uniform(0, 255, (2, 1, old, old, 3)).astype(np.float32)
    with torch.no_grad():
      expected = module(*(torch.from_numpy(z.transpose(0, 3, 1, 2)) for z in (x, y)))
    both = [path_length.resized(jnp.asarray(z) / 127.5 - 1, path_length.SMALL) for z in (x, y)]
    np.testing.assert_allclose(apart(*both), expected.numpy().ravel(), rtol=1e-4)
