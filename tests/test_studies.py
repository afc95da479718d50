"""Studies: their plan, their numbers, and that kill -9 changes nothing. No network is trained here."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from decoupled_gan import defaults, recipe_files
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.modes import study as mode
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.studies import plan, report, runner, statistics
from decoupled_gan.studies.outcomes import Folder, Measure, outcomes, units_of
from decoupled_gan.studies.plan import Study, log_uniform, one_of, uniform

ROOT = Path(__file__).parent.parent
MEASURE = Measure('fd_9@own', 'lower')


def small(**fields) -> Study:
  study = Study(config='gan:digits', metric='fd_9@own')
  study.cells = {'a': {}, 'b': {'num_steps': 7}}
  study.search = {'optimizer.learning_rate': log_uniform(1e-5, 1e-2), 'optimizer.b1': uniform(0, 1)}
  study.draws = 4
  for name, value in fields.items():
    setattr(study, name, value)
  return study


def load(recipe):
  config = defaults.get_config()
  config.num_steps = 5
  return config


def of_plan(runs):
  return {(run.group, run.draw, run.seed): run.fields for run in runs}


@pytest.mark.row(3)
def test_a_plan_is_a_function_of_its_file_and_further_cells_and_draws_leave_the_others():
  before = of_plan(plan.planned(small()))
  assert before == of_plan(plan.planned(small()))
  more = small(cells={'new': {}, 'a': {}, 'b': {'num_steps': 7}}, draws=6)
  after = of_plan(plan.planned(more))
  assert {key: after[key] for key in before} == before
  assert len(after) == 3 * 6


def test_draw_0_is_the_recipes_own_and_the_others_are_of_the_law():
  study = small(draws=200)
  rates = [plan.draw_of(study, 'a', i).get('optimizer.learning_rate') for i in range(200)]
  assert rates[0] is None
  assert min(rates[1:]) > 1e-5
  assert max(rates[1:]) < 1e-2
  assert abs(np.mean(np.log10(rates[1:])) + 3.5) < 0.2  # the exponent is uniform, not the rate
  rng = np.random.default_rng([0, 3904355907, 3])  # crc32 of 'a'; sorted: b1 before the rate
  assert plan.draw_of(study, 'a', 3)['optimizer.b1'] == rng.uniform(0, 1)
  assert {plan.one_of(1, 5).draw(np.random.default_rng(i)) for i in range(20)} == {1, 5}


@pytest.mark.row(7)
def test_axes_cross_every_cell_and_share_its_draws():
  gp = {'routes.discriminate.gradient_penalty.discriminator': 10.0}
  study = small(axes={'penalty': {'none': {}, 'gp': gp}, 'seed_of.norm': ('none', 'spectral')})
  runs = plan.planned(study)
  assert len(runs) == 2 * 2 * 2 * 4
  drawn = {}
  for run in runs:
    drawn.setdefault((run.group[0], run.draw), set()).add(tuple(run.drawn.items()))
  assert {len(values) for values in drawn.values()} == {1}
  assert {run.fields['seed_of.norm'] for run in runs} == {'none', 'spectral'}


def test_a_study_comes_back_from_json_as_it_was():
  study = small(search_of={'b': {'every.generate': one_of(1, 5)}}, also=('x_9',))
  again = plan.from_json(json.loads(json.dumps(plan.to_json(study))))
  assert of_plan(plan.planned(again)) == of_plan(plan.planned(study))
  assert again.also == ('x_9',)


@pytest.mark.parametrize(
  ('fields', 'told'),
  [
    ({'metric': ''}, 'names a recipe'),
    ({'search_of': {'c': {}}}, 'search_of names c, and the cells are a, b'),
    ({'cells': {'a/b': {}}}, r'a/b: cells and words of axes name folders'),
    ({'search': {}}, r'draws=4, and there is nothing to draw'),
    ({'seeds': 0}, r'study.seeds=0 must be between 1 and 1000'),
  ],
)
def test_a_study_that_cannot_be_planned_is_told(fields, told):
  with pytest.raises(UserError, match=told):
    plan.check(small(**fields))


@pytest.mark.parametrize(
  ('name', 'value', 'told'),
  [
    ('optimizer.rate', 1.0, r'the study sets optimizer.rate, and the recipe has .*learning_rate'),
    ('optimiser.b1', 1.0, 'the recipe has no optimiser'),
    ('num_steps', 'many', "num_steps='many', where the recipe has 5"),
  ],
)
def test_a_field_that_there_is_not_is_told_before_anything_is_trained(name, value, told):
  study = small(fixed={name: value})
  with pytest.raises(UserError, match=told):
    plan.config_of(plan.planned(study)[0], study, load)


def test_a_run_that_would_refuse_its_config_is_told_before_anything_is_trained(tmp_path):
  penalty = {'routes.discriminate.gradient_penalty.discriminator': 10.0}
  cells = {'a': {}, 'b': penalty | {'model.norm_discriminator': 'batch'}}
  asked = small(cells=cells, draws=1, metric='sliced_wasserstein_9')
  with pytest.raises(UserError, match=r'^b, draw 0: a term on the slope of the discriminator needs'):
    mode.study(str(tmp_path), asked, recipe_files.load)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', recipe_files.study_names())
def test_no_run_of_a_study_that_ships_is_refused(name, tmp_path):
  asked = recipe_files.load_study(recipe_files.find_study(name))
  mode._check(Folder(tmp_path), asked, recipe_files.load)


def test_fields_reach_the_config_rows_are_added_and_none_removes_them():
  fixed = {'routes.discriminate.gradient_penalty.discriminator': 10, 'optimizer.b1': 0, 'every.x': 5}
  study = small(fixed=fixed, draws=1)
  config = plan.config_of(plan.planned(study)[1], study, load)
  assert config.routes.discriminate.gradient_penalty.discriminator == 10
  assert (config.optimizer.b1, config.every.x, config.num_steps, config.seed) == (0.0, 5, 7, 0)
  study = small(fixed={'optimizer_of.a': {'b1': 0.0}}, cells={'a': {'optimizer_of.a': None}}, draws=1)
  assert 'a' not in plan.config_of(plan.planned(study)[0], study, load).optimizer_of


@pytest.mark.row(3)
def test_the_expected_best_of_n_is_exact_and_a_run_that_diverged_counts():
  values = [3, 1, 4, 1.5, 9]
  found = [statistics.expected_best(values, n) for n in (1, 2, 3, 5)]
  assert found == pytest.approx([3.7, 1.85, 1.35, 1])
  assert statistics.expected_best([-x for x in values], 2, 'higher') == pytest.approx(-1.85)
  assert statistics.expected_best([3, 1, math.inf], 1) == math.inf
  assert statistics.expected_best([3, 1, math.inf], 2) == pytest.approx((1 + 1 + 3) / 3)
  with pytest.raises(ValueError, match='best of 6 of 5'):
    statistics.expected_best(values, 6)


@pytest.mark.row(7)
def test_ranks_share_ties_and_those_that_diverged_are_last():
  block = dict(zip('abcd', (1, 2, 2, 5), strict=True))
  assert statistics.mean_ranks([block]) == {'a': 1, 'b': 2.5, 'c': 2.5, 'd': 4}
  assert statistics.mean_ranks([block], 'higher')['d'] == 1
  assert statistics.mean_ranks([{'a': math.inf, 'b': 3.0}, {'a': 1.0, 'b': 3.0}]) == {'a': 1.5, 'b': 1.5}


def test_a_median_counts_those_that_diverged():
  median, low, high = statistics.median_interval([1.0, 2.0, 3.0, math.inf])
  assert median == 2.5
  assert low >= 1
  assert high == math.inf
  assert statistics.median_interval([1.0, math.inf])[0] == math.inf


FAKE_RUN = """
import json, sys, time
import numpy as np
from pathlib import Path
from decoupled_gan.errors import UserError
from decoupled_gan.machine import lock
where = Path(sys.argv[1].removeprefix('--workdir='))
alone = lock.only_writer(where, '--workdir')
try:
  alone.__enter__()
