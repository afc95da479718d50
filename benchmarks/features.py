"""Images to features, ours beside torch-fidelity with the same network, in turns; what a depthwise
convolution costs.

  python benchmarks/features.py [--steps=9] [--cores=1]

A step is 32 images of 256 px in 8 bits: resized by TensorFlow's rule (as by `evaluate
--protocol=stylegan` and by torch-fidelity) and sent through the network, whose random weights need no
file. EfficientNet-Lite0, what `evaluate` takes where there are no other weights, is timed with our
formulation of its depthwise convolutions and with XLA's own. Ratios are those of CPU seconds.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import turns  # noqa: E402

BATCH, SIZE = 32, 256


def images():
  import numpy as np

  return np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), np.uint8)


def ours(name: str, network=None):
  """(step, facts) of a network of ours, or of another module of its kind."""
  import jax

  from decoupled_gan.evaluation.metrics.protocols import network_input
  from decoupled_gan.pretrained import features

  module, given = features.NETWORKS[name], images()
  network, size = network or module.build(), module.INPUT_SIZE
  variables = jax.jit(network.init)(jax.random.key(0), given[:1].astype('float32'))
  network = features.Network(name, size, '', network.apply, variables)
  return lambda: features.extract(network, (network_input(x, size, 'tensorflow') for x in given)), dict


def inception(options):
  return ours('inception')


def lite0(options):
  return ours('efficientnet_lite0')


def grouped(options):
  from decoupled_gan.pretrained import efficientnet

  return ours('efficientnet_lite0', efficientnet.EfficientNetLite0(grouped=True))


def torch_fidelity(options):
  """(step, facts) of its Inception. torchvision, which it does not need for that, may be broken."""
  import torch

  for name in ('', '.datasets', '.transforms', '.transforms.functional'):
    sys.modules[f'torchvision{name}'] = mock.MagicMock()
  from torch_fidelity import feature_extractor_inceptionv3 as theirs

  torch.set_num_threads(len(os.sched_getaffinity(0)))
  made, unloaded = theirs.FeatureExtractorInceptionV3, mock.Mock()
  with (
    tempfile.NamedTemporaryFile(suffix='.pth') as file,
    mock.patch.object(made, 'load_state_dict', unloaded),
  ):
    torch.save({}, file.name)
    network = made('random', ['2048'], file.name)
  given = torch.from_numpy(images().transpose(0, 3, 1, 2))
  return lambda: network(given), dict


def main():
  options = turns.parser(__doc__.splitlines()[0]).parse_args()
  makers = {
    'inception': inception,
    'inception of torch-fidelity': torch_fidelity,
    'efficientnet_lite0': lite0,
    'efficientnet_lite0, grouped convolutions of XLA': grouped,
  }
  found = turns.measure(makers, options)
  rival = found['inception of torch-fidelity']['cpu_seconds']
  for name, of in found.items():
    ratios = [a / b for a, b in zip(of['cpu_seconds'], rival, strict=True)]
    print(
      f'{name:48} {BATCH / statistics.median(of["seconds"]):6.1f} images/s  '
      f'{statistics.median(of["cpu_seconds"]):6.2f} CPU s  '
      f'{statistics.median(ratios):.2f} of torch-fidelity ({min(ratios):.2f} to {max(ratios):.2f})',
      flush=True,
    )


if __name__ == '__main__':
  main()
