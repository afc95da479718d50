"""The wheel outside any checkout: it has the recipes, and trains by their names."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """A folder with the wheel's content, as pip would unpack it."""
  folder = tmp_path_factory.mktemp('wheel')
  source = folder / 'source'
  source.mkdir()
  for name in ('setup.py', 'pyproject.toml', 'README.md', 'decoupled_gan', 'configs'):
    (source / name).symlink_to(ROOT / name)
  command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation']
  subprocess.run([*command, '--wheel-dir', folder, str(source)], check=True, capture_output=True)
  (wheel,) = folder.glob('*.whl')
  with zipfile.ZipFile(wheel) as archive:
    archive.extractall(folder / 'site')
  return folder / 'site'


def python(installed, cwd, *arguments):
  code = f'import sys; sys.path[:0] = [{str(installed)!r}]; from decoupled_gan.cli import run; run()'
  environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
  return subprocess.run(
    [sys.executable, '-c', code, *arguments], capture_output=True, text=True, cwd=cwd, env=environment,
    check=False,
  )  # fmt: skip


def test_the_wheel_has_every_recipe_and_no_tests(installed):
  ours = {path.name for path in (ROOT / 'configs').glob('*.py')}
  assert {path.name for path in (installed / 'decoupled_gan/configs').glob('*.py')} == ours
  studies = {path.name for path in (ROOT / 'configs/studies').glob('*.py')}
  assert {path.name for path in (installed / 'decoupled_gan/configs/studies').glob('*.py')} == studies
  assert not (installed / 'tests').exists()
  assert not (installed / 'configs').exists()


def test_a_recipe_is_trained_by_its_name_from_an_empty_folder(installed, tmp_path):
  done = python(installed, tmp_path, 'train', '--config=gan:digits,tiny,digits', '--config.num_steps=2')
  assert done.returncode == 0, done.stderr
  assert (tmp_path / 'runs/gan-digits,tiny,digits/checkpoints/2').is_dir()
  assert (tmp_path / 'runs/gan-digits,tiny,digits/report.html').is_file(), 'the template is in the wheel'
  listed = python(installed, tmp_path, 'recipes')
  assert str(installed) in listed.stdout, 'these recipes, and not those of a checkout'
