"""The command line: one table of modes; help that a person reads; flags that are used or refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from decoupled_gan import recipe_files
from decoupled_gan.cli import FLAGS, MODES
from decoupled_gan.run.workdir import Workdir

ROOT = Path(__file__).parent.parent


def typed(*arguments, cwd=ROOT, program=('main.py',)):
  """(exit code, stdout, stderr) of a command that needs no JAX to answer."""
  where = ROOT / program[0] if program[0].endswith('.py') else program[0]
  command = [sys.executable, str(where), *program[1:], *arguments]
  environment = os.environ | {'PYTHONPATH': str(ROOT)}
  done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)
  return done.returncode, done.stdout, done.stderr


def test_nothing_typed_prints_a_guide_with_all_modes_and_first_steps():
  code, out, err = typed()
  assert (code, err) == (0, '')
  for mode in MODES:
    assert f'  {mode} ' in out
  assert '--config=quickstart' in out


@pytest.mark.parametrize('mode', MODES)
def test_a_modes_help_has_its_flags_no_others_and_its_example(mode):
  code, out, _ = typed(mode, '--help')
  assert code == 0
  told = {line.split()[0].removeprefix('--') for line in out.splitlines() if line.startswith('  --')}
  assert told - {'config', 'config.<field>'} == set(MODES[mode].flags)
  assert f'Example: decoupled-gan {mode}' in out


def test_help_alone_is_the_guide_and_the_version_is_the_packages():
  assert typed('--help')[:2] == typed()[:2]
  assert typed('--version')[1].startswith('decoupled_gan 0.')


def test_every_flag_is_read_by_some_mode_and_every_mode_reads_flags_that_there_are():
  read = {flag for mode in MODES.values() for flag in mode.flags}
  ours = {flag.name for flag in FLAGS.flags_by_module_dict()['decoupled_gan.cli']}
  assert read == ours - {'mode', 'config'}


def test_every_mode_that_reads_data_can_be_told_where_they_are_now():
  folder = ROOT / 'decoupled_gan/modes'
  reading = [path for path in folder.rglob('*.py') if 'data.load(' in path.read_text()]
  names = {path.relative_to(folder).parts[0].removesuffix('.py') for path in reading}
  assert names >= {'train', 'evaluate', 'recover', 'generate'}
  assert all(MODES[name].config for name in names)


def test_fields_are_refused_where_a_mode_reads_no_data_this_time(tmp_path):
  Workdir(tmp_path).save_config(recipe_files.load('gan:tiny'))
  code, _, err = typed('generate', f'--workdir={tmp_path}', '--config.data.path=photos')
  assert code == 2
  assert err.startswith('error: --config.data.path=photos: without --sampler no data are read')


def test_films_are_opaque_and_translated_whole():
  code, _, err = typed('translate', '--workdir=x', '--input=a.mp4', '--output=b.mp4', '--alpha=keep')
  assert code == 2
  assert err.startswith('error: --alpha: a film is opaque, of 8 bits, and translated whole, which does')


def test_only_a_page_has_a_runtime():
  code, _, err = typed('export', '--workdir=x', '--output=dog.onnx', '--ort=ort')
  assert code == 2
  assert err.startswith('error: --ort: --format=onnx is no page, which does not read that')


def test_recipes_lists_each_with_its_first_line():
  _, out, _ = typed('recipes')
  for name, title in recipe_files.titles():
    assert name in out
    assert title[:40] in out


@pytest.mark.parametrize(
  ('arguments', 'sentence'),
  [
    (['translate', '--workdir=x', '--seeds=3'], 'translate does not read --seeds (generate does); it'),
    (['translate', '--workdir=x', '--config=quickstart'], 'translate does not read --config: it takes'),
    (['translate', '--workdir=x', '--config.seed=3'], 'translate does not read --config.<field>'),
    (['evaluate', '--workdir=x', '--config=quickstart'], '--config.<field>=... changes it'),
    (['evaluate', '--real=a', '--fake=b', '--output=c', '--workdir=d'], 'both say where the numbers'),
    (['train', '--mode=plan', '--config=quickstart'], 'name one mode'),
    (['train', '--config=quickstat'], 'there is no recipe quickstat; did you mean quickstart?'),
    (['paint'], 'paint is no mode'),
    (['--mode=paint'], 'mode=paint is unknown; there are train'),
    (['train', '--config=quickstart', '--config=nice'], 'name one recipe'),
    (['evaluate', '--real=a', '--fake=b', '--checkpoint=3'], '--checkpoint: two folders are scored'),
    (['evaluate', '--real=a', '--fake=b', '--dtype=float32'], '--dtype: two folders are scored'),
    (['train', '--config=nice', '--dtype=float32'], 'train does not read --dtype (translate, generate'),
    (['plan', '--config=nice', '--format=png'], 'plan does not read --format'),
    (['translate'], "needs --workdir=<the run's folder>; the recipes here are"),
    (['--workdir=nowhere'], 'holds no run'),
  ],
)
def test_a_mistake_is_one_sentence_and_code_2(arguments, sentence):
  code, _, err = typed(*arguments)
  assert code == 2
  assert len(err.splitlines()) == 1
  assert err.startswith('error: ')
  assert sentence in err


@pytest.mark.parametrize(
  ('variable', 'value', 'sentence'),
  [
    ('JAX_PLATFORMS', 'cuda', "finds no such device here (pip install 'decoupled_gan[cuda]' (in a"),
    ('JAX_PLATFORMS', 'tpu', "JAX_PLATFORMS=tpu, but JAX finds no such device here"),
    ('JAX_PLATFORMS', 'gpu', 'JAX_PLATFORMS=gpu, but JAX finds no such device here'),
    ('JAX_PLATFORMS', 'abacus', 'JAX_PLATFORMS=abacus, but JAX finds no such device here'),
    ('JAX_ENABLE_X64', 'maybe', "JAX does not take what the environment says (invalid truth value"),
    ('JAX_NUM_CPU_DEVICES', 'many', 'JAX does not take what the environment says (Invalid value "many"'),
    ('SLURM_NTASKS', '2(x2)', "the environment has SLURM_NTASKS='2(x2)', which is no whole number"),
  ],
)
def test_a_mistake_of_the_environment_is_one_sentence_and_code_2(
  tmp_path, monkeypatch, variable, value, sentence
):
  monkeypatch.delenv('JAX_PLATFORMS', raising=False)
  monkeypatch.setenv(variable, value)
  code, _, err = typed('train', '--config=gan:tiny', f'--workdir={tmp_path}')
  assert (code, len(err.splitlines())) == (2, 1), err
  assert err.startswith('error: ')
  assert sentence in err


def test_a_home_that_nobody_knows_is_told_where_it_is_asked_for(tmp_path, monkeypatch):
  monkeypatch.setattr('os.path.expanduser', lambda path: path)  # as with no HOME and no such user
  from decoupled_gan.errors import UserError
  from decoupled_gan.machine import paths

  with pytest.raises(UserError, match=r'begins with ~, and the home folder is not known here'):
    paths.get('~/runs')
  assert paths.get(tmp_path) == tmp_path


def test_a_terminal_or_pipe_that_goes_away_ends_no_command():
  command = f'{sys.executable} main.py recipes | head -1'
  shell = ['bash', '-o', 'pipefail', '-c', command]
  done = subprocess.run(shell, cwd=ROOT, capture_output=True, check=False)
  assert (done.returncode, done.stderr) == (0, b'')


def test_the_first_word_is_the_mode_and_so_is_the_flag():
  assert typed('evaluate', '--real=x')[2] == typed('--mode=evaluate', '--real=x')[2]


def test_recipes_are_found_by_name_and_path_from_any_folder(tmp_path):
  for name in ('quickstart', 'configs/quickstart.py', 'quickstart:star', str(ROOT / 'configs/nice.py')):
    _, _, err = typed('--mode=plan', f'--config={name}', '--config.nothing=1', cwd=tmp_path)
    assert 'no such field' in err, name


def test_ones_own_recipe_may_build_on_ours_and_on_one_beside_it(tmp_path):
  own = tmp_path / 'configs'
  own.mkdir()
  (own / 'mine.py').write_text(
    'from configs import nice\n\n\ndef get_config(words=""):\n  return nice.get_config("terrain")\n'
  )
  (own / 'other.py').write_text('from configs.mine import get_config\n')
  for name in ('mine', 'other', 'configs/mine.py'):
    code, _, err = typed('plan', f'--config={name}', '--config.nothing=1', cwd=tmp_path)
    assert (code, 'no such field' in err) == (2, True), err


def test_the_package_runs_as_a_module(tmp_path):
  code, out, _ = typed('recipes', cwd=tmp_path, program=('-m', 'decoupled_gan'))
  assert code == 0
  assert 'quickstart' in out


def test_a_workdir_may_begin_with_the_home_folder(tmp_path, monkeypatch):
  from decoupled_gan.run.workdir import Workdir

  monkeypatch.setenv('HOME', str(tmp_path))
  assert Workdir('~/runs/x').path == tmp_path / 'runs/x'
