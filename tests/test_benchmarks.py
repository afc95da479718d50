"""Benchmarks that others are to run where we cannot: here, small."""

import json
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
