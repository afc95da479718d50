"""Runs of earlier versions open: they draw, score and go on with the numbers they had.

`fixtures/old_runs/<method>.tar.xz` are workdirs of two steps on the fake data, written by the main of
commit 61d6c6b: config, checkpoint, evaluations.jsonl; and what that version then made of them:
expected.npz (the first four images of each task) and metrics_of_resumed.jsonl (losses up to step 4).
"""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from decoupled_gan import data
from decoupled_gan.evaluation.tasks import tasks_of
from decoupled_gan.machine import sharding
from decoupled_gan.modes import evaluate, train
from decoupled_gan.run import inference
from decoupled_gan.run.workdir import Workdir

RUNS = sorted((Path(__file__).parent / 'fixtures/old_runs').glob('*.tar.xz'))


@pytest.fixture(params=[path.name.partition('.')[0] for path in RUNS])
def old(request, tmp_path) -> Path:
  with tarfile.open(RUNS[0].with_name(f'{request.param}.tar.xz')) as archive:
    archive.extractall(tmp_path, filter='data')
  return tmp_path / request.param


ASKED = {
  'nice': 'mae,psnr,sliced_wasserstein',
  'edgan_aligned': 'mae,psnr',
  'edgan_labelled': 'sliced_wasserstein',
  'stylegan2': 'sliced_wasserstein_8',
  'glead': 'sliced_wasserstein_8',
}


def lines(path: Path) -> list[dict]:
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_old_run_draws_and_scores_as_it_did(old):
  workdir = Workdir(old)
  run = inference.open_run(workdir)
  trained = inference.restore(run, workdir, None)
  dataset = data.load(run.config, run.method.batch)
  found = {t.name: t.generate(trained.variables, np.arange(4)) for t in tasks_of(run, dataset)}
  with np.load(old / 'expected.npz') as expected:
    assert set(found) == set(expected.files)
    for name, images in found.items():
      apart = np.abs(images.astype(int) - expected[name])
      assert apart.max() <= 1, name
      assert apart.mean() < 0.01, name
  (old / 'evaluations.jsonl').rename(old / 'before.jsonl')
  evaluate.evaluate_run(workdir, None, ASKED[old.name])
  known = {(r['task'], r['images'], r['metric']): r['value'] for r in lines(old / 'before.jsonl')}
  for row in lines(old / 'evaluations.jsonl'):
    key = row['task'], row['images'], row['metric']
    assert row['value'] == pytest.approx(known.pop(key), rel=1e-3, abs=1e-3), key
  assert not known


def test_an_old_run_goes_on_with_the_losses_it_would_have_had(old, monkeypatch):
  jit = sharding.jit  # compiling is what costs here
  monkeypatch.setattr(sharding, 'jit', lambda f, **options: jit(f, **{**options, 'quick': True}))
  workdir = Workdir(old)
  config = workdir.load_config()
  config.num_steps = 4
  assert train.train(config, workdir)
  rows = zip(lines(old / 'metrics_of_resumed.jsonl'), lines(old / 'metrics.jsonl'), strict=True)
  for expected, found in rows:
    losses = {name: x for name, x in expected.items() if not name.startswith('time/')}
    assert {name: found[name] for name in losses} == pytest.approx(losses, rel=2e-3)
