"""--mode=study: what ships can be planned, and what is wrong is told before anything is trained."""

from pathlib import Path

import pytest

from decoupled_gan import recipe_files
from decoupled_gan.errors import UserError
from decoupled_gan.modes import study as mode
from decoupled_gan.studies import figure, plan, report
from decoupled_gan.studies.outcomes import Folder, Measure, Outcome
from decoupled_gan.studies.plan import Study, uniform

ROOT = Path(__file__).parent.parent
STUDIES = sorted(path.stem for path in (ROOT / 'configs/studies').glob('[!_]*.py'))


@pytest.mark.row(3, 7)
@pytest.mark.parametrize('name', STUDIES)
def test_what_ships_is_planned_and_every_run_has_a_config(name, tmp_path):
  study = recipe_files.load_study(name)
  plan.check(study)
  measure, folder = mode.measure_of(study), Folder(tmp_path)
  assert measure.better == 'lower'
  found = {}
  for run in plan.planned(study):
    config = plan.config_of(run, study, recipe_files.load)
    config = mode.prepared(config, folder, study, measure)
    assert config.evaluation.metrics[0] == study.metric
    assert config.evaluate_every_steps == config.num_steps
    assert config.evaluation.own == (str(tmp_path / 'own') if study.own else '')
    found[folder.run([run])] = config
  assert len(found) == len(plan.planned(study))
  steps = {config.num_steps for config in found.values()}
  sizes = {config.batch_size for config in found.values()}
  assert (len(steps), len(sizes)) == (1, 1), 'one budget'


@pytest.mark.row(3)
def test_six_losses_have_one_budget_their_published_constants_and_their_own_ranges():
  study = recipe_files.load_study('losses')
  runs = plan.planned(study)
  configs = {run.group[0]: plan.config_of(run, study, recipe_files.load) for run in runs if not run.draw}
  assert len(configs) == 6
  assert {sum(run.group[0] == cell for run in runs) for cell in configs} == {8}
  rates = {cell: config.optimizer.learning_rate for cell, config in configs.items()}
  assert rates['least_squares'] == 2e-4
  assert rates['wgan'] == rates['non_saturating'] == 5e-5
  assert configs['wgan'].optimizer_of.discriminator.clip_weights == 0.01
  assert configs['wgan_gp'].routes.discriminate.gradient_penalty.discriminator == 10
  assert 'gradient_penalty' not in configs['wgan'].routes.discriminate
  weights = [run.drawn['routes.discriminate.dragan.discriminator']
             for run in runs if run.group[0] == 'dragan' and run.draw]  # fmt: skip
  assert all(0.1 < weight < 100 for weight in weights)
  small = {(r.group, r.draw): r.fields for r in plan.planned(recipe_files.load_study('losses_small'))}
  assert small.items() <= {(r.group, r.draw): r.fields for r in runs}.items(), 'the first draws of it'


def load(recipe):
  return recipe_files.load(recipe)


def tiny(**fields) -> Study:
  study = Study(config='gan:digits', metric='modes_9')
  for name, value in fields.items():
    setattr(study, name, value)
  return study


@pytest.mark.parametrize(
  ('fields', 'told'),
  [
    ({'metric': 'kid'}, 'study.metric=kid: a study compares metrics of sets of images, with'),
    ({'metric': 'psnr'}, 'study.metric=psnr'),
    ({'metric': 'fd_9@own'}, 'fd@own wants a classifier: study.own names its recipe'),
    ({'metric': 'fidd_9'}, 'there is no metric'),
  ],
)
def test_a_metric_that_cannot_decide_is_told(fields, told):
  with pytest.raises(UserError, match=told):
    mode.measure_of(tiny(**fields))


def test_a_folder_goes_on_with_a_study_that_grew_and_refuses_one_that_changed(tmp_path):
  folder = Folder(tmp_path)
  with pytest.raises(UserError, match=r'holds no study: name its file'):
    mode.study(str(tmp_path), None, load)
  old = tiny(draws=2, search={'optimizer.b1': uniform(0, 1)})
  folder.save(old)
  (folder.run([plan.planned(old)[0]])).mkdir(parents=True)
  grown = tiny(draws=3, search=old.search, cells={'recipe': {}, 'other': {'num_steps': 9}})
  assert mode._planned(folder, grown) is grown
  with pytest.raises(UserError, match=r'runs that this study plans with other fields \(recipe\)'):
    mode._planned(folder, tiny(draws=2, search=old.search, fixed={'num_steps': 9}))
  with pytest.raises(UserError, match='the recipe has no loses'):
    mode.study(str(tmp_path / 'new'), tiny(fixed={'loses.x.y': 1}), load)
  assert not (tmp_path / 'new').exists(), 'told before anything is written'


def test_a_report_names_the_files_that_there_are(tmp_path, capsys):
  Folder(tmp_path).save(tiny())
  mode.study(str(tmp_path), None, load, only_report=True)
  assert capsys.readouterr().out.endswith(f'{tmp_path}: results.csv, report.md\n')
  assert sorted(x.name for x in tmp_path.iterdir()) == ['report.md', 'results.csv', 'study.json']


def test_a_file_without_a_study_is_told(tmp_path):
  (tmp_path / 'mine.py').write_text('')
  with pytest.raises(UserError, match=r'mine\.py is no study: it defines no get_study'):
    recipe_files.load_study(str(tmp_path / 'mine.py'))


def test_a_report_has_a_table_and_a_figure_of_what_there_is():
  study = tiny(draws=3, search={'optimizer.b1': uniform(0, 1)}, confirm_seeds=1, seeds=2)
  measure = Measure('x_9', 'lower')
  values = iter((3.0, 4.0, 1.0, 2.0, float('inf'), 5.0))
  found = []
  for run in plan.planned(study):
    value = next(values)
    status = 'done' if value < 9 else 'diverged'
    found.append(report.Entry(run, Outcome(status, value, 9, 'c'), 2.0))
  assert report.best_draws(found, measure) == {('recipe',): 1}
  table = report.as_table(study, found, measure)
  assert '| recipe | 6 | 1 | 1 | 3.5 (' in table
  assert 'not yet' in table, 'no fresh seed was trained'
  rows = report.as_csv(study, found, measure).splitlines()
  assert rows[5].split(',')[5:7] == ['', 'diverged']
  assert len(figure.draw(study, found, measure).axes) == 3
