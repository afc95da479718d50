"""torch-fidelity, imported without torchvision, whose wheels want CUDA's libraries.

torchvision serves it for data sets and for VGG only, which no test here uses.
"""

import sys
import types
from unittest import mock

import pytest

pytest.importorskip('torch')


def _stub(name):
  module = types.ModuleType(name)
  module.__getattr__ = lambda attribute: mock.MagicMock()
  return module


_NAMES = ('', '.datasets', '.transforms', '.transforms.functional')
_ABSENT = [f'torchvision{name}' for name in _NAMES if f'torchvision{name}' not in sys.modules]
sys.modules.update({name: _stub(name) for name in _ABSENT})
try:
  pytest.importorskip('torch_fidelity')
  from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc
  from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
  from torch_fidelity.interpolate_compat_tensorflow import (
    interpolate_bilinear_2d_like_tensorflow1x as interpolate,
  )
finally:
  for _name in _ABSENT:
    del sys.modules[_name]

__all__ = [
  'FeatureExtractorInceptionV3', 'interpolate', 'metric_fid', 'metric_isc', 'metric_kid', 'metric_prc',
]  # fmt: skip
