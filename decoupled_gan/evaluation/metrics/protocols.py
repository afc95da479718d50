"""PROTOCOLS: what a paper's numbers mean, as data. A number without one cannot be compared.

Resizing to the network's input, each in float32 without rounding:

  bilinear     PyTorch's interpolate(align_corners=False): pixel centres, no antialiasing
  tensorflow   TensorFlow 1's resize_bilinear: pixel i of n comes from i * N / n, no antialiasing
  antialiased  Pillow's bicubic resize of each channel, clipped to 0..255 (Parmar et al., CVPR 2022)
  antialiased_bilinear  the same with Pillow's bilinear filter, which never leaves 0..255
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from decoupled_gan.errors import UserError, listing


@dataclass(frozen=True)
class Protocol:
  """How numbers are made.

  Attributes:
    name: as in --protocol and in every line of evaluations.jsonl.
    source: where it is from, and what is known to differ.
    metrics: what is measured when nothing is asked; without a feature network where the published
      one's weights are missing, efficientnet_lite0 stands in, and the names say so.
    reference: which real images: 'test' or 'train'.
    reference_size: 'own', of the sizes on disk, or 'training', after the resize to training's size.
    resize: a word of RESIZES.
    kid_subsets, kid_subset_size: subsets of KID, and how many images they have at most.
    kid_scale: KID is reported times this.
    fid_ddof: covariances are divided by N - fid_ddof.
    score_splits: of the inception score.
    neighbours: of precision, recall, density and coverage; 0: as each was published, 3, 3, 5, 5.
    strict: precision and recall count what is nearer than the neighbour, not what is as near.
  """

  name: str
  source: str
  metrics: tuple[str, ...]
  reference: str
  reference_size: str
  resize: str
  kid_subsets: int
  kid_subset_size: int
  kid_scale: float
  fid_ddof: int
  score_splits: int = 10
  neighbours: int = 0
  strict: bool = False


PROTOCOLS = {
  protocol.name: protocol
  for protocol in (
    Protocol(
      name='nice_gan',
      source='Chen et al., CVPR 2020, official metric/fid_kid.py. There, results are written as '
      'JPEG where inputs are; here they are not compressed.',
      metrics=('kid', 'fid'),
      reference='test',
      reference_size='own',
      resize='bilinear',
      kid_subsets=50,
      kid_subset_size=1000,
      kid_scale=100,
      fid_ddof=1,
    ),
    Protocol(
      name='stylegan',
      source='Karras et al., NeurIPS 2020, as GLeaD uses it: 50,000 generated images against the '
      'whole training set. There, images are truncated to whole levels; here they are rounded.',
      metrics=('kid_50k', 'fid_50k', 'precision_50k', 'recall_50k'),
      reference='train',
      reference_size='training',
      resize='tensorflow',
      kid_subsets=100,
      kid_subset_size=1000,
      kid_scale=1,
      fid_ddof=0,
    ),
    Protocol(
      name='cleanfid',
      source='Parmar et al., CVPR 2022: antialiased resizing.',
      metrics=('kid', 'fid'),
      reference='train',
      reference_size='own',
      resize='antialiased',
      kid_subsets=100,
      kid_subset_size=1000,
      kid_scale=1,
      fid_ddof=1,
    ),
    Protocol(
      name='studiogan',
      source='Kang et al., TPAMI 2023: PyTorch-StudioGAN, src/worker.py and metrics/prdc.py; all of '
      "Inception's features. There, CIFAR-10 is measured by 10,000 images against its test images.",
      metrics=(
        'inception_score_50k', 'fid_50k', 'precision_50k@inception', 'recall_50k@inception',
        'density_50k@inception', 'coverage_50k@inception',
      ),
      reference='train',
      reference_size='training',
      resize='antialiased_bilinear',
      kid_subsets=100,
      kid_subset_size=1000,
      kid_scale=1,
      fid_ddof=1,
      score_splits=1,
      neighbours=5,
      strict=True,
    ),
  )
}


def get(name: str) -> Protocol:
  """The protocol `name`; raises UserError if there is none."""
  if name not in PROTOCOLS:
    raise UserError(f'there is no protocol {name!r}; there are {listing(PROTOCOLS)}.')
  return PROTOCOLS[name]


def bilinear(image: np.ndarray, size: int) -> np.ndarray:
  """uint8 [H, W, C] -> float32 [size, size, C]; see above."""
  return _interpolated(
    image, size, lambda old: np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
  )


def tensorflow(image: np.ndarray, size: int) -> np.ndarray:
  """uint8 [H, W, C] -> float32 [size, size, C]; see above."""
  return _interpolated(image, size, lambda old: np.arange(size) * (old / size))


def antialiased(image: np.ndarray, size: int) -> np.ndarray:
  """uint8 [H, W, C] -> float32 [size, size, C]; see above."""
  return _by_pillow(image, size, Image.Resampling.BICUBIC)


def antialiased_bilinear(image: np.ndarray, size: int) -> np.ndarray:
  """uint8 [H, W, C] -> float32 [size, size, C]; see above."""
  return _by_pillow(image, size, Image.Resampling.BILINEAR)


def _by_pillow(image: np.ndarray, size: int, how: Image.Resampling) -> np.ndarray:
  channels = [
    Image.fromarray(image[..., c].astype(np.float32)).resize((size, size), how)
    for c in range(image.shape[-1])
  ]
  return np.stack(channels, -1).clip(0, 255)


RESIZES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
  function.__name__: function
  for function in (bilinear, tensorflow, antialiased, antialiased_bilinear)
}


def network_input(image: np.ndarray, size: int, resize: str) -> np.ndarray:
  """uint8 [H, W, 1 or 3] -> float32 [size, size, 3] in 0..255; grey becomes three equal channels."""
  resized = RESIZES[resize](image, size)
  return np.ascontiguousarray(np.broadcast_to(resized, (size, size, 3)), np.float32)


def _interpolated(image: np.ndarray, size: int, positions: Callable[[int], np.ndarray]):
  """Linear interpolation along the rows, then the columns, at `positions(old size)`."""
  image = image.astype(np.float32)
  for axis in (0, 1):
    old = image.shape[axis]
    position = positions(old)
    lower = np.floor(position).astype(int)
    shape = [1, 1, 1]
    shape[axis] = size
    weight = (position - lower).astype(np.float32).reshape(shape)
    below, above = (np.take(image, np.minimum(lower + i, old - 1), axis) for i in (0, 1))
    image = below + (above - below) * weight
  return image
