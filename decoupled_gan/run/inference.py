"""A trained run, opened for use: networks from its checkpoint, ready to translate."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax.errors import FlaxError
from ml_collections import ConfigDict

from decoupled_gan.core import state
from decoupled_gan.core.images import to_uint8
from decoupled_gan.core.types import DIRECTIONS, Examples, image_shape
from decoupled_gan.data.sizes import shared
from decoupled_gan.errors import UserError
from decoupled_gan.layers import extent
from decoupled_gan.machine import compilation, sharding
from decoupled_gan.run import experiment, members
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir


@dataclass(frozen=True)
class Trained:
  """A run's experiment, its variables for inference, and the step they are of."""

  run: experiment.Experiment
  variables: Any
  step: int

  def translator(self, direction: str):
    """translate(uint8 [N, H, W, C]) -> uint8 [N, H', W', C]; compiled for each shape it meets."""
    forward = self.to_float(direction)
    return lambda images: to_uint8(forward(images))

  def to_float(self, direction: str):
    """As `translator`, with results as the network makes them, in [-1, 1]; floats are taken so too."""
    self.check(direction)
    return self.compiled(self.run.method.translate, DIRECTIONS[direction])

  def check(self, direction: str):
    """Raises UserError unless the run translates in this direction."""
    if direction not in DIRECTIONS:
      raise UserError(f'--direction={direction} is unknown; there are a_to_b and b_to_a.')
    self.run.require('translate')
    if DIRECTIONS[direction] not in self.run.method.targets:
      two = self.run.method.batch is not Examples
      other = '; for the other way train with --config.data.direction exchanged' if two else ''
      raise UserError(
        f'--direction={direction}: this run translates one way only, which is called a_to_b here{other}.'
      )

  def any_size(
    self, direction: str, sizes: Sequence[tuple[int, int]], most: int, split: bool = False
  ) -> 'AnySize':
    """A translator of images of these `sizes` by `most` programs at most; see AnySize."""
    self.check(direction)
    return AnySize(self, DIRECTIONS[direction], sizes, most, split)

  def compiled(self, function, *static, **options):
    """f(*arrays) -> function(gan, *arrays, *static), on these variables; see Experiment.compiled."""
    forward = self.run.compiled(function, *static, **options)
    return lambda *arrays: forward(self.variables, *arrays)


