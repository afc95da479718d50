"""Several processes as one run: real ones on this machine, by launch/local_processes.sh."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from decoupled_gan.errors import LostProcess, UserError
from decoupled_gan.machine import distributed, sharding
from decoupled_gan.modes import train
from decoupled_gan.run import experiment
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

HERE = Path(__file__).parent
ROUNDING = 3e-5
"""Relative, between other numbers of processes: sums over the batch in another order, which Adam's
first steps, whose size does not depend on the gradient's, enlarge. 1.3e-5 was seen after 8 steps."""
RECIPE = """
import sys
sys.path[:0] = [{tests!r}]
import toy
from conftest import tiny_config
from decoupled_gan import data, methods
from decoupled_gan.machine import distributed, sharding

methods.METHODS['toy'] = toy.METHOD
jit = sharding.jit  # without optimisation: compiling is what costs
sharding.jit = lambda function, **options: jit(function, **(options | {{'quick': True}}))

def get_config(variant=''):
  config = tiny_config() if 'nice' in variant else toy.get_config()
  config.batch_size = 4
  config.evaluation.images = 7
  config.evaluation.metrics = ('mae', 'sliced_wasserstein')
  if 'nice' in variant:
    distributed.HEARTBEAT_SECONDS = 300  # a kill is told by closed connections, a busy machine is none
  if 'endless' in variant:
    config.num_steps, config.checkpoint_every_steps = 100_000, 20
    config.sample_every_steps = 100_000
  if 'evaluated' in variant:
    config.evaluate_every_steps = 4
  if 'broken' in variant and '--process_id=1' in sys.argv:
    config.data.source = 'nowhere'
  if 'crash' in variant and '--process_id=1' in sys.argv:
    data.train_batches = lambda *arguments: 1 / 0
  return config
"""


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  """A folder with a recipe: all runs of this module lie in it and share their compiled programs."""
  folder = tmp_path_factory.mktemp('home')
  (folder / 'recipe.py').write_text(RECIPE.format(tests=str(HERE)))
  return folder


def launch(home, count, name, variant='', *arguments, **environment):
  """The started launch/local_processes.sh of `count` processes; its output goes to <name>.log."""
  command = [
    'bash', HERE.parent / 'launch' / 'local_processes.sh', str(count), f'--workdir={home / name}',
    f'--config={home}/recipe.py:{variant}', *arguments,
  ]  # fmt: skip
  with (home / f'{name}.log').open('a') as log:
    return subprocess.Popen(
      command, cwd=HERE.parent, stdout=log, stderr=log,
      env=os.environ | {'PYTHON': sys.executable} | environment,
    )  # fmt: skip


def finished(home, count, name, variant='', *arguments, **environment):
  """(exit code, output) of the same, at its end."""
  code = launch(home, count, name, variant, *arguments, **environment).wait(900)
  return code, (home / f'{name}.log').read_text()


def process_of(home, name, number):
  """The process id of a run's process, found among this machine's by its command line."""
  for path in Path('/proc').glob('[0-9]*/cmdline'):
    try:
      words = path.read_bytes().split(b'\0')
    except OSError:  # gone meanwhile
      continue
    if {f'--workdir={home / name}'.encode(), f'--process_id={number}'.encode()} <= {*words}:
      return int(path.parent.name)
  raise AssertionError(f'process {number} of {name} is not there')


def wait_for_step(process, home, name, step):
  path = home / name / 'metrics.jsonl'
  while not path.exists() or len(path.read_text().splitlines()) < step:
    assert process.poll() is None, (home / f'{name}.log').read_text()[-3000:]
    time.sleep(0.05)


def rows(folder):
  """metrics.jsonl without the times, which differ from run to run."""
  lines = map(json.loads, (folder / 'metrics.jsonl').read_text().splitlines())
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in lines]


def state_of(folder):
  """The state of the latest checkpoint, read by this one process."""
  built = experiment.build(Workdir(folder).load_config())
  with Checkpoints(Workdir(folder).checkpoints, read_only=True) as checkpoints:
    return jax.tree.map(np.asarray, checkpoints.restore(built.abstract_state()))


def assert_same_run(folder, other, rtol=ROUNDING):
  """Equal rows in the metrics and equal states, up to the rounding of sums over the batch."""
  ours, theirs = rows(folder), rows(other)
  assert [row.keys() for row in ours] == [row.keys() for row in theirs]
  for a, b in zip(ours, theirs, strict=True):
    assert a == pytest.approx(b, rel=rtol)
  assert_same_state(folder, other, rtol)


