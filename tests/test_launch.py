"""The scripts that start runs elsewhere: what they would run, and what happens then, on stand-ins for
gcloud and SLURM."""

import os
import re
import shlex
import signal
import string
import subprocess
import sys
import time
from math import prod
from pathlib import Path

import pytest
import yaml
from kubeflow_trainer_api.models import JobsetV1alpha2JobSet

ROOT = Path(__file__).parent.parent
LAUNCH = ROOT / 'launch'
SCRIPTS = sorted(x.name for x in LAUNCH.glob('*.sh') if x.name != 'environment.sh')  # that is sourced
TPU = ('--name=mine', '--zone=us-west4-a')
RUN = ('--config=configs/emoji.py:star', '--workdir=gs://bucket/runs/emoji')


def script(name, *arguments, path=None, **variables):
  """The finished `bash launch/<name> <arguments>`; commands are first looked up in the folder `path`."""
  slurmless = {k: v for k, v in os.environ.items() if not k.startswith('SLURM')}
  environment = slurmless | variables | ({'PATH': f'{path}:{os.environ["PATH"]}'} if path else {})
  command = ['bash', str(LAUNCH / name), *arguments]
  return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60)


def executable(path: Path, text: str) -> Path:
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)
  path.chmod(0o755)
  return path


def linter(name: str) -> str:
  """A program that a pip package put beside this Python."""
  return str(Path(sys.executable).parent / name)


def web_runtime(tmp_path, package):
  """web_runtime.sh with an npm that packs `package`."""
  (tmp_path / 'package.tgz').write_bytes(package)
  npm = f'#!/usr/bin/env bash\ncp {tmp_path}/package.tgz ./o.tgz\necho o.tgz\n'
  executable(tmp_path / 'bin' / 'npm', npm)
  return script('web_runtime.sh', str(tmp_path / 'ort'), path=tmp_path / 'bin')


def test_a_runtime_that_is_not_the_file_that_it_was_is_not_kept(tmp_path):
  done = web_runtime(tmp_path, b'something else')
  assert done.returncode == 1
  assert 'is not the file that it was; nothing was kept' in done.stderr
  assert not (tmp_path / 'ort').exists()


# All scripts.


def test_scripts_have_no_findings_by_shellcheck():
  files = [*sorted(LAUNCH.glob('*.sh')), ROOT / '.ci' / 'run']
  command = [linter('shellcheck'), '--external-sources', '--source-path=SCRIPTDIR', *map(str, files)]
  checked = subprocess.run(command, text=True, capture_output=True)
  assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize('name', SCRIPTS)
def test_scripts_answer_help(name):
  told = script(name, '--help')
  assert told.returncode == 0, told.stderr
  assert f'launch/{name}' in told.stdout
  assert not told.stderr


@pytest.mark.parametrize('path', sorted(LAUNCH.iterdir()), ids=lambda path: path.name)
def test_launch_files_hold_no_hyper_parameters(path):
  lines = (line.partition(' #')[0] for line in path.read_text().splitlines())
  assert not [line for line in lines if '--config.' in line and not line.startswith('#')]


