"""torch-fidelity, imported without torchvision, whose wheels want CUDA's libraries.

torchvision serves it for data sets and for VGG only, whose layers stand below.
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
  import torch
  from torch_fidelity import (
    metric_fid,
    metric_isc,
    metric_kid,
    metric_prc,
    sample_similarity_lpips,
  )
  from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
  from torch_fidelity.interpolate_compat_tensorflow import (
    interpolate_bilinear_2d_like_tensorflow1x as interpolate,
  )
finally:
  for _name in _ABSENT:
    del sys.modules[_name]

__all__ = [
  'FeatureExtractorInceptionV3', 'interpolate', 'lpips_vgg', 'metric_fid', 'metric_isc', 'metric_kid',
  'metric_prc',
]  # fmt: skip


def lpips_vgg(monkeypatch):
  """Its LPIPS of VGG16 at 64 px, without the published weights."""
  layers, inputs = [], 3
  for channels in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
    if not channels:
      layers.append(torch.nn.MaxPool2d(2))
      continue
    layers += [torch.nn.Conv2d(inputs, channels, 3, padding=1), torch.nn.ReLU()]
    inputs = channels
  vgg = types.SimpleNamespace(features=torch.nn.Sequential(*layers))
  monkeypatch.setattr(sample_similarity_lpips, 'torchvision_load_pretrained_vgg16', lambda: vgg)
  monkeypatch.setattr(sample_similarity_lpips, 'load_state_dict_from_url', lambda *a, **k: {})
  own = sample_similarity_lpips.SampleSimilarityLPIPS
  monkeypatch.setattr(own, 'load_state_dict', lambda *a: None)
  found = own('x', sample_similarity_resize=64)
  monkeypatch.undo()
  return found
