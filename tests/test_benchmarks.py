"""Benchmarks that others are to run where we cannot: here, small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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
