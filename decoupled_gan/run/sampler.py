"""The sample grid that a run shows of itself."""

from collections.abc import Callable
from pathlib import Path

from decoupled_gan import data
from decoupled_gan.core import state
from decoupled_gan.machine import distributed, sharding
from decoupled_gan.run import members
from decoupled_gan.run.pictures import grid, save_image
from decoupled_gan.run.workdir import Workdir


class Sampler:
  """Writes the sample grid of fixed test examples."""

  def __init__(self, run, dataset, workdir: Workdir):
    self._run, self._config = run, run.config
    config = run.config
    count = _divisible(config.sample_count, run.mesh.size)
    self._test = data.test_batch(dataset, count, config)
    self._aligned = dataset.aligned_test
    self._batch = sharding.shard_whole(run.mesh, self._test)
    self._sample = run.exact().sampler()  # what translate and generate will make
    self._workdir = workdir

  def save(
    self, step: int, current: state.TrainState, shown: Callable = lambda step, name, picture: None
  ) -> Path:
    """<step>.png, or of several seeds <step>-seed<n>.png for each; the path of the first.

    Args:
      shown: called in the first process with (step, 'samples' or 'samples/seed<n>', picture).
    """
    files = []
    for seed, own in zip(members.seeds(self._config), members.each(self._run, current), strict=True):
      columns = self._sample(state.inference_variables(own), self._batch)
      if not distributed.main():
        continue
      if self._aligned:
        columns['truth'] = self._test.swapped
      several, picture = self._config.seeds > 1, grid(columns)
      name = f'{step:08d}-seed{seed}.png' if several else f'{step:08d}.png'
      files.append(self._workdir.samples / name)
      save_image(picture, files[-1])
      shown(step, f'samples/seed{seed}' if several else 'samples', picture)
    return files[0] if files else self._workdir.samples


def _divisible(count: int, devices: int) -> int:
  """The smallest multiple of `devices` that is at least `count`."""
  return -(-count // devices) * devices
