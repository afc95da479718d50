"""PyTorch files and pickles of arrays, read without PyTorch."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from decoupled_gan.errors import UserError
from decoupled_gan.machine import pickles


def saved(tmp_path, content, stacked):
  torch = pytest.importorskip('torch')
  path = tmp_path / 'weights.pth'
  torch.save(content, path, _use_new_zipfile_serialization=not stacked)
  return path.read_bytes()


@pytest.mark.parametrize('stacked', [True, False])
def test_both_of_pytorchs_formats_are_read_as_pytorch_does(tmp_path, stacked):
  torch = pytest.importorskip('torch')
  base = torch.arange(24.0).reshape(4, 6)
  content = OrderedDict(
    whole=base,
    turned=base.T,  # strided, of the same storage
    part=base[1:3, ::2],
    half=base.half(),
    count=torch.tensor(7),
    learnt=torch.nn.Parameter(base + 1),
    nested={'list': [torch.ones(2, dtype=torch.int32)], 'text': 'kept'},
  )
  read = pickles.read_tensors(saved(tmp_path, content, stacked), 'weights.pth')
  for name in ('whole', 'turned', 'part', 'half', 'count', 'learnt'):
    expected = content[name].detach().numpy()
    np.testing.assert_array_equal(read[name], expected)
    assert read[name].dtype == expected.dtype
  np.testing.assert_array_equal(read['nested']['list'][0], [1, 1])
  assert read['nested']['text'] == 'kept'


@pytest.mark.parametrize('stacked', [True, False])
def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path, stacked):
  class Evil:
    def __reduce__(self):
      return os.mkdir, (str(tmp_path / 'pwned'),)

  data = saved(tmp_path, {'weights': Evil()}, stacked)
  with pytest.raises(UserError, match=r'it asks for \w+\.mkdir, which is no tensor'):
    pickles.read_tensors(data, 'weights.pth')
  with pytest.raises(UserError, match=r'evil\.ckpt cannot be read'):
    pickles.read_arrays(pickle.dumps(Evil()), 'evil.ckpt')
  assert not (tmp_path / 'pwned').exists()


@pytest.mark.parametrize('stacked', [True, False])
def test_a_truncated_file_is_told(tmp_path, stacked):
  torch = pytest.importorskip('torch')
  data = saved(tmp_path, {'weights': torch.ones(100)}, stacked)
  with pytest.raises(UserError, match=r'weights\.pth cannot be read .* it is damaged'):
    pickles.read_tensors(data[:-40], 'weights.pth')


def test_pickled_arrays_come_back_in_nested_dicts_and_flat():
  tree = {'conv': {'kernel': np.ones((2, 3)), 'bias': np.zeros(3, np.float32)}}
  read = pickles.read_arrays(pickle.dumps(tree), 'x')
  flat = pickles.flat_arrays(read)
  assert set(flat) == {'conv/kernel', 'conv/bias'}
  np.testing.assert_array_equal(flat['conv/kernel'], tree['conv']['kernel'])