except UserError as error:
  print('error:', error)
  sys.exit(2)
config = json.loads((where / 'config.json').read_text())
rate, seeds = config['optimizer']['learning_rate'], config['seeds']
print('training', flush=True)
time.sleep(float(sys.argv[2]))
if rate > 3e-3:
  print('error: The loss was nan')
  sys.exit(3)
def value(seed):
  return (np.log10(rate) + 4) ** 2 + 0.1 * np.random.default_rng(seed).normal()
row = {'step': config['num_steps']}
for seed in range(config['seed'], config['seed'] + seeds):
  row['evaluate/generated/fd_9@own' + (f'#{seed}' if seeds > 1 else '')] = value(seed)
(where / 'metrics.jsonl').write_text(json.dumps(row) + '\\n')
(where / 'checkpoints' / str(config['num_steps'])).mkdir(parents=True, exist_ok=True)
alone.__exit__(None, None, None)
"""
STUDY = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from test_studies import train
train(Path({folder!r}), {seconds})
"""


def command_of(folder: Path, seconds: float):
  """What stands in for training: a number by a formula."""
  script = folder / 'run.py'
  script.write_text(FAKE_RUN)
  return lambda where: [sys.executable, str(script), f'--workdir={where}', str(seconds)]


def train(folder: Path, seconds: float = 0.0, workers: int = 2, **fields) -> list:
  """As modes/study.py does, with a formula for a training; the entries of the report."""
  study, there = small(confirm_seeds=3, **fields), Folder(folder)
  folder.mkdir(exist_ok=True)
  there.save(study)
  command = command_of(folder, seconds)

  def work(runs):
    for _ in range(2):
      jobs = [job(there, study, unit) for unit in units_of(study, runs, there)]
      missing = [x for x in jobs if not x.finished()]
      runner.work(missing, workers, tell=lambda line: None, command=command)
    return report.entries(there, units_of(study, runs, there), MEASURE)

  runs = plan.planned(study)
  found = work(runs)
  found += work(plan.confirming(study, report.best_draws(found, MEASURE)))
  (folder / 'results.csv').write_text(report.as_csv(study, found, MEASURE))
  (folder / 'report.md').write_text(report.as_table(study, found, MEASURE))
  return found