class AnySize:
  """Translates single images at sizes of their own, by programs that several sizes share.

  An image's border is mirrored up to a multiple of what the networks halve, `multiple`. A program that
  serves several sizes takes the image's own size as an argument (layers/extent.py): the numbers are
  those of a program of that size, up to the order of sums.

  If `split`, every image is cut by its height into bands, one for each device, so that each needs its
  share of the memory, and sees it whole all the same: the numbers are those of one device, up to the
  order of sums. Every size has a program of its own then, since borders that a program is told are found
  by indices, for which each device would want the whole map.

  Raises UserError for `split` with one device, or with more than `most` sizes.
  """

  def __init__(self, trained: Trained, target: str, sizes: Sequence, most: int, split: bool = False):
    self._trained, self._target, self._split = trained, target, split
    self.multiple = self._multiple()
    self._sizes = [self._padded(size) for size in sizes]
    if split:
      self._check_split(len(set(self._sizes)), most)
    self._program = dict(shared(self._sizes, most))
    self._compiled: dict[tuple, Any] = {}

  @property
  def devices(self) -> int:
    """How many share an image."""
    return self._trained.run.mesh.size if self._split else 1

  @property
  def programs(self) -> list[tuple[int, int]]:
    """Their sizes, the largest first."""
    return sorted(set(self._program.values()), key=lambda size: (-size[0] * size[1], size))

  def order(self) -> list[int]:
    """The images, those of one program together, the largest first: what does not fit fails soon."""
    places = {program: i for i, program in enumerate(self.programs)}
    numbers = range(len(self._sizes))
    return sorted(numbers, key=lambda i: (places[self._program[self._sizes[i]]], i))

  def memory(self, program: tuple[int, int], dtype=np.uint8) -> int | None:
    """Bytes that a program takes of a device beside the networks; None where no compiler tells."""
    analysis = self._of(program, dtype).memory_analysis()
    parts = ('temp_size_in_bytes', 'output_size_in_bytes')
    return sum(getattr(analysis, part) for part in parts) if analysis else None

  def __call__(self, image: np.ndarray) -> np.ndarray:
    """uint8 [h, w, C] -> uint8 [h, w, C]; or as many times larger as the networks make images."""
    return to_uint8(self.to_float(image))

  def to_float(self, image: np.ndarray) -> np.ndarray:
    """The same in [-1, 1], as the network makes it; floats in [-1, 1] are taken too."""
    own = self._padded(image.shape[:2])
    program = self._program.setdefault(own, own)  # a size that no header told has its own
    border = [(0, padded - given) for padded, given in zip(own, image.shape[:2], strict=True)]
    image, given = np.pad(image, [*border, (0, 0)], 'symmetric'), image.shape[:2]
    room = [(0, whole - padded) for whole, padded in zip(program, own, strict=True)]
    arguments = np.pad(image, [*room, (0, 0)])[None], np.array(own, np.int32)
    made = np.asarray(self._of(program, image.dtype)(self._trained.variables, *arguments))[0]
    height, width = (n * made.shape[0] // program[0] for n in given)
    return made[:height, :width]

  def _of(self, program: tuple[int, int], dtype):
    key = program, np.dtype(dtype)
    if key not in self._compiled:
      run, sizes = self._trained.run, list(self._program.items())
      exact = all(size == program for size, other in sizes if other == program)
      function = run.compiled(self._function, self._target, exact)
      shape = jax.ShapeDtypeStruct((1, *program, run.config.image_channels), dtype)
      lowered = function.lower(self._trained.variables, shape, jax.ShapeDtypeStruct((2,), np.int32))
      self._compiled[key] = lowered.compile()
    return self._compiled[key]

  def _function(self, gan, images, own, target: str, exact: bool):
    translate, mesh = self._trained.run.method.translate, self._trained.run.mesh
    if self._split:
      return sharding.by_height(mesh, translate(gan, sharding.by_height(mesh, images), target))
    if exact:
      return translate(gan, images, target)
    with extent.inside(images.shape[1:3], own):
      return translate(gan, images, target)

  def _check_split(self, sizes: int, most: int):
    if self.devices == 1:
      raise UserError(
        '--split shares an image among the devices of this machine, and there is one: leave it out, or '
        'make the image smaller (--dtype=bfloat16 takes about half the memory, too).'
      )
    if sizes > most:
      raise UserError(
        f'--split compiles a program for each size, and these images have {sizes}, where {most} are '
        'meant to be the most: translate the large ones in a folder of their own, the others without it.'
      )

  def _padded(self, size: Sequence[int]) -> tuple[int, int]:
    return tuple(-(-n // self.multiple) * self.multiple for n in size)

  def _multiple(self) -> int:
    """The least power of two, from 4 on, of whose multiples images keep their shape."""
    run, channels = self._trained.run, self._trained.run.config.image_channels
    function = lambda variables, images: run.gan.apply(  # noqa: E731
      variables, images, self._target, method=run.method.translate
    )
    for multiple in (2**n for n in range(2, 10)):
      odd = 64 // multiple // 2 * 2 + 3  # halved once more it would not come out even
      shape = (odd * multiple, (odd + 2) * multiple)
      images = jax.ShapeDtypeStruct((1, *shape, channels), np.float32)
      with contextlib.suppress(TypeError, ValueError, FlaxError):  # networks that grow with the size
        made = jax.eval_shape(function, self._trained.variables, images).shape[1:3]
        if made[0] * shape[1] == made[1] * shape[0] and made[0] % shape[0] == 0:
          return multiple
    height, width = image_shape(run.config)
    raise UserError(
      f'method={run.config.method!r} translates images of {height} x {width} px only: '
      "leave --resize=keep (size='keep') out."
    )


def load(
  workdir: Workdir, step: int | str | None = None, devices=None, dtype: str = 'float32'
) -> Trained:
  """The run in `workdir` as of checkpoint `step`: a step, 'best', or the latest if None."""
  return restore(open_run(workdir, devices=devices, dtype=dtype), workdir, step)


def open_run(
  workdir: Workdir, config: ConfigDict | None = None, devices=None, dtype: str = 'float32'
) -> experiment.Experiment:
  """The experiment of the run in `workdir`, without a state; by `config` if one is given.

  It computes in `dtype`, whatever it was trained in: half precision is for training, whose gradients are
  noise anyway, and moves a picture by up to 9 of 255 levels.
  """
  config = (config or workdir.load_config()).copy_and_resolve_references()
  config.compute_dtype = dtype
  members.require_one(config, str(workdir.path))
  compilation.keep(config.compilation_cache, workdir.path)
  # Training's batch does not matter here, but some objectives, which are traced, want a divisible one.
  config.batch_size += -config.batch_size % (len(devices) if devices else jax.device_count())
  return experiment.build(config, devices, train=False)


def open_changed(
  workdir: Workdir, config: ConfigDict | None, dtype: str = 'float32'
) -> experiment.Experiment:
  """`open_run` by `config`, the run's with fields changed for this time, which are told; None: as saved.

  For what reads a run's data, which may have moved since it was trained.
  """
  changes = {} if config is None else workdir.changes(config)
  if 'compute_dtype' in changes:
    raise UserError(
      'compute_dtype is of training: a run is used in float32, or, where a mode takes it, in what '
      '--dtype=bfloat16 says.'
    )
  run = open_run(workdir, config, dtype=dtype)
  for field, (old, new) in changes.items():
    print(f'changed   {field}: {old!r} -> {new!r}')
  return run


def restore(run: experiment.Experiment, workdir: Workdir, step: int | str | None) -> Trained:
  """`run` with the networks of a checkpoint; `step` as in `load`."""
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    restored = checkpoints.restore_networks(run.abstract_state(), step)
  return Trained(run, state.inference_variables(restored), int(restored.step))


def batched(function, inputs, batch_size: int = 8):
  """`function` over a pytree of arrays [N, ...] in batches of one shape: the last is filled, and cut.

  Returns:
    A pytree of numpy arrays [N, ...], as the function's.
  """
  count, out = len(jax.tree.leaves(inputs)[0]), []
  for start in range(0, count, batch_size):
    size = min(batch_size, count - start)
    chosen = np.minimum(np.arange(start, start + batch_size), count - 1)
    made = function(jax.tree.map(lambda x, chosen=chosen: x[chosen], inputs))
    out.append(jax.tree.map(lambda x, size=size: np.asarray(x)[:size], made))
  return jax.tree.map(lambda *parts: np.concatenate(parts), *out)