@pytest.mark.parametrize(
  'name, arguments, sentence',
  [
    ('tpu_vm.sh', ('',), "'' is unknown; there are create, queue, install, data, start, logs, stop"),
    ('tpu_vm.sh', ('begin', *TPU), "'begin' is unknown; there are create"),
    ('tpu_vm.sh', ('logs', '--zone=z'), 'logs needs --name='),
    ('tpu_vm.sh', ('logs', '--name=n'), 'logs needs --zone='),
    ('tpu_vm.sh', ('logs', *TPU, '--config.seed=1'), "no flag '--config.seed=1' .* stand behind --;"),
    ('tpu_vm.sh', ('create', *TPU), 'create needs --accelerator_type='),
    ('tpu_vm.sh', ('queue', *TPU, '--accelerator_type=tpu7x-8'), 'tpu7x-8 is unknown here;.* --runtime'),
    ('tpu_vm.sh', ('start', *TPU, RUN[1]), 'start needs --config='),
    ('tpu_vm.sh', ('start', *TPU, '--config=configs/x.py'), r'no recipe configs/x\.py; .*/avatars\.py'),
    ('tpu_vm.sh', ('start', *TPU, RUN[0]), "needs --workdir=gs://.* disks go with them; found ''"),
    ('tpu_vm.sh', ('start', *TPU, RUN[0], '--workdir=runs/x'), "found 'runs/x'"),
    ('tpu_vm.sh', ('data', *TPU, '--data=photos'), "data needs --data=gs://.*found 'photos'"),
    ('docs.sh', ('publish',), "'publish' is unknown; there are build and serve"),
    ('slurm.sh', (), 'needs --config='),
    ('slurm.sh', ('--config=configs/x.py',), r'no recipe configs/x\.py; .* configs/avatars\.py'),
    ('slurm.sh', (RUN[0],), 'needs --workdir='),
    ('slurm.sh', (*RUN, 'configs'), "no flag 'configs'; options of sbatch stand before"),
  ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence_and_exit_code_2(name, arguments, sentence):
  done = script(name, *arguments, '--dry_run')
  assert done.returncode == 2, done.stdout
  assert not done.stdout
  (line,) = done.stderr.splitlines()
  assert re.search(f'^error: .*{sentence}', line), line


# tpu_vm.sh: what it would run.


def dry(what, *arguments):
  """The commands of a dry run, as a shell reads them."""
  done = script('tpu_vm.sh', what, *TPU, '--dry_run', *arguments)
  assert done.returncode == 0, done.stderr
  commands = [shlex.split(line) for line in done.stdout.splitlines()]
  assert all(c[0] == 'tar' or (c[:3] == ['gcloud', 'compute', 'tpus'] and TPU[1] in c) for c in commands)
  return [' '.join(c).removeprefix('gcloud compute tpus ').replace(f' {TPU[1]}', '') for c in commands]


@pytest.mark.parametrize(
  'accelerator, image',
  [
    ('v3-32', 'tpu-ubuntu2204-base'),
    ('v4-32', 'tpu-ubuntu2204-base'),
    ('v5litepod-16', 'v2-alpha-tpuv5-lite'),
    ('v5p-8', 'v2-alpha-tpuv5'),
    ('v6e-8', 'v2-alpha-tpuv6e'),
  ],
)
def test_create_and_queue_ask_for_the_accelerators_own_image(accelerator, image):
  asked = f'--accelerator_type={accelerator}'
  assert dry('create', asked) == [
    f'tpu-vm create mine --accelerator-type={accelerator} --version={image}'
  ]
  assert dry('queue', asked) == [
    f'queued-resources create mine --node-id=mine --accelerator-type={accelerator} '
    f'--runtime-version={image}',
    'queued-resources describe mine --format=value(state.state)',
  ]


def test_spot_project_and_another_image_are_passed_on():
  given = ('--accelerator_type=new-8', '--runtime_version=new', '--spot', '--project=p')
  assert dry('create', *given) == [
    'tpu-vm create mine --accelerator-type=new-8 --version=new --spot --project=p'
  ]


def test_start_runs_one_command_on_all_workers_with_every_word_intact():
  (command,) = dry('start', *RUN, '--', '--config.seed=1', "--config.x=it's $HOME", '')
  assert command.startswith('tpu-vm ssh mine --worker=all --command=cd decoupled_gan || exit; if kill')
  started = re.search(r'nohup (.*) >>run\.log 2>&1 </dev/null & echo \$! >run\.pid$', command)[1]
  assert shlex.split(started) == [
    '.venv/bin/python', 'main.py', *RUN, '--config.seed=1', "--config.x=it's $HOME", '',
  ]  # fmt: skip


def test_logs_follow_one_worker():
  follow = '--command=tail -n 100 -F decoupled_gan/run.log'
  assert dry('logs') == [f'tpu-vm ssh mine --worker=0 {follow}']
  assert dry('logs', '--worker=3') == [f'tpu-vm ssh mine --worker=3 {follow}']


def test_data_is_copied_to_all_workers():
  assert dry('data', '--data=gs://bucket/sets/my photos') == [
    "tpu-vm ssh mine --worker=all --command=cd decoupled_gan && mkdir -p 'datasets/my photos' && "
    "gcloud storage rsync --recursive 'gs://bucket/sets/my photos' 'datasets/my photos'"
  ]


def test_install_packs_what_the_package_needs_and_brings_a_python_of_its_own():
  pack, copy, install = dry('install')
  packed = shlex.split(pack)[3:]
  assert all((ROOT / name).exists() for name in packed)
  assert {'main.py', 'setup.py', 'README.md', 'configs', 'decoupled_gan'} <= set(packed)
  assert copy.startswith('tpu-vm scp /')
  assert copy.endswith('/decoupled_gan.tar.gz mine:decoupled_gan.tar.gz --worker=all')
  assert 'uv venv --python 3.12' in install
  assert "uv pip install --editable '.[tpu,gcs]'" in install


def test_resume_queues_installs_and_starts_again_with_the_same_command():
  asked = ('--accelerator_type=v6e-8', '--spot')
  resumed = dry('resume', *asked, *RUN, '--data=gs://bucket/photos', '--', '--config.seed=1')
  _, delete, *queued, pack, copy, install, data, start = resumed
  assert delete == 'queued-resources delete mine --force --quiet'
  assert queued == dry('queue', *asked)
  assert pack.startswith('tar ')
  assert copy.startswith('tpu-vm scp ')
  assert [install, data] == [dry('install')[-1], *dry('data', '--data=gs://bucket/photos')]
  assert [start] == dry('start', *RUN, '--', '--config.seed=1')


# tpu_vm.sh: on two workers, which are folders here.

GCLOUD = """#!/usr/bin/env bash
# gcloud compute tpus <tpu-vm|queued-resources> <verb> ...: workers are $FARM/0 and $FARM/1
echo "$3 $4" >>"$FARM/calls"
for argument in "$@"; do
  case "$argument" in
    --command=*) command="${argument#*=}" ;;
    --worker=all) workers='0 1' ;;
    --worker=*) workers="${argument#*=}" ;;
  esac
done
case "$3 $4" in
  'tpu-vm ssh') for w in $workers; do (cd "$FARM/$w" && HOME="$PWD" bash -c "$command") || exit; done ;;
  'tpu-vm scp') for w in $workers; do cp "$5" "$FARM/$w/${6#*:}"; done ;;
  'queued-resources create') echo ACTIVE >"$FARM/state" ;;
  'queued-resources delete') rm "$FARM/state" ;;
  'queued-resources describe') cat "$FARM/state" ;;
esac
"""
UV = """#!/usr/bin/env bash
echo "$@" >>uv.calls
if [ "$1" = venv ]; then mkdir -p .venv/bin && cp ~/python .venv/bin/; fi
"""
PYTHON = """#!/usr/bin/env bash
printf '%s\\n' "$@" >words
trap 'echo saved; exit' TERM
while true; do sleep 0.05; done
"""


@pytest.fixture
def farm(tmp_path):
  """A gcloud whose two workers are folders, with a stand-in for Python that runs until it is told."""
  executable(tmp_path / 'bin' / 'gcloud', GCLOUD)
  for worker in ('0', '1'):
    executable(tmp_path / worker / '.local' / 'bin' / 'uv', UV)
    executable(tmp_path / worker / 'python', PYTHON)
  yield tmp_path
  on_farm(tmp_path, 'stop')


def on_farm(farm, what, *arguments):
  return script('tpu_vm.sh', what, *TPU, *arguments, path=farm / 'bin', FARM=str(farm))


def test_a_run_is_installed_started_once_survives_the_connection_and_stops(farm):
  assert on_farm(farm, 'install').returncode == 0
  for worker in ('0', '1'):
    home = farm / worker / 'decoupled_gan'
    assert (home / 'main.py').read_bytes() == (ROOT / 'main.py').read_bytes()
    assert (home / 'uv.calls').read_text().splitlines() == [
      'venv --python 3.12', 'pip install --editable .[tpu,gcs]',
    ]  # fmt: skip
  started = on_farm(farm, 'start', *RUN, '--', "--config.x=it's $HOME")
  assert (started.returncode, started.stderr) == (0, '')
  again = on_farm(farm, 'start', *RUN)
  assert again.returncode == 2
  assert again.stderr == 'error: it runs already: stop it first.\n'
  assert on_farm(farm, 'stop').returncode == 0
  for worker in ('0', '1'):
    home = farm / worker / 'decoupled_gan'
    assert (home / 'words').read_text().splitlines() == ['main.py', *RUN, "--config.x=it's $HOME"]
    assert (home / 'run.log').read_text() == 'saved\n'


def test_a_preempted_tpu_is_resumed_and_one_that_is_there_is_not(farm):
  arguments = ('--accelerator_type=v6e-8', '--spot', *RUN)
  (farm / 'state').write_text('SUSPENDED\n')
  resumed = on_farm(farm, 'resume', *arguments)
  assert resumed.returncode == 0, resumed.stderr
  assert 'mine is ACTIVE' in resumed.stdout
  assert (farm / 'calls').read_text().splitlines() == [
    'queued-resources describe', 'queued-resources delete', 'queued-resources create',
    'queued-resources describe', 'tpu-vm scp', 'tpu-vm ssh', 'tpu-vm ssh',
  ]  # fmt: skip
  again = on_farm(farm, 'resume', *arguments)
  assert again.returncode == 2
  assert again.stderr == 'error: mine is ACTIVE: it was not preempted; start, or stop and start.\n'


@pytest.mark.parametrize('queued', [True, False])
def test_delete_takes_the_queued_resource_or_else_the_vms(farm, queued):
  if queued:
    (farm / 'state').write_text('ACTIVE\n')
  assert on_farm(farm, 'delete').returncode == 0
  assert (farm / 'calls').read_text().splitlines() == [
    'queued-resources describe', 'queued-resources delete' if queued else 'tpu-vm delete',
  ]  # fmt: skip


# slurm.sh


def test_sbatch_reads_its_options_before_the_first_command():
  lines = (LAUNCH / 'slurm.sh').read_text().splitlines()
  first = next(i for i, line in enumerate(lines) if line and not line.startswith('#'))
  options = [line for line in lines if line.startswith('#SBATCH')]
  assert options == [line for line in lines[:first] if line.startswith('#SBATCH')]
  assert {'#SBATCH --requeue', '#SBATCH --signal=B:TERM@120'} <= set(options)


def test_srun_gets_every_word_and_the_chosen_python():
  done = script('slurm.sh', *RUN, "--config.x=it's $HOME", '--dry_run', PYTHON='/opt/python')
  assert shlex.split(done.stdout) == [
    'srun', '--kill-on-bad-exit=1', '/opt/python', 'main.py', *RUN, "--config.x=it's $HOME",
  ]  # fmt: skip


@pytest.mark.parametrize(
  'gpus, tasks, fits', [('8', '8', True), ('a100:4', '4', True), ('8', '1', False)]
)
def test_there_must_be_a_task_for_each_gpu(gpus, tasks, fits):
  slurm = {'SLURM_GPUS_PER_NODE': gpus, 'SLURM_NTASKS_PER_NODE': tasks}
  done = script('slurm.sh', *RUN, '--dry_run', **slurm)
  assert done.returncode == (0 if fits else 2)
  if not fits:
    assert 'error: --gpus-per-node=8 and --ntasks-per-node=1 must be the same number' in done.stderr


SRUN = """#!/usr/bin/env bash
# Kills its task when it gets SIGTERM, as the real one does.
bash -c "$TASK" &
trap "kill -KILL $!" TERM
wait $!
"""
SCANCEL = """#!/usr/bin/env bash
echo "scancel $*" >>"$FOLDER/calls"
kill -TERM "$(cat "$FOLDER/task")"
"""
SCONTROL = """#!/usr/bin/env bash
[ "$1" != show ] || exec echo "   PreemptEligibleTime=2026-11-25T02:55:00 PreemptTime=$PREEMPTED"
echo "scontrol $*" >>"$FOLDER/calls"
"""
SAVES = """
echo $$ >"$FOLDER/task"
trap 'echo saved; exit' TERM
echo runs
while true; do sleep 0.05; done
"""


def slurm_job(tmp_path, task, preempted='None'):
  """The started script on stand-ins for SLURM's programs, which behave as those of 22.05 were seen to.

  `task` is what srun runs; what the script asked for is in the file `calls`.
  """
  for name, text in {'srun': SRUN, 'scancel': SCANCEL, 'scontrol': SCONTROL}.items():
    executable(tmp_path / name, text)
  environment = os.environ | {
    'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'SLURM_JOB_ID': '42', 'SLURM_SUBMIT_DIR': str(ROOT),
    'FOLDER': str(tmp_path), 'TASK': task, 'PREEMPTED': preempted,
  }  # fmt: skip
  copied = executable(tmp_path / 'slurm_script', (LAUNCH / 'slurm.sh').read_text())
  return subprocess.Popen(['bash', copied, *RUN], env=environment, cwd=tmp_path, stdout=subprocess.PIPE)


def test_a_job_whose_time_is_up_saves_and_queues_again(tmp_path):
  job = slurm_job(tmp_path, SAVES)
  assert job.stdout.readline() == b'runs\n'
  time.sleep(0.2)  # until the script waits
  job.send_signal(signal.SIGTERM)
  out, _ = job.communicate(timeout=20)
  assert (job.returncode, out) == (0, b'saved\n')
  assert (tmp_path / 'calls').read_text() == 'scancel --signal=TERM 42\nscontrol requeue 42\n'


@pytest.mark.parametrize('preempted', [True, False])
def test_a_job_whose_tasks_were_told_to_stop_queues_again_if_it_was_preempted(tmp_path, preempted):
  """Before a preemption SLURM tells the tasks only; so does `scancel --signal=TERM` of a user."""
  job = slurm_job(tmp_path, SAVES, '2026-11-25T02:55:02' if preempted else 'None')
  assert job.stdout.readline() == b'runs\n'
  os.kill(int((tmp_path / 'task').read_text()), signal.SIGTERM)
  out, _ = job.communicate(timeout=20)
  assert (job.returncode, out) == (0, b'saved\n')
  assert (tmp_path / 'calls').exists() == preempted
  if preempted:
    assert (tmp_path / 'calls').read_text() == 'scontrol requeue 42\n'


@pytest.mark.parametrize('code', [0, 2])
def test_a_job_that_ends_by_itself_keeps_its_exit_code_and_does_not_queue_again(tmp_path, code):
  job = slurm_job(tmp_path, f'exit {code}')
  job.communicate(timeout=20)
  assert job.returncode == code
  assert not (tmp_path / 'calls').exists()


# gke_jobset.yaml


def check(filled):
  """Fails unless the APIs have each field, of its type: jobset.x-k8s.io/v1alpha2, batch/v1 and v1.

  Those of Kubeflow's package, which are made from the Kubernetes sources; they drop what is unknown.
  """
  assert JobsetV1alpha2JobSet.from_dict(filled).to_dict() == filled


@pytest.fixture
def jobset_values():
  """What the file's own comment exports."""
  comment = re.findall(r'^#   export (.*)$', (LAUNCH / 'gke_jobset.yaml').read_text(), re.M)
  words = [word for line in comment for word in shlex.split(line, comments=True)]
  return dict(word.split('=', 1) for word in words)


def jobset(values):
  """The file with its placeholders filled as envsubst does."""
  return yaml.safe_load(string.Template((LAUNCH / 'gke_jobset.yaml').read_text()).substitute(values))


def test_the_jobset_filled_in_as_its_comment_says_has_the_fields_of_the_apis(jobset_values):
  filled = jobset(jobset_values)
  check(filled)
  job = filled['spec']['replicatedJobs'][0]['template']['spec']
  (container,) = job['template']['spec']['containers']
  assert container['args'] == [
    f'--config={jobset_values["CONFIG"]}', f'--workdir={jobset_values["WORKDIR"]}',
    '--stop_exit_code=75', '--config.data.path=/data/selfie2anime',
  ]  # fmt: skip
  assert jobset_values['WORKDIR'].startswith('gs://')
  chips = job['completions'] * container['resources']['limits']['google.com/tpu']
  assert chips == prod(map(int, jobset_values['TOPOLOGY'].split('x')))
  assert (job['parallelism'], job['backoffLimit']) == (job['completions'], 0)


def test_a_jobset_that_is_preempted_starts_again_without_counting(jobset_values):
  """Its job must fail, for the reason that the JobSet's rule names: a pod that exits with 0 is done."""
  filled = jobset(jobset_values)
  (rule,) = filled['spec']['failurePolicy']['rules']
  assert rule['onJobFailureReasons'] == ['PodFailurePolicy']
  job = filled['spec']['replicatedJobs'][0]['template']['spec']
  saved, lost = job['podFailurePolicy']['rules']
  assert saved['action'] == lost['action'] == 'FailJob'
  (code,) = saved['onExitCodes']['values']
  assert code != 0
  assert f'--stop_exit_code={code}' in job['template']['spec']['containers'][0]['args']
  assert lost['onPodConditions'] == [{'type': 'DisruptionTarget', 'status': 'True'}]


def test_a_field_or_a_word_that_the_apis_do_not_have_is_found(jobset_values):
  filled = jobset(jobset_values)
  pod = filled['spec']['replicatedJobs'][0]['template']['spec']['template']['spec']
  pod['nodeSelectors'] = pod.pop('nodeSelector')
  with pytest.raises(AssertionError):
    check(filled)
  pod['restartPolicy'] = 'Perhaps'
  with pytest.raises(ValueError, match='one of enum values'):
    check(filled)


def test_a_jobset_needs_no_more_flags(jobset_values):
  check(jobset(jobset_values | {'FLAGS': ''}))


# Dockerfile


def test_the_dockerfile_has_no_findings_by_hadolint():
  checked = subprocess.run(
    [linter('hadolint'), str(LAUNCH / 'Dockerfile')], text=True, capture_output=True, timeout=60
  )
  assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture
def instructions():
  """[(instruction, its text)] of the Dockerfile, joined lines joined."""
  text = (LAUNCH / 'Dockerfile').read_text()
  lines = re.sub(r'^#.*\n', '', text, flags=re.M).replace('\\\n', '').splitlines()
  return [tuple(line.split(maxsplit=1)) for line in lines if line]


def test_the_image_runs_main_py_without_a_shell_and_not_as_root(instructions):
  assert instructions[-2:] == [('USER', '1000'), ('ENTRYPOINT', '["python", "main.py"]')]
  assert any('--uid 1000' in text for what, text in instructions if what == 'RUN')


def test_what_the_image_copies_exists_and_is_not_ignored(instructions):
  copies = [text.split()[:-1] for what, text in instructions if what == 'COPY']
  copied = [word for words in copies for word in words if not word.startswith('--')]
  ignore = (LAUNCH / 'Dockerfile.dockerignore').read_text().splitlines()
  assert ignore[0] == '*'
  assert sorted(copied) == sorted(line[1:] for line in ignore if line.startswith('!'))
  assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize(
  'device, extras', [('cpu', ['gcs']), ('tpu', ['gcs', 'tpu']), ('cuda', ['gcs', 'cuda', 'k8s'])]
)
def test_the_image_installs_the_extras_of_its_device(instructions, tmp_path, device, extras):
  done = image_install(instructions, tmp_path, device)
  assert done.returncode == 0, done.stderr
  words = done.stdout.splitlines()[-1].split()
  assert words == ['pip', 'install', '--system', '--requirements', 'setup.py'] + [
    word for extra in extras for word in ('--extra', extra)
  ]
  assert all(f"'{extra}': [" in (ROOT / 'setup.py').read_text() for extra in extras)


def test_an_unknown_device_ends_the_build_with_a_sentence(instructions, tmp_path):
  done = image_install(instructions, tmp_path, 'gpu')
  assert (done.returncode, done.stdout) == (2, '')
  assert done.stderr == 'error: DEVICE=gpu is unknown; there are cpu, tpu and cuda.\n'


def image_install(instructions, folder, device):
  """The finished RUN that installs, with stand-ins for pip and uv that print their arguments."""
  for name in ('pip', 'uv'):
    executable(folder / name, '#!/bin/sh\necho "$@"\n')
  run = next(text for what, text in instructions if what == 'RUN' and 'uv' in text)
  environment = {'PATH': f'{folder}:/usr/bin:/bin', 'DEVICE': device}
  command = ['sh', '-c', re.sub(r'^--mount=\S+', '', run)]
  return subprocess.run(command, env=environment, text=True, capture_output=True)