def job(folder: Folder, study: Study, unit) -> runner.Job:
  config = plan.config_of(unit[0], study, load)
  config.seeds = len(unit)
  where = Workdir(folder.run(unit))
  return runner.Job(
    where.path,
    lambda: where.save_config(config),
    lambda: outcomes(folder, unit, MEASURE)[0].status != 'missing',
    lambda seconds, code: folder.note(unit, seconds, code),
  )


@pytest.mark.row(3)
def test_what_is_reported_is_what_fresh_seeds_give_and_who_diverged_is_told(tmp_path):
  found = train(tmp_path)
  first = [e for e in found if not e.run.confirms]
  assert len(first) == 2 * 4
  diverged = [e for e in first if e.outcome.status == 'diverged']
  assert [e.outcome.value for e in diverged] == [math.inf] * len(diverged)
  rates = {e.run.drawn.get('optimizer.learning_rate', 1e-4) for e in diverged}
  assert rates
  assert min(rates) > 3e-3
  fresh = [e for e in found if e.run.confirms]
  assert len(fresh) == 2 * 3
  assert {e.run.seed for e in fresh} == {1000, 1001, 1002}
  best = min(first, key=lambda e: e.outcome.value).outcome.value
  table = (tmp_path / 'report.md').read_text()
  confirmed = np.mean([e.outcome.value for e in fresh if e.run.group == ('a',)])
  assert report.number(float(confirmed)) in table
  assert confirmed != best
  assert 'diverged' in table
  rows = (tmp_path / 'results.csv').read_text().splitlines()
  assert rows[0].startswith('cell,draw,seed,confirms,optimizer.b1,optimizer.learning_rate,fd_9@own,')
  assert len(rows) == 1 + 8 + 6
  assert sum(',diverged,' in row for row in rows) == len(diverged)


