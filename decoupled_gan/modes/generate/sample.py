"""--mode=generate --sampler=...: examples from seeds, with the discriminator's word in it.

What each sampler does stands in its module of sampling/. A seed is a sample's whole randomness: its
proposals, its walk, its chain. So the same seed gives the same example, whatever others are asked for.
"""

import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from rich.progress import track

from decoupled_gan import data
from decoupled_gan.core.images import to_uint8
from decoupled_gan.data import results
from decoupled_gan.errors import UserError, listing
from decoupled_gan.evaluation.metrics import points
from decoupled_gan.machine import paths
from decoupled_gan.modes.generate import draw, fit
from decoupled_gan.run import inference
from decoupled_gan.run.pictures import for_the_eye, grid
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.sampling import (
  collaborative,
  frozen,
  langevin,
  metropolis,
  rejection,
  set_operations,
  truncation,
)

FLAGS_OF = (
  'truncation', 'calibration', 'percentile', 'rate', 'corrected', 'layer', 'steps', 'shape_steps',
  'classes', 'without', 'gammas', 'temperatures',
)  # fmt: skip
"""Flags of samplers; the first one is read without a sampler too."""
SAMPLERS = {
  'truncation': ('truncation',),
  'rejection': ('calibration', 'percentile', 'shape_steps'),
  'mh': ('calibration', 'steps', 'shape_steps'),
  'langevin': ('calibration', 'steps', 'rate', 'corrected', 'shape_steps'),
  'collaborative': ('calibration', 'steps', 'rate', 'layer', 'shape_steps'),
  's2m': ('calibration', 'steps', 'shape_steps', 'classes', 'without', 'gammas', 'temperatures'),
}
"""Sampler -> the flags that it reads."""
WITHOUT_JUDGE = ('truncation', 's2m')  # that ask no discriminator
AT_ONCE = {True: 256, False: 16}  # points, images


@dataclass(frozen=True)
class Asked:
  """The flags of a sampler; 0 and '' are its own."""

  sampler: str
  truncation: float = 1.0
  calibration: str = ''
  percentile: float = rejection.PERCENTILE
  rate: float = 0.0
  corrected: bool = False
  layer: str = ''
  steps: int = 0
  shape_steps: int = 0
  classes: str = ''
  without: str = ''
  gammas: str = ''
  temperatures: str = ''

  def given(self, **names: str) -> dict:
    """{keyword: value} of flags that are not left to the sampler."""
    return {keyword: getattr(self, flag) for keyword, flag in names.items() if getattr(self, flag)}


def flags_of(sampler: str) -> tuple[str, ...]:
  """The flags that a sampler reads; raises UserError if there is no such sampler."""
  if sampler not in SAMPLERS:
    raise UserError(f'--sampler={sampler} is unknown; there are {listing(SAMPLERS)}.')
  return SAMPLERS[sampler]


def sample(
  workdir: Workdir,
  output: str,
  seeds: str,
  asked: Asked,
  step: int | str | None = None,
  config: ConfigDict | None = None,
):
  """Writes seed0000.png, ...; of points, <sampler>.npy; and a picture of all of them in the workdir.

  Args:
    output: the folder; <workdir>/generated if ''.
    seeds: such as '0-15' or '0,5,9'.
    config: as of evaluate_run.
  """
  flags_of(asked.sampler)
  run = inference.open_changed(workdir, config)
  run.require('draw')
  if asked.sampler not in WITHOUT_JUDGE:
    run.require('judge')
  if asked.layer:
    run.require('cut')
  config, chosen = run.config, list(dict.fromkeys(draw.parse_seeds('seeds', seeds)))
  target = paths.get(output) if output else workdir.path / 'generated'
  results.check_not_data(target, config, f'--output={output or target}')
  trained = inference.restore(run, workdir, step)
  labels = draw.labels_of(run, chosen)
  sampler = Sampler.of(trained, asked)
  numbers = np.array(chosen, np.uint32)
  made, told = sampler.draw(numbers, labels)
  plain = sampler.plain(numbers, labels) if config.vector_size else None
  results.make_folder(target, str(target))
  if config.vector_size:
    where = target / f'{asked.sampler}.npy'
    _write_points(where, made)
    beside = _cloud(workdir, sampler.dataset.test.x, plain, made)
  else:
    where = target
    results.write_all(to_uint8(made), [target / f'seed{seed:04d}.png' for seed in chosen])
    beside = for_the_eye(draw.tiled(to_uint8(made)), workdir.path / 'sampled.png')
  print(f'{len(chosen)} sample(s) by {asked.sampler} at step {trained.step}: {where}; {beside}')
  for line in sampler.report(made, plain, told):
    print(line)


