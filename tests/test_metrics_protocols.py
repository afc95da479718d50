"""Protocols can be carried out as they stand, and their resizes do what they say."""

import numpy as np
import pytest
from PIL import Image

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics import protocols


def image(size):
  return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_antialiased_is_pillows_bicubic_in_floating_point():
  x = image((40, 57))
  found = protocols.antialiased(x, 24)
  rounded = np.asarray(Image.fromarray(x).resize((24, 24), Image.Resampling.BICUBIC), np.float32)
  assert found.dtype == np.float32
  assert np.abs(found - rounded).max() <= 1.01  # Pillow rounds uint8 once per axis
  assert np.abs(found - rounded).max() > 0.1
  assert found.min() >= 0 and found.max() <= 255


@pytest.mark.parametrize('resize', list(protocols.RESIZES))
def test_an_image_of_the_right_size_stays_and_grey_becomes_colour(resize):
  x = image((24, 24))
  np.testing.assert_allclose(protocols.network_input(x, 24, resize), x, atol=1e-4)
  grey = protocols.network_input(x[..., :1], 24, resize)
  np.testing.assert_allclose(grey, np.repeat(x[..., :1], 3, -1), atol=1e-4)


def test_only_antialiasing_averages_what_lies_between():
  stripes = np.zeros((64, 64, 3), np.uint8)
  stripes[:, 1::2] = 255
  small = {name: resize(stripes, 16) for name, resize in protocols.RESIZES.items()}
  assert small['tensorflow'].max() == 0  # every fourth column, all black
  assert np.ptp(small['antialiased'][4:-4, 4:-4]) < 2
  np.testing.assert_allclose(small['antialiased'].mean(), 127.5, atol=2)


def test_every_protocol_can_be_carried_out_as_it_stands():
  from decoupled_gan.evaluation import metrics

  for protocol in protocols.PROTOCOLS.values():
    assert protocol.resize in protocols.RESIZES
    assert protocol.reference in ('test', 'train')
    assert protocol.reference_size in ('own', 'training')
    assert [metrics.parse(name) for name in protocol.metrics]


def test_an_unknown_protocol_is_told_with_those_there_are():
  with pytest.raises(UserError, match="no protocol 'fid'; there are nice_gan, stylegan, cleanfid"):
    protocols.get('fid')