def assert_same_state(folder, other, rtol=ROUNDING):
  for a, b in zip(*map(jax.tree.leaves, (state_of(folder), state_of(other))), strict=True):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(np.abs(b).max(), 1e-3))


@pytest.fixture
def alone(toy, tmp_path):
  """What one process makes of the same config; evaluated."""
  toy.batch_size = 4
  toy.evaluation.images = 7
  toy.evaluation.metrics = ('mae', 'sliced_wasserstein')
  toy.evaluate_every_steps = 4
  train.train(toy, Workdir(tmp_path / 'alone'))
  return tmp_path / 'alone'


def test_two_processes_train_sample_and_score_as_one_does(home, alone):
  code, log = finished(home, 2, 'two', 'evaluated')
  assert code == 0, log
  assert '[0] devices   2 x cpu (cpu), 2 process(es)' in log
  assert '[1] Done: 8 steps' in log
  assert '[1] step' not in log, 'progress is told once'
  assert_same_run(home / 'two', alone)
  assert 'evaluate/b_to_a/mae' in rows(home / 'two')[-1]
  for name in ('00000004.png', '00000008.png'):
    ours, theirs = (x / 'samples' / name for x in (home / 'two', alone))
    assert ours.read_bytes() == theirs.read_bytes()
  assert len(list((home / 'two').glob('events.out.tfevents.*'))) == 1


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes_and_devices(home, alone):
  for count, steps, devices in ((2, 3, 1), (1, 5, 1), (4, 7, 1), (2, 8, 2)):
    code, log = finished(
      home, count, 'elastic', 'evaluated', f'--config.num_steps={steps}', DEVICES=str(devices)
    )
    assert code == 0, log
  assert 'devices   4 x cpu (cpu), 2 process(es)' in log
  ours = [row for row in rows(home / 'elastic') if 'judge/adversarial' in row]
  theirs = [row for row in rows(alone) if 'judge/adversarial' in row]
  for a, b in zip(ours, theirs, strict=True):
    assert a == pytest.approx(b, rel=ROUNDING)
  assert_same_state(home / 'elastic', alone)


