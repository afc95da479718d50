"""Triangles as the official code draws them."""

from pathlib import Path

import numpy as np
import pytest

from decoupled_gan import data, defaults
from decoupled_gan.core.types import Examples
from decoupled_gan.data.sources import polygons
from decoupled_gan.errors import UserError


@pytest.mark.row(3)
def test_triangles_are_the_official_codes_to_the_bit():
  official = np.load(Path(__file__).parent / 'fixtures/3_triangles.npz')['images']
  images = polygons.made(8, 0)
  np.testing.assert_array_equal(images, official)
  sums = [672.0625, 648.796875, 735.234375, 682.359375, 644.5, 687.609375, 727.796875, 649.1875]
  assert images.sum((1, 2), dtype=np.float64).tolist() == sums
  assert (64 * images == np.round(64 * images)).all()


@pytest.mark.row(3)
def test_a_run_gets_grey_triangles_and_another_size_is_told(monkeypatch, tmp_path):
  monkeypatch.setattr(polygons, 'TRAIN', 6)
  monkeypatch.setattr(polygons, 'TEST', 2)
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path))
  config = defaults.get_config()
  config.data.source, config.image_channels, config.image_size = 'polygons', 1, 28
  found = data.load(config, Examples)
  assert (len(found.train.x), len(found.test.x)) == (6, 2)
  assert found.train.x[0].shape == (28, 28, 1)
  assert {int(found.train.x[0].min()), int(found.train.x[0].max())} == {0, 255}
  config.image_size = 32
  with pytest.raises(UserError, match='image_size=32: polygons are of 28 px'):
    data.load(config, Examples)
