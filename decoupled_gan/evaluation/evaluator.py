"""Evaluation while a run trains: numbers of a fixed sample, and their picture over the steps."""

import dataclasses
import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from decoupled_gan.core import state
from decoupled_gan.core.state import TrainState
from decoupled_gan.errors import UserError, listing
from decoupled_gan.evaluation import metrics, requests, scoring
from decoupled_gan.evaluation.metrics import protocols
from decoupled_gan.evaluation.metrics.registry import PATHS, RETRAINED
from decoupled_gan.evaluation.tasks import tasks_of
from decoupled_gan.machine import distributed
from decoupled_gan.run import members
from decoupled_gan.run.metrics_file import SCORES
from decoupled_gan.run.pictures import save_figure
from decoupled_gan.run.workdir import Workdir


class Evaluator:
  """Scores a state every config.evaluate_every_steps by config.evaluation.

  Raises UserError at once if a metric is unknown, or best_metric is not among those measured.
  """

  def __init__(self, run, dataset, workdir: Workdir):
    self._run, self._config, self._workdir, self._mesh = run, run.config, workdir, run.mesh
    chosen = run.config.evaluation
    self._images = chosen['images']
    self._protocol = protocols.get(chosen['protocol'])
    self._tasks = [
      (
        task,
        asked,
        requests.real_images(task, self._protocol, run.config),
        requests.true_images(task, run.config),
        requests.trained_images(asked, task, self._protocol, run.config),
      )
      for task in requests.suited('', run.config, tasks_of(run.exact(), dataset))
      for asked in [requests.requested('', run.config, self._protocol, task)]
    ]
    for _, asked, *_ in self._tasks:
      for request in asked:
        if request.metric.needs in (PATHS, RETRAINED):
          raise UserError(
            f'evaluation.metrics: {request.metric.name} is measured of a trained run only, by '
            '--mode=evaluate.'
          )
    self._best = self._best_of(chosen['best_metric'])

  def evaluate(self, step: int, current: TrainState) -> tuple[dict[str, float], dict]:
    """({'evaluate/<task>/<metric>': value}, the score that checkpoints are kept by).

    The score is the mean of the best metric over all tasks. All processes generate, the first one
    scores, and all get its numbers. Of a run of several seeds, numbers and score are means, and each
    seed's own stand beside them as '<name>#<seed>'.
    """
    found = [
      self._evaluate(state.inference_variables(own)) for own in members.each(self._run, current)
    ]
    scalars, score = found[0]
    if len(found) == 1:
      return scalars, score
    means = {name: float(np.mean([values[name] for values, _ in found])) for name in scalars}
    for seed, (values, _) in zip(members.seeds(self._config), found, strict=True):
      means |= {f'{name}#{seed}': x for name, x in values.items()}
    return means, score | {'value': float(np.mean([score['value'] for _, score in found]))}

  def _evaluate(self, variables) -> tuple[dict[str, float], dict]:
    def generate(number, indices):
      return self._tasks[number][0].generate(variables, np.asarray(indices))

    return distributed.lead(self._mesh, self._scores, generate)

  def _scores(self, generate) -> tuple[dict[str, float], dict]:
    """As `evaluate`; `generate(number of the task, list of indices)` makes the images."""
    scalars, best = {}, []
    for number, (task, asked, real, truth, train) in enumerate(self._tasks):
      by_all = dataclasses.replace(
        task, generate=lambda _, indices, number=number: generate(number, indices.tolist())
      )
      fake = requests.generated_images(by_all, None, self._config, self._images)
      wanted = [requests.limited(request, fake.count) for request in asked]
      about = self._protocol, self._config.seed, truth, task.law, train
      scores = scoring.score(wanted, real, fake, *about)
      # unscaled: a curve does not say by which protocol's habit it would be multiplied
      scalars |= {f'{SCORES}{task.name}/{s.title}': s.estimate.value / s.scale for s in scores}
      best += [
        s.estimate.value / s.scale
        for s, request in zip(scores, wanted, strict=True)
        if (request.metric, request.network) == (self._best.metric, self._best.network)
      ]
    name = self._best.title(self._images)
    score = {'metric': name, 'value': float(np.mean(best)), 'better': self._best.metric.better}
    return scalars, score

  def draw(self, best_step: int | None):
    """The metrics so far, over steps, as evaluations.png in the workdir."""
    rows = self._workdir.metrics_file.read_text(encoding='utf-8').splitlines()
    picture(map(json.loads, rows), best_step, self._workdir.path / 'evaluations.png')

  def _best_of(self, name: str) -> metrics.Request:
    shared = [
      request
      for request in self._tasks[0][1]
      if all(request in requests for _, requests, *_ in self._tasks)
    ]
    if not name and shared:
      return shared[0]
    wanted = metrics.parse(name) if name else None
    for request in shared:
      if (request.metric, request.network) == (wanted.metric, wanted.network):
        return request
    measured = {
      f'{r.metric.name}@{r.network}' if r.network != r.metric.network else r.metric.name
      for _, requests, *_ in self._tasks
      for r in requests
    }
    raise UserError(
      f'evaluation.best_metric={name!r} is not measured for every task; there are '
      f'{listing(sorted(measured))} (evaluation.metrics).'
    )


def picture(rows, best_step: int | None, path: Path):
  """One plot for each metric, a line for each task, the best step marked; nothing if there is none."""
  found: dict[str, dict[str, list]] = {}
  for row in rows:
    for name, value in row.items():
      if name.startswith(SCORES) and '#' not in name:  # of the seeds the means
        task, metric = name.removeprefix(SCORES).split('/')
        found.setdefault(metric, {}).setdefault(task, []).append((row['step'], value))
  if not found:
    return
  figure = Figure((6, 3 * len(found)), dpi=110, layout='constrained')
  plots = figure.subplots(len(found), squeeze=False)[:, 0]
  for plot, (metric, tasks) in zip(plots, found.items(), strict=True):
    for task, points in tasks.items():
      plot.plot(*zip(*points, strict=True), marker='o', markersize=3, label=task)
    if best_step is not None:
      plot.axvline(best_step, color='grey', linestyle=':', label=f'best checkpoint, {best_step}')
    plot.set(title=_titled(metric), xlabel='step')
    plot.legend(fontsize='small')
  save_figure(figure, path)


def _titled(name: str) -> str:
  request = metrics.parse(name)
  return f'{name} ({request.metric.better} is better)'