def test_seeds_share_a_program_and_part_where_it_diverges(tmp_path):
  apart = train(tmp_path / 'apart', seeds=2)
  together = train(tmp_path / 'together', seeds=2, together=True)
  values = [
    {(e.run.group, e.run.draw, e.run.seed): e.outcome.value for e in x} for x in (apart, together)
  ]
  assert values[0] == values[1]
  names = {path.name for path in (tmp_path / 'together/runs/a').iterdir()}
  assert '0-0..1' in names
  of_a = [e for e in together if e.run.group == ('a',)]
  diverged = next(e.run.draw for e in of_a if e.outcome.status == 'diverged')
  assert {f'{diverged}-0..1', f'{diverged}-0', f'{diverged}-1'} <= names


def test_a_study_killed_in_the_middle_gives_the_same_bytes_by_the_same_command(tmp_path, monkeypatch):
  monkeypatch.setattr(runner, 'BUSY_SECONDS', 0.1)  # what its runs are still at is waited for
  train(tmp_path / 'whole')
  folder = tmp_path / 'killed'
  script = STUDY.format(root=str(ROOT), tests=str(ROOT / 'tests'), folder=str(folder), seconds=0.2)
  process = subprocess.Popen([sys.executable, '-c', script], start_new_session=True)
  deadline = time.monotonic() + 120
  while not list(folder.glob('runs/*/*/checkpoints/*')) and time.monotonic() < deadline:
    time.sleep(0.02)
  os.killpg(process.pid, signal.SIGKILL)
  process.wait()
  finished = set(folder.glob('runs/*/*/checkpoints/*'))
  assert 0 < len(finished) < 8
  times = {path: path.stat().st_mtime_ns for path in finished}
  train(folder)
  assert {path: path.stat().st_mtime_ns for path in finished} == times, 'trained once'
  assert (folder / 'results.csv').read_bytes() == (tmp_path / 'whole/results.csv').read_bytes()


def test_a_signal_of_the_terminal_reaches_runs_once_by_their_study(tmp_path):
  """A second one would end a run without saving it, see run/watch.py."""
  study, folder = small(), Folder(tmp_path)
  mine, groups = job(folder, study, (plan.planned(study)[0],)), tmp_path / 'group'
  told = f'import os; open({str(groups)!r}, "w").write(str(os.getpgrp()))'
  with pytest.raises(RunError, match='ended with code 0'):  # it trained nothing
    runner.work([mine], tell=lambda line: None, command=lambda where: [sys.executable, '-c', told])
  assert int(groups.read_text()) != os.getpgrp()


def test_a_run_that_fails_does_not_end_the_others_and_one_that_is_refused_ends_all(tmp_path):
  study, folder = small(), Folder(tmp_path)
  jobs = [job(folder, study, (run,)) for run in plan.planned(study)[:2]]
  good, bad = command_of(tmp_path, 0), [sys.executable, '-c', 'print("error: no memory"); exit(1)']
  with pytest.raises(RunError, match=r'1 of 2 runs failed.*ended with code 1: no memory\. Its log'):
    runner.work(jobs, tell=lambda line: None, command=lambda w: bad if w == jobs[0].where else good(w))
  assert jobs[1].finished()
  refused = [sys.executable, '-c', 'print("error: width=0"); exit(2)']
  with pytest.raises(UserError, match='ended with code 2: width=0'):
    runner.work(jobs[:1], tell=lambda line: None, command=lambda where: refused)


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path, monkeypatch):
  monkeypatch.setattr(runner, 'BUSY_SECONDS', 0.01)
  study, folder = small(), Folder(tmp_path)
  mine = job(folder, study, (plan.planned(study)[0],))
  looks, workdir = [], Workdir(mine.where)
  workdir.create()
  with workdir.only_writer():
    stop = lambda: looks.append(0) or len(looks) > 3  # noqa: E731
    assert not runner.work([mine], stop=stop, command=lambda where: 1 / 0)
  assert runner.work([mine], tell=lambda line: None, command=command_of(tmp_path, 0))


def test_a_study_is_found_by_its_name_and_by_its_path(tmp_path):
  assert recipe_files.find_study('losses').name == 'losses.py'
  (tmp_path / 'mine.py').write_text('')
  assert recipe_files.find_study(str(tmp_path / 'mine.py')) == tmp_path / 'mine.py'
  with pytest.raises(UserError, match=r'no study lossy; .* are .*losses, .*regularisation'):
    recipe_files.find_study('lossy')
