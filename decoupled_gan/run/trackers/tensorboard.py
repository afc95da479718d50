"""TensorBoard's events."""

import contextlib
import functools
import sys
import time

from decoupled_gan.run.trackers.protocol import Places


class TensorBoard:
  """Events beside metrics.jsonl: by clu where it imports, or tensorboardX.

  clu needs TensorFlow and tensorboard to be installed, which the core does not.
  """

  def __init__(self, places: Places):
    self._folder = places.events

  def start(self, config, run_id, resume):
    try:
      from clu import metric_writers
    except ImportError:
      with _without('torch'):
        from tensorboardX import SummaryWriter

      # A file is named by its second: two starts within one would be one file, the first lost.
      self._writer = SummaryWriter(str(self._folder), filename_suffix=f'.{time.time_ns()}')
      self._scalar = self._writer.add_scalar
      self._image = functools.partial(self._writer.add_image, dataformats='HWC')
      return
    self._writer = writer = metric_writers.SummaryWriter(str(self._folder))
    self._scalar = lambda name, value, step: writer.write_scalars(step, {name: value})
    self._image = lambda name, image, step: writer.write_images(step, {name: image[None]})

  def scalars(self, step, values):
    for name, value in values.items():
      self._scalar(name, value, step)
    self._writer.flush()

  def image(self, step, name, image):
    self._image(name, image, step)
    self._writer.flush()

  def close(self):
    self._writer.close()


@contextlib.contextmanager
def _without(package: str):
  """A package that is not imported yet seems not to be installed.

  tensorboardX would import torch where there is one, which takes two seconds and is of no use here.
  """
  if package in sys.modules:
    yield
    return
  sys.modules[package] = None
  try:
    yield
  finally:
    del sys.modules[package]