@dataclass(frozen=True)
class Sampler:
  """A sampler of a trained run, ready to draw.

  Attributes:
    function: (gan, seeds [B], labels or None, knowledge) -> (examples, {what is told: [B]}).
    knowledge: a pytree of what was measured first: calibration, bar, scores of real examples.
  """

  trained: inference.Trained
  dataset: object
  function: Callable
  knowledge: object

  @classmethod
  def of(cls, trained: inference.Trained, asked: Asked) -> 'Sampler':
    """The sampler that is asked for, with what it has to know measured."""
    config = trained.run.config
    needs_data = asked.sampler != 'truncation'
    dataset = data.load(config, trained.run.method.batch) if needs_data or config.vector_size else None
    if asked.shape_steps and asked.sampler != 's2m':
      trained = fit.shape(trained, dataset, asked)
    function, knowledge = MAKERS[asked.sampler](trained, dataset, asked)
    return cls(trained, dataset, function, knowledge)

  def draw(self, seeds: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, dict]:
    """Examples [N, ...] and {what is told: [N]}; rows that fill a batch are left out."""
    size = min(len(seeds), AT_ONCE[bool(self.trained.run.config.vector_size)])
    forward = self.trained.compiled(self.function)
    starts = track(range(0, len(seeds), size), 'sample')

    def batch(inputs):
      next(bar, None)
      return forward(*inputs, self.knowledge)

    bar = iter(starts)
    found = inference.batched(batch, (seeds, labels), size)
    for _ in bar:  # the bar to its end
      pass
    return found

  def plain(self, seeds: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """As many examples, as the generator draws them."""
    run = self.trained.run

    def paint(gan, seeds, labels):
      return frozen.of(run.method, gan).of_seeds(seeds, labels)

    forward = self.trained.compiled(paint)
    return inference.batched(lambda x: forward(*x), (seeds, labels), min(len(seeds), 256))

  def report(self, made: np.ndarray, plain: np.ndarray | None, told: dict) -> list[str]:
    """Lines on what was accepted and, where the law is known, on what is good."""
    lines = []
    if 'kept' in told and not told['kept'].all():
      left = int((~told['kept']).sum())
      lines.append(f'{left} of {len(made)}: nothing was accepted, and the best proposal is taken.')
    means = {name: x.mean() for name, x in told.items() if name != 'kept'}
    if means:
      lines.append('mean ' + ', '.join(f'{name} {mean:.4g}' for name, mean in means.items()))
    law = getattr(self.dataset, 'law', None)
    if law is not None and plain is not None:
      for name, x in (('generator', plain), ('sampler', made)):
        shares = [points.modes, points.high_quality_share, points.mode_kl]
        found = ', '.join(f'{metric.__name__} {metric(law, x).value:.4g}' for metric in shares)
        lines.append(f'{name}: {found}')
    return lines


def _truncation(trained, dataset, asked: Asked):
  def function(gan, seeds, labels, knowledge):
    own, keys = frozen.of(trained.run.method, gan), frozen.keys_of(seeds)
    return truncation.sample(own, keys, labels, asked.truncation)

  return function, {}


def _rejection(trained, dataset, asked: Asked):
  calibrated, _, fake = fit.measured(trained, dataset, asked.calibration or 'logistic')
  knowledge = calibrated, rejection.bar(calibrated(jnp.asarray(fake)), asked.percentile)

  def function(gan, seeds, labels, knowledge):
    own, keys = frozen.of(trained.run.method, gan), frozen.keys_of(seeds)
    return rejection.sample(own, keys, labels, *knowledge)

  return function, knowledge


def _mh(trained, dataset, asked: Asked):
  calibrated, real, _ = fit.measured(trained, dataset, asked.calibration or 'logistic')

  def function(gan, seeds, labels, knowledge):
    own, keys = frozen.of(trained.run.method, gan), frozen.keys_of(seeds)
    return metropolis.sample(own, keys, labels, *knowledge, **asked.given(steps='steps'))

  return function, (calibrated, calibrated(jnp.asarray(real)))


def _langevin(trained, dataset, asked: Asked):
  calibrated, _, _ = fit.measured(trained, dataset, asked.calibration or 'logistic')

  def function(gan, seeds, labels, knowledge):
    own, keys = frozen.of(trained.run.method, gan), frozen.keys_of(seeds)
    given = asked.given(steps='steps', eps='rate', corrected='corrected')
    return langevin.sample(own, keys, labels, knowledge, **given)

  return function, calibrated


def _collaborative(trained, dataset, asked: Asked):
  calibrated, real, _ = fit.measured(trained, dataset, asked.calibration or 'none')

  def function(gan, seeds, labels, knowledge):
    own, keys = frozen.of(trained.run.method, gan), frozen.keys_of(seeds)
    given = asked.given(steps='steps', rate='rate', layer='layer')
    return collaborative.sample(own, keys, labels, *knowledge, **given)

  return function, (calibrated, jax.nn.sigmoid(jnp.asarray(real)).mean())


def _s2m(trained, dataset, asked: Asked):
  config = trained.run.config
  wanted = set_operations.wanted_of(
    config, asked.classes, asked.without, asked.gammas, asked.temperatures
  )
  judges, params = fit.taught(trained, dataset, asked.shape_steps or fit.TEACH_STEPS, wanted)
  calibrated = fit.calibrated(trained, dataset, judges, params, asked.calibration or 'logistic')

  def function(gan, seeds, labels, knowledge):
    own, keys = frozen.of(trained.run.method, gan), frozen.keys_of(seeds)
    given = asked.given(steps='steps')
    return set_operations.sample(own, keys, wanted, judges, *knowledge, **given)

  return function, (params, calibrated)


MAKERS = {
  'truncation': _truncation, 'rejection': _rejection, 'mh': _mh, 'langevin': _langevin,
  'collaborative': _collaborative, 's2m': _s2m,
}  # fmt: skip


def _write_points(file, made: np.ndarray):
  buffer = io.BytesIO()
  np.save(buffer, made)
  paths.write(file, buffer.getvalue())


def _cloud(workdir: Workdir, real: np.ndarray, plain: np.ndarray, made: np.ndarray) -> str:
  """Real points, the generator's and the sampler's, as heat."""
  columns = OrderedDict(real=real[: len(made)], generator=plain, sampler=made)
  return for_the_eye(grid(columns), workdir.path / 'sampled.png')
