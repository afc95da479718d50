"""A trained run in Python: `dg.load('runs/photos').translate('cat.jpg').save('dog.png')`.

One class for all methods: what a model can do is what its run's method declares (core/method.py). Its
results are those of the command line, byte for byte, since both go through the same functions. Models
may be used by several threads at once.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from decoupled_gan import hub
from decoupled_gan.core.method import ABILITIES
from decoupled_gan.core.types import DIRECTIONS
from decoupled_gan.data import given, masks
from decoupled_gan.data.label_files import number_of
from decoupled_gan.data.results import BATCH
from decoupled_gan.data.sources.labelled import sorted_attributes
from decoupled_gan.data.views import as_trained
from decoupled_gan.errors import UserError, listing
from decoupled_gan.exports import safetensors_file, writers
from decoupled_gan.modes.generate import draw, edit
from decoupled_gan.modes.translate import forward, kept, resized
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

CALLED = {'translate': 'translate', 'edit': 'edit', 'draw': 'generate', 'reconstruct': 'reconstruct'}
"""Ability -> the method of Model that uses it."""


def load(
  path: str | os.PathLike, checkpoint: int | str | None = None, dtype: str = 'float32'
) -> 'Model':
  """The model in `path`.

  Args:
    path: a run's workdir, local or gs://; or a .safetensors file of `Model.save`, or a folder with one
      called model.safetensors; or hub:<owner>/<name>[@<revision>], downloaded once.
    checkpoint: of a workdir: a step, 'best', or the latest if None.
    dtype: what it computes in, float32 or bfloat16 (faster, and not the same).

  Raises UserError if there is none, or none that fits.
  """
  on_hub = str(path).startswith(hub.PREFIX)
  released = safetensors_file.located(hub.fetched(str(path)) if on_hub else path)
  if released is None:
    return Model(inference.load(Workdir(path), checkpoint, dtype=dtype), str(path))
  if checkpoint is not None:
    raise UserError(f'{path} holds one step only: leave checkpoint={checkpoint!r} out.')
  return Model(safetensors_file.read(released, dtype), str(path))


class Model:
  """A trained run, ready for use. Made by `load`.

  Images go in as paths, pictures of Pillow's, arrays, or lists of them, and come out as the same: arrays
  [H, W, C] or [N, H, W, C] of uint8, uint16 or floats in 0..1 with their own type.

  Attributes:
    config: the run's, with all its fields.
    step: of the checkpoint.
  """

  def __init__(self, trained: inference.Trained, path: str):
    self.config: ConfigDict = trained.run.config
    self.step: int = trained.step
    self._trained, self._path = trained, path
    self._compiled: dict[tuple, Callable] = {}
    self._lock = threading.Lock()

  def __repr__(self) -> str:
    can = listing(self.abilities) if self.abilities else 'nothing but training'
    return f'<Model {self._path}: {self.config.method}, step {self.step}; {can}>'

  @property
  def abilities(self) -> tuple[str, ...]:
    """The methods of this object that its run can do."""
    return tuple(name for ability, name in CALLED.items() if self._trained.run.able(ability))

  @property
  def directions(self) -> tuple[str, ...]:
    """Of a translator: 'a_to_b', 'b_to_a'."""
    targets = self._trained.run.method.targets if 'translate' in self.abilities else ()
    return tuple(direction for direction, target in DIRECTIONS.items() if target in targets)

  @property
  def attributes(self) -> dict[str, tuple[str, ...]]:
    """{attribute: names of its values} that the run was trained with."""
    return sorted_attributes(self.config)

  @property
  def routes(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """{phase: {loss: {group: weight}}}: what trained what."""
    return self.config.routes.to_dict()

  def translate(
    self,
    images: Any,
    direction: str = 'a_to_b',
    size: str = '',
    batch_size: int = BATCH,
    alpha: str = 'white',
    mask: Any = None,
  ) -> Any:
    """Images of one domain as images of the other.

    Files are read with all their bits; pictures that come back have 8, since Pillow has no more in
    colour: for 16 hand over arrays.

    Args:
      size: 'square', the size of training (the papers' protocol); or 'keep', the images' own, which
        networks never saw in training; '' as of the command, see modes/translate.
      alpha: of files and pictures, what was transparent: 'white', or 'keep', as transparent as it was.
      mask: white is translated, black stays: a path, a picture or an array [H, W] for all, or a list
        with one for each.
    """
    self._require('translate')
    self._check_batch(batch_size)
    kept.check_alpha(alpha, 'alpha')
    trained, config, size = self._trained, self.config, resized(size, self.config, 'size')
    found, own_size = self._read(images, whole=True), size == 'keep'
    covers = masks.given_for(mask, found.images)
    if own_size:
      own = self._once(('keep', direction), lambda: trained.any_size(direction, (), 1))
      signed = [x if x.dtype == np.uint8 else given.unit(x) * 2 - 1 for x in found.images]
      made = [own.to_float(image) for image in signed]
    else:
      function = self._once(('translate', direction), lambda: trained.to_float(direction))
      made = forward(function, found.images, config, batch_size)
    for i, (image, cover, clear) in enumerate(zip(found.images, covers, found.alphas, strict=True)):
      if cover is not None:
        made[i] = kept.masked(made[i], image, cover, config, own_size)
      if alpha == 'keep' and clear is not None:
        made[i] = kept.with_alpha(made[i], clear, config, own_size)
    return found.back(made)

  def reconstruct(self, images: Any, batch_size: int = BATCH) -> Any:
    """Images as the run gives them back, at the size of training."""
    self._require('reconstruct')
    method = self._trained.run.method.reconstruct
    made = self._once('reconstruct', lambda: self._trained.compiled(method))
    return self._through(made, images, batch_size)

  def edit(self, images: Any, difference: bool = False, **values: str | int) -> Any:
    """Images with other values of attributes: `model.edit('face.png', glasses='yes')`.

    What is not named keeps each image's own value: that which rebuilds it best, a guess.

    Args:
      difference: add what the labels change to the images, at their own sizes, and leave the rest as it
        is.
    """
    self._require('edit')
    wanted = self._values(values)
    decode = self._once('decode', lambda: edit.decoder(self._trained))
    if difference:
      edit.check_difference(self._trained.run)

      def changed(batch):
        own = edit.own_labels(decode, batch, {}, self.attributes)
        new = edit.replaced(own, wanted, self.attributes)
        return np.asarray(decode(batch, new[None])) - decode(batch, own[None])

      return self._through(changed, images, 1, eight_bit=True, finish=edit.added)
    method = self._trained.run.method.edit
    forward = self._once('edit', lambda: self._trained.compiled(method))

    def made(batch):
      return forward(batch, edit.own_labels(decode, batch, wanted, self.attributes)[None])

    return self._through(made, images, 1, eight_bit=True)

  def generate(
    self,
    seeds: int | Sequence[int] = range(16),
    truncation: float = 1.0,
    noise: str = 'const',
    **values: str | int,
  ) -> Any:
    """The drawing of a seed, or a list of those of several, as pictures of Pillow's.

    Args:
      truncation: psi; 1 draws from all of the distribution, 0 the average image.
      noise: per pixel: const, random or none, where a network has such.
      values: of attributes, where a run draws under labels; else seeds go through their combinations.

    Returns:
      Of a run of points: an array float32 [N, D].
    """
    self._require('draw')
    draw.check_noise(noise)
    single = isinstance(seeds, int | np.integer)
    chosen = [int(seeds)] if single else [int(seed) for seed in seeds]
    if not chosen or not all(0 <= seed < 2**32 for seed in chosen):
      raise UserError(f'seeds={seeds!r}: seeds are whole numbers from 0 to 2^32 - 1, at least one.')
    coder = self._once(('codes', truncation), lambda: draw.coder(self._trained, truncation))
    painter = self._once(('painter', noise), lambda: draw.painter(self._trained, noise))
    inputs, labels = [coder(chosen)], draw.labels_of(self._trained.run, chosen)
    if labels is None and values:
      raise UserError('this run draws without labels: leave attributes out.')
    if labels is not None:
      for name, number in self._values(values).items():
        labels[:, list(self.attributes).index(name)] = number
      inputs.append(labels)
    drawn = inference.batched(painter, inputs)
    if self.config.vector_size:
      return drawn[0] if single else drawn
    pictures = [given.picture(image) for image in drawn]
    return pictures[0] if single else pictures

  def save(self, path: str | os.PathLike, slim: bool = False) -> Path:
    """Writes a .safetensors file that `load` opens: the networks for use, without optimizers.

    Args:
      slim: without the networks that only training needs, such as a translator's discriminators.
    """
    return safetensors_file.write(self._trained, path, slim)

  def export(self, path: str | os.PathLike, **options: Any) -> str:
    """Writes a file for another runtime, by its ending; what was found when it was checked.

    Args:
      path: ends in .safetensors, .stablehlo, .onnx or .tflite; or in /, a folder with a page.
      options: ability, direction, truncation, see exports/writers.py; of .safetensors slim, of .tflite
        also quantize, of a page ort.
    """
    if str(path).endswith('/'):
      return writers.export_page(self._trained, str(path), **options)
    return writers.export(self._trained, path, **options)

  def push(
    self,
    name: str,
    data_licence: str,
    licence: str = '',
    private: bool = False,
    dry_run: bool = False,
    slim: bool = False,
  ) -> str:
    """Publishes the run on the hub with a card; the address of what was made.

    Args:
      name: <owner>/<name>.
      data_licence: of the data that it was trained on, in your words; it stands in the card.
      licence: of the weights, as the hub calls it (mit, cc-by-4.0, ...), if you give one.
      private: of a repository that is made now.
      dry_run: only write what would be published, into hub/ in the workdir.
      slim: as of `save`.
    """
    licences = hub.Licences(data_licence, licence)
    how = {'private': private, 'dry_run': dry_run, 'slim': slim}
    return hub.push(self, self._trained, Workdir(self._path), name, licences, **how)

  def _require(self, ability: str):
    run = self._trained.run
    if run.able(ability):
      return
    run_method = self.config.method
    lacking = run.method.lacks(run.gan).get(ability, f'a run of {run_method} has no {CALLED[ability]}')
    others = f'its abilities are {listing(self.abilities)}' if self.abilities else (
      'it can be trained, and used from the command line only'
    )  # fmt: skip
    raise UserError(f'{lacking} ({ABILITIES[ability]}); {others}.')

  def _values(self, values: Mapping[str, str | int]) -> dict[str, int]:
    """{attribute: number of its value} of keyword arguments."""
    found = {}
    for name, value in values.items():
      if name not in self.attributes:
        known = listing(self.attributes) if self.attributes else 'none'
        raise UserError(f'there is no attribute {name!r}; there are {known}.')
      found[name] = number_of(str(value), name, self.attributes[name])
    return found

  def _once(self, key, make: Callable) -> Callable:
    """What `make` makes: once, whichever thread comes first, for compiling takes seconds."""
    with self._lock:
      if key not in self._compiled:
        self._compiled[key] = make()
      return self._compiled[key]

  def _read(self, images, whole: bool = False) -> given.Given:
    return given.read(images, self.config.image_channels, tuple(self.config.data.range), whole)

  @staticmethod
  def _check_batch(batch_size: int):
    if batch_size < 1:
      raise UserError(f'batch_size={batch_size} must be at least 1.')

  def _through(
    self, function, images, batch_size: int, eight_bit: bool = False, finish: Callable | None = None
  ) -> Any:
    """`images` through a function of batches [N, H, W, C], uint8 or in [-1, 1], to [-1, 1].

    Args:
      finish: (an image as it was given, what the function made of it, config) -> the result.
    """
    self._check_batch(batch_size)
    found = self._read(images)
    own = found.images
    if eight_bit:
      own = [x if x.dtype == np.uint8 else np.rint(given.unit(x) * 255).astype(np.uint8) for x in own]
    made = forward(function, own, self.config, batch_size)
    if finish:
      wholes = as_trained(found.images, self.config)
      made = [finish(whole, x, self.config) for whole, x in zip(wholes, made, strict=True)]
    return found.back(made)