@pytest.mark.slow
@pytest.mark.parametrize('killed', [0, 1])
def test_nice_gan_survives_that_one_of_its_processes_is_killed(home, killed):
  steps = '--config.num_steps=40'
  code, log = finished(home, 2, 'straight', 'nice', steps)
  assert code == 0, log[-3000:]

  name = f'killed{killed}'
  process = launch(home, 2, name, 'nice', steps, GRACE='60')
  wait_for_step(process, home, name, 15)
  os.kill(process_of(home, name, killed), signal.SIGKILL)
  began = time.monotonic()
  assert process.wait(90) == 1
  assert time.monotonic() - began < 60
  log = (home / f'{name}.log').read_text()
  assert re.search(rf'\[{1 - killed}\] error: .* another process of this run was lost.*go on', log), log
  assert len(rows(home / name)) < 40

  code, log = finished(home, 2, name, 'nice', steps)
  assert code == 0, log[-3000:]
  assert 'start     step 1' in log
  assert_same_run(home / name, home / 'straight', rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize('stopped', [0, 1])
def test_a_process_that_hangs_is_given_up_within_a_minute(home, stopped):
  """Its connections stay open, so that only missing heartbeats tell."""
  name = f'hanging{stopped}'
  process = launch(home, 2, name, 'endless', GRACE='1')
  wait_for_step(process, home, name, 5)
  hanging = process_of(home, name, stopped)
  os.kill(hanging, signal.SIGSTOP)
  try:
    assert process.wait(60) == 1
  finally:
    if process.poll() is None:
      os.kill(hanging, signal.SIGKILL)
      process.wait()
  log = (home / f'{name}.log').read_text()
  assert re.search(rf'\[{1 - stopped}\] error: .* another process of this run was lost', log), log


@pytest.mark.slow
@pytest.mark.parametrize(
  ('number', 'told'),
  [
    ('SIGTERM', 0), ('SIGTERM', 1), ('SIGTERM', 'all'), ('SIGINT', 0), ('SIGINT', 1), ('SIGHUP', 0),
    ('SIGHUP', 1),
  ],
)  # fmt: skip
def test_a_signal_to_any_process_saves_and_ends_all_and_the_next_start_goes_on(home, number, told):
  name = f'{number}{told}'
  process = launch(home, 2, name, 'endless')
  wait_for_step(process, home, name, 5)
  if told == 'all':
    process.terminate()  # the script passes it on
  else:
    os.kill(process_of(home, name, told), getattr(signal, number))
  assert process.wait(60) == 0
  log = (home / f'{name}.log').read_text()
  found = re.findall(rf'\[(\d)\] Stopped by {number} after step (\d+); step (\d+) is saved', log)
  assert sorted(process for process, *_ in found) == ['0', '1']
  ((after, saved),) = {tuple(steps) for _, *steps in found}
  assert after == saved
  assert (home / name / 'checkpoints' / saved / 'meta').exists()
  code, log = finished(home, 2, name, 'endless', f'--config.num_steps={int(saved) + 2}')
  assert code == 0
  assert f'start     step {saved}' in log


@pytest.mark.slow
def test_processes_that_were_told_to_stop_save_and_exit_with_the_code_asked_for(home):
  process = launch(home, 2, 'coded', 'endless', '--stop_exit_code=75', GRACE='60')
  wait_for_step(process, home, 'coded', 5)
  os.kill(process_of(home, 'coded', 1), signal.SIGTERM)
  assert process.wait(60) == 1
  log = (home / 'coded.log').read_text()
  assert re.findall('ended with exit code [0-9]+', log) == ['ended with exit code 75']
  found = re.findall(r'\[(\d)\] Stopped by SIGTERM after step (\d+); step \2 is saved', log)
  assert sorted(process for process, _ in found) == ['0', '1']


@pytest.mark.slow
def test_what_only_one_process_cannot_do_is_told_by_all_before_they_begin(home):
  code, log = finished(home, 2, 'broken', 'broken', GRACE='60')
  assert code == 1
  assert "[1] error: data.source='nowhere' does not exist" in log
  assert "[0] error: process 1: data.source='nowhere' does not exist" in log
  assert not (home / 'broken' / 'config.json').exists()


@pytest.mark.slow
def test_a_mistake_that_nobody_expected_ends_all_processes_too(home):
  process = launch(home, 2, 'crash', 'crash', GRACE='60')
  assert process.wait(60) == 1
  log = (home / 'crash.log').read_text()
  assert '[1] ZeroDivisionError' in log
  assert re.search(r'\[0\] error: .* another process of this run was lost', log), log


def test_a_process_that_finds_no_others_says_what_to_do():
  script = (
    'from decoupled_gan.machine import distributed; distributed.JOIN_SECONDS = 1; '
    "distributed.start('localhost:1', 1, 2)"
  )
  done = subprocess.run(
    [sys.executable, '-c', script], cwd=HERE.parent, capture_output=True, text=True, check=False
  )
  assert done.returncode != 0
  assert re.search(
    r'error: the processes of the run \(--coordinator=localhost:1\) could not be joined within 1 '
    r'seconds: start the same command in all of them', done.stderr,
  )  # fmt: skip


def test_the_launcher_wants_a_number():
  done = subprocess.run(
    ['bash', HERE.parent / 'launch' / 'local_processes.sh', 'two'],
    capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 2
  assert 'usage: bash launch/local_processes.sh <number of processes>' in done.stderr


# Who takes part.


@pytest.mark.parametrize(
  'arguments, sentence',
  [
    (('host:1', None, 2), 'come together: --process_id=i is missing'),
    (('', 0, None), 'come together: --coordinator=host:port, --num_processes=n is missing'),
    (('host', 0, 2), '--coordinator=host has no port: host:port, as in'),
    (('host:1', 2, 2), r'--process_id=2 must be one of 0 \.\. 1'),
  ],
)
def test_flags_of_several_processes_that_do_not_fit_are_told(arguments, sentence):
  with pytest.raises(UserError, match=sentence):
    distributed.start(*arguments)


@pytest.fixture
def no_cluster(monkeypatch):
  """The environment of a machine of its own."""
  for name in [*os.environ]:
    if name.startswith(('SLURM', 'OMPI', 'KUBERNETES', 'JOB_COMPLETION', 'TPU', 'MEGASCALE')):
      monkeypatch.delenv(name)


KUBERNETES = {'KUBERNETES_SERVICE_HOST': '10.0.0.1', 'JOB_COMPLETION_INDEX': '0'}


@pytest.mark.parametrize(
  'environment, cluster',
  [
    ({}, ''),
    ({'SLURM_NTASKS': '1', 'SLURM_PROCID': '0'}, ''),
    ({'SLURM_NTASKS': '4', 'SLURM_PROCID': '3'}, 'SLURM'),
    ({'SLURM_NTASKS': '4'}, ''),  # the shell of an allocation: no task of it
    ({'KUBERNETES_SERVICE_HOST': '10.0.0.1'}, ''),  # a notebook, say
    (KUBERNETES, 'Kubernetes'),
    ({'OMPI_COMM_WORLD_SIZE': '2'}, 'MPI'),
  ],
)
def test_other_processes_are_looked_for_only_where_the_environment_tells_of_them(
  no_cluster, monkeypatch, environment, cluster
):
  for name, value in environment.items():
    monkeypatch.setenv(name, value)
  assert distributed._cluster() == cluster


@pytest.mark.parametrize(
  'environment, cluster',
  [
    ({}, 'TPU'),
    ({'TPU_WORKER_HOSTNAMES': 'localhost'}, ''),
    ({'TPU_WORKER_HOSTNAMES': 'host-0,host-1'}, 'TPU'),
    ({'TPU_WORKER_HOSTNAMES': 'host-0', 'MEGASCALE_NUM_SLICES': '2'}, 'TPU'),
    (KUBERNETES | {'TPU_WORKER_HOSTNAMES': 'host-0,host-1'}, 'TPU'),  # GKE
    (KUBERNETES | {'JAX_PLATFORMS': 'cpu'}, 'Kubernetes'),
    ({'JAX_PLATFORMS': 'cpu'}, ''),
  ],
)
def test_a_tpu_vm_is_asked_for_others_unless_it_is_known_to_be_alone(
  no_cluster, monkeypatch, environment, cluster
):
  monkeypatch.delenv('JAX_PLATFORMS')
  monkeypatch.setattr(distributed, 'installed', lambda name: True)
  monkeypatch.setattr(distributed.glob, 'glob', lambda pattern: [pattern])
  for name, value in environment.items():
    monkeypatch.setenv(name, value)
  assert distributed._cluster() == cluster


def test_pods_that_could_not_find_each_other_do_not_train_each_on_its_own(no_cluster, monkeypatch):
  for name, value in KUBERNETES.items():
    monkeypatch.setenv(name, value)
  monkeypatch.setattr(distributed, '_has_tpu', lambda: False)
  monkeypatch.setattr(distributed, 'installed', lambda name: False)
  with pytest.raises(UserError, match=r'pod of an indexed Kubernetes Job.*\[k8s\].*--coordinator=host'):
    distributed.start()


def test_tasks_of_slurm_whose_environment_is_incomplete_do_not_train_each_on_its_own():
  done = subprocess.run(
    [sys.executable, '-c', 'from decoupled_gan.machine import distributed; distributed.start()'],
    env=os.environ | {'SLURM_NTASKS': '2', 'SLURM_PROCID': '0'},
    cwd=HERE.parent, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 1
  assert re.search(r'UserError: the processes of the run \(of SLURM, by the env.*start', done.stderr)


# With one process everything is free.


def test_one_process_agrees_with_itself():
  assert distributed.gather({'x': [1, None]}) == [{'x': [1, None]}]
  assert distributed.lead(None, lambda act: act(2) + 1, lambda x: 2 * x) == 5
  assert distributed.Vote(sharding.make_mesh())(15) == 15
  with pytest.raises(UserError, match=r'^no$'), distributed.together():
    raise UserError('no')


def test_an_error_of_one_process_alone_stays_what_it_is():
  with pytest.raises(ValueError, match='Gloo'), distributed.telling_losses():
    raise ValueError('UNKNOWN: Gloo all-reduce failed')


def test_a_lost_process_is_told_in_a_sentence(monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  with pytest.raises(LostProcess, match=r'process 0 of 2 .* was lost \(UNKNOWN: Gloo .*Run the same'):  # noqa: SIM117
    with distributed.telling_losses():
      raise ValueError('UNKNOWN: Gloo all-reduce failed:\n connection reset')
  with pytest.raises(ValueError, match='shapes'), distributed.telling_losses():
    raise ValueError('shapes differ')


def test_checkpoints_that_not_all_processes_see_are_told(tmp_path):
  with pytest.raises(UserError, match=r'not the same folder .* process 0: step 8, process 1: none'):
    train._check_shared([8, None], Workdir(tmp_path))
