"""The catalogue tells the truth: everything is read from the source, nothing is run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from decoupled_gan import catalogue, recipe_files
from decoupled_gan.catalogue import ROWS, Row
from decoupled_gan.cli import MODES
from decoupled_gan.evaluation import metrics
from decoupled_gan.modes.generate.sample import SAMPLERS

ROOT = Path(__file__).parent.parent
THERE = [row for row in ROWS if row.home]
STARTING_POINTS = {
  'atlas', 'emoji', 'quickstart', 'selfie2anime', 'utkface', 'facades', 'few_digits', 'glead',
}  # fmt: skip
"""Recipes of a data set or of a size, whose row has another one."""
ROOMS_OF_ROWS = ('terms', 'methods', 'studies', 'sampling')
OURS = {
  'methods/translate/edgan_aligned.py',
  'sampling/calibration.py',
  'sampling/degradations.py',
  'sampling/distances.py',
  'sampling/frozen.py',
  'sampling/search.py',
  'studies/figure.py',
  'studies/outcomes.py',
  'studies/report.py',
  'studies/runner.py',
  'terms/scenes/clustered.py',
  'terms/scenes/instances.py',
}
"""Modules of those rooms that are a part of a row at home elsewhere."""


def test_all_listed_papers_are_there_once_and_no_two_rows_are_called_alike():
  numbers = [row.row for row in ROWS if isinstance(row.row, int)]
  assert numbers == list(range(1, 120))
  assert len({row.row for row in ROWS}) == len(ROWS)


def test_the_page_is_what_the_source_says():
  written = (ROOT / 'docs/catalogue.md').read_text()
  assert written == catalogue.page(), 'run: python -m decoupled_gan.catalogue'


@pytest.mark.parametrize('row', THERE, ids=lambda row: str(row.row))
def test_a_home_defines_what_it_is_named_for_and_the_recipe_exists_with_its_words(row):
  _, _, name = row.home.partition(':')
  assert name in catalogue.defines(row.file), row.home
  if row.recipe:
    module, _, words = row.recipe.partition(':')
    assert module in recipe_files.names()
    assert set(filter(None, words.split(','))) <= catalogue.variants(module)
  if row.study:
    assert recipe_files.find_study(row.study)


@pytest.mark.parametrize('row', THERE, ids=lambda row: str(row.row))
def test_a_row_with_a_home_has_a_test_that_bears_its_mark(row):
  assert catalogue.tests_of(row.row), f'no test bears @pytest.mark.row({row.row!r})'


def test_a_mark_names_a_row_with_a_home():
  assert set(catalogue.marks()) <= {row.row for row in THERE}


def test_every_module_of_techniques_is_some_rows_home():
  homes = {row.home.partition(':')[0] for row in THERE} | OURS
  modules = {
    str(path.relative_to(catalogue.PACKAGE))
    for room in ROOMS_OF_ROWS
    for path in (catalogue.PACKAGE / room).rglob('*.py')
    if path.name != '__init__.py'
  }
  assert modules <= homes


def test_every_recipe_is_some_rows():
  assert set(recipe_files.names()) <= {row.module for row in THERE} | STARTING_POINTS


@pytest.mark.parametrize('row', THERE, ids=lambda row: str(row.row))
def test_what_was_measured_has_numbers_and_comes_from_a_command(row):
  if row.measured:
    assert any(character.isdigit() for character in row.measured)
    commands = ('benchmarks/', 'main.py', 'pytest', 'studies/', 'decoupled-gan ')
    assert any(word in row.measured for word in commands)


def test_the_status_is_computed():
  planned = Row(7, 'x', 'y')
  assert planned.status == 'planned'
  assert Row('no such row', 'x', 'y', '', 'errors.py:UserError').status == 'routed'
  assert {row.status for row in THERE} <= {'tested', 'shown'}


def test_a_variant_that_is_a_row_has_what_was_measured_of_it(tmp_path, monkeypatch):
  (tmp_path / 'paper.py').write_text(
    '"""A paper.\n\nMeasured: 1 of the paper\n\nMeasured word: 2 of\nthe word\n\nExpected: 3\n"""\n'
  )
  monkeypatch.setattr(recipe_files, 'shipped', lambda: tmp_path)
  found = {words: Row('x', 'y', 'z', '', 'errors.py:UserError', f'paper:{words}').measured
           for words in ('', 'digits', 'word', 'digits,word')}  # fmt: skip
  assert found == {
    '': '1 of the paper', 'digits': '1 of the paper', 'word': '2 of the word',
    'digits,word': '2 of the word',
  }  # fmt: skip


def test_what_was_measured_is_told_of_one_row_and_of_others_by_their_words(tmp_path, monkeypatch):
  (tmp_path / 'paper.py').write_text('"""A paper.\n\nMeasured: 1\n\nMeasured other: 2\n"""\n')
  monkeypatch.setattr(recipe_files, 'shipped', lambda: tmp_path)
  recipes = ('paper:digits,word', 'paper:digits', 'paper:digits,other')
  rows = [Row(recipe, 'x', 'y', '', 'errors.py:UserError', recipe) for recipe in recipes]
  monkeypatch.setattr(catalogue, 'ROWS', rows)
  assert [row.measured for row in rows] == ['', '1', '2']


def test_every_row_has_something_to_type():
  assert [row.row for row in THERE if not row.typed] == []


@pytest.mark.parametrize('row', [row for row in THERE if row.command], ids=lambda row: str(row.row))
def test_a_command_names_a_mode_flags_metrics_and_samplers_that_there_are(row):
  mode, *given = row.command.split()
  flags = dict(flag.removeprefix('--').split('=', 1) for flag in given)
  assert set(flags) <= set(MODES[mode].flags)
  assert flags.get('sampler', 'mh') in SAMPLERS
  for name in filter(None, flags.get('metrics', '').split(',')):
    assert metrics.parse(name)


def test_json_prints_the_rows():
  command = [sys.executable, '-m', 'decoupled_gan.catalogue', '--json']
  done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
  rows = {row['row']: row for row in json.loads(done.stdout)}
  assert len(rows) == len(ROWS)
  assert rows[98]['name'] == 'WGAN-GP'
  assert rows[98]['recipe'].startswith('wgan_gp')
  assert rows[98]['type'] == f'--config={rows[98]["recipe"]}'
  assert rows[12]['type'].startswith('recover ')
  assert set(rows[98]) == {'row', 'name', 'status', 'home', 'recipe', 'type', 'tests'}
