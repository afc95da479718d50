"""--mode=study: many runs by a plan, trained where they are missing, then told in a table.

  python main.py --mode=study --study=losses --workdir=studies/losses            # plan, train, report
  python main.py --mode=study --workdir=studies/losses --workers=2               # go on, two at a time
  python main.py --mode=study --workdir=studies/losses --report                  # what there is so far

First the classifier that is the network `own`, then all draws, then the fresh seeds of each group's best
draw. decoupled_gan/studies/plan.py says what a study file has.
"""

import json
from collections.abc import Callable, Sequence

from ml_collections import ConfigDict

from decoupled_gan.errors import UserError, listing
from decoupled_gan.evaluation import metrics
from decoupled_gan.evaluation.metrics.registry import ANSWERS, PAIRS
from decoupled_gan.machine import paths
from decoupled_gan.run import experiment
from decoupled_gan.run.pictures import save_figure
from decoupled_gan.run.watch import Interruption
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.studies import figure, plan, report, runner
from decoupled_gan.studies.outcomes import MISSING, Folder, Measure, outcomes, units_of
from decoupled_gan.studies.plan import Run, Study

Load = Callable[[str], ConfigDict]


def study(
  workdir: str, asked: Study | None, load: Load, workers: int = 1, only_report: bool = False
):
  """Trains what is missing of the study in `workdir`, and reports.

  Args:
    asked: what to train; None: the study that was planned there.
    load: a recipe's name -> its config.
    only_report: trains nothing.
  """
  folder = Folder(paths.local(workdir, '--workdir').absolute())
  planned = _planned(folder, asked)
  measure = measure_of(planned)
  if not only_report:
    _check(folder, planned, load)
    folder.save(planned)
    with Interruption() as interruption:
      done = _train(folder, planned, load, measure, workers, lambda: bool(interruption.requested))
    if not done:
      print('Stopped. Run the same command again to go on.', flush=True)
  _report(folder, planned, measure)


def _check(folder: Folder, planned: Study, load: Load):
  """Raises UserError for a run that would refuse its config: now, and not after a night."""
  kinds = {}
  for run in plan.planned(planned):
    config = plan.config_of(run, planned, load)
    if not folder.run([run]).exists():
      kinds.setdefault(json.dumps(plan.kind(config)), (run, config))
  for run, config in kinds.values():
    try:
      experiment.build(config)
    except UserError as error:
      raise UserError(f'{",".join(run.group)}, draw {run.draw}: {error}') from error


def _planned(folder: Folder, new: Study | None) -> Study:
  """The new study, or the one in the folder. UserError where they contradict each other."""
  old = folder.load()
  if new is None:
    if old is None:
      raise UserError(f'--workdir={folder.path} holds no study: name its file, --study=<file>.')
    return old
  plan.check(new)
  if old:
    changed = plan.changed(plan.planned(old), plan.planned(new))
    there = [','.join(run.group) for run in changed if folder.run([run]).parent.exists()]
    if there := list(dict.fromkeys(there)):
      raise UserError(
        f'--workdir={folder.path} has runs that this study plans with other fields ({listing(there)}): '
        'name another --workdir.'
      )
  return new


def measure_of(planned: Study) -> Measure:
  """The study's metrics, as the runs' logs name them; UserError for one that has no number of images."""
  requests = [metrics.parse(text) for text in (planned.metric, *planned.also)]
  for request in requests:
    if request.metric.needs in (ANSWERS, PAIRS) or request.count is None:
      raise UserError(
        f'study.metric={request.metric.name}: a study compares metrics of sets of images, with their '
        'number, as in kid_1k or fd_359@own.'
      )
    if request.network == 'own' and not planned.own:
      raise UserError(
        f'{request.metric.name}@own wants a classifier: study.own names its recipe, as in '
        'classifier:labelled_digits.'
      )
  first, *also = [request.title(request.count) for request in requests]
  return Measure(first, requests[0].metric.better, tuple(also))


def _train(folder: Folder, planned: Study, load: Load, measure: Measure, workers: int, stop) -> bool:
  """The classifier, all draws, the fresh seeds; False if `stop` ended it before."""
  if planned.own and not runner.work([_own(folder, planned, load)], 1, stop):
    return False

  def work(runs: Sequence[Run]) -> bool:
    while True:  # once more where seeds that share a program have to be trained apart
      units = units_of(planned, runs, folder)
      missing = [unit for unit in units if _missing(folder, unit, measure)]
      jobs = [_job(folder, planned, unit, load, measure) for unit in missing]
      if not runner.work(jobs, workers, stop):
        return False
      if units == units_of(planned, runs, folder):
        return True

  first = plan.planned(planned)
  if not work(first):
    return False
  if planned.draws == 1 or not planned.confirm_seeds:
    return True
  return work(plan.confirming(planned, _best(folder, planned, first, measure)))


def _best(folder: Folder, planned: Study, runs: Sequence[Run], measure: Measure):
  return report.best_draws(report.entries(folder, units_of(planned, runs, folder), measure), measure)


def _missing(folder: Folder, unit: Sequence[Run], measure: Measure) -> bool:
  return any(found.status == MISSING for found in outcomes(folder, unit, measure))


def _own(folder: Folder, planned: Study, load: Load) -> runner.Job:
  config = load(planned.own).copy_and_resolve_references()
  where = Workdir(folder.own)
  return runner.Job(
    folder.own,
    lambda: where.save_config(config),
    lambda: (where.checkpoints / str(config.num_steps)).exists(),
    lambda seconds, code: None,
  )


def _job(folder: Folder, planned: Study, unit: Sequence[Run], load: Load, measure: Measure):
  where = folder.run(unit)
  config = prepared(plan.config_of(unit[0], planned, load), folder, planned, measure)
  config.seeds = len(unit)
  return runner.Job(
    where,
    lambda: Workdir(where).save_config(config),
    lambda: not _missing(folder, unit, measure),
    lambda seconds, code: folder.note(unit, seconds, code),
  )


def prepared(config: ConfigDict, folder: Folder, planned: Study, measure: Measure) -> ConfigDict:
  """The config of a run with what the study measures, where it lies, and no pictures on the way."""
  requests = [metrics.parse(text) for text in (planned.metric, *planned.also)]
  config.evaluation.metrics = (planned.metric, *planned.also)
  config.evaluation.images = max(request.count for request in requests)
  config.evaluate_every_steps = config.evaluate_every_steps or config.num_steps
  config.sample_every_steps = config.num_steps
  config.checkpoint_every_steps = min(config.checkpoint_every_steps, config.num_steps)
  config.compilation_cache = str(folder.path / '.jax_cache')  # one for all: seeds share their programs
  config.evaluation.own = str(folder.own) if planned.own else ''
  return config


def _report(folder: Folder, planned: Study, measure: Measure):
  runs = plan.planned(planned)
  if planned.draws > 1:
    runs = [*runs, *plan.confirming(planned, _best(folder, planned, runs, measure))]
  found = report.entries(folder, units_of(planned, runs, folder), measure)
  paths.write(folder.path / 'results.csv', report.as_csv(planned, found, measure))
  table = report.as_table(planned, found, measure)
  paths.write(folder.path / 'report.md', table)
  written = ['results.csv', 'report.md']
  if any(entry.finished for entry in found):
    written.append('results.png')
    save_figure(figure.draw(planned, found, measure), folder.path / written[-1])
  print(table, flush=True)
  print(f'{folder.path}: {listing(written)}', flush=True)
