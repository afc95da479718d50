"""Benchmarks that others are to run where we cannot: here, small."""

import ast
import dataclasses
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from decoupled_gan import catalogue
from decoupled_gan.core.method import Method

ROOT = Path(__file__).parent.parent
FIELDS = {field.name for field in dataclasses.fields(Method)} | {'METHOD'}
SCRIPTS = {path.stem: path for path in sorted((ROOT / 'benchmarks').glob('*.py'))}


def is_there(module: str, name: str = '') -> bool:
  """Whether there is a module of ours, or a name in it."""
  if module in SCRIPTS:
    return not name or name in catalogue.defines(SCRIPTS[module])
  if not name:
    return is_module(module)
  return hasattr(importlib.import_module(module), name) or is_module(f'{module}.{name}')


def missing(path: Path) -> list[str]:
  """What a script imports of us, or asks of a module of ours, that is not there."""
  bound, asked, tree = {}, [], ast.parse(path.read_text())
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      asked += [(alias.name, '') for alias in node.names]
      bound |= {alias.asname or alias.name: alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      asked += [(node.module, alias.name) for alias in node.names]
      whole = {alias.asname or alias.name: f'{node.module}.{alias.name}' for alias in node.names}
      bound |= {name: at for name, at in whole.items() if ours(at) and is_module(at)}
  names = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
  names = [(x.value.id, x.attr) for x in names if isinstance(x.value, ast.Name)]
  asked += [(bound[name], attribute) for name, attribute in names if name in bound]
  gone = [f'{module}.{name}' for module, name in asked if ours(module) and not is_there(module, name)]
  return gone + [f'method.{name}' for name in of_methods(tree) if name not in FIELDS]


def of_methods(tree: ast.AST) -> list[str]:
  """What is asked of a Method, or of its module: of whatever is called `method`."""
  names = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
  return [x.attr for x in names if getattr(x.value, 'attr', getattr(x.value, 'id', '')) == 'method']


def ours(module: str) -> bool:
  return module in SCRIPTS or module.partition('.')[0] in ('decoupled_gan', 'configs')


def is_module(name: str) -> bool:
  try:
    return importlib.util.find_spec(name) is not None
  except ModuleNotFoundError:  # of a name in a module that is no package
    return False


@pytest.mark.parametrize('name', SCRIPTS)
def test_what_a_benchmark_asks_of_us_is_there(name):
  assert missing(SCRIPTS[name]) == []


@pytest.mark.parametrize('name', [name for name in SCRIPTS if '__main__' in SCRIPTS[name].read_text()])
def test_a_benchmark_finds_the_recipes_from_any_folder(name):
  text = SCRIPTS[name].read_text()
  if 'from configs' in text or 'import configs' in text or 'configs.{' in text:
    before, path, _ = text.partition('sys.path')
    assert path and 'from configs' not in before


def test_a_benchmark_that_asks_for_what_is_gone_is_told(tmp_path):
  path = tmp_path / 'script.py'
  path.write_text(
    'import turns\nfrom configs import gan, gone\nfrom decoupled_gan.core import optim as o\n'
    'turns.measure, turns.gone, gan.get_config, o.unit_norm, o.gone, o.jnp.gone\n'
    'run.method.draw, run.method.tasks(run), method.METHOD\n'
  )
  assert missing(path) == [
    'configs.gone', 'turns.gone', 'decoupled_gan.core.optim.gone', 'method.tasks',
  ]  # fmt: skip


def accelerator(folder, *arguments):
  command = [sys.executable, ROOT / 'benchmarks/accelerator.py', '--tiny', '--steps=2', *arguments]
  done = subprocess.run(
    [*command, f'--output={folder / "found.json"}'], capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  return json.loads((folder / 'found.json').read_text())


@pytest.mark.slow
def test_the_accelerators_benchmark_runs_on_the_cpu_and_agrees_with_itself(tmp_path):
  found = accelerator(tmp_path, '--only=gan')
  assert found['platform'] == 'cpu'
  assert found['parity']['gan:digits,tiny'] == {'losses': 0, 'parameters': 0}


@pytest.mark.slow
def test_every_setting_of_the_accelerators_benchmark_runs_small(tmp_path):
  found = accelerator(tmp_path, '--minutes=60')
  assert not [x for part in ('parity', 'steps') for x in found[part].values() if 'error' in x]
  for name, figures in found['steps'].items():
    assert figures['seconds'] > 0, name
    assert figures['losses_finite'], name


def of_reliability(name, *arguments):
  command = [sys.executable, ROOT / 'benchmarks' / name, *arguments]
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stdout + done.stderr
  return done.stdout


@pytest.mark.slow
def test_sixty_mistakes_are_one_sentence_each():
  assert '0 not told as they should be' in of_reliability('bad_inputs.py')


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason='small disks are mounted, which root alone may')
def test_a_disk_that_is_full_at_any_moment_is_one_sentence_and_the_run_goes_on_later():
  assert of_reliability('full_disk.py').count('error:') == 11


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing():
  assert '10 kills' in of_reliability('kills.py', '--kills=10')
