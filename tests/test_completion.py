"""What Tab completes, asked of a real bash."""

import shutil
import subprocess

import pytest
from absl import flags

from decoupled_gan import cli, completion, recipe_files
from decoupled_gan.data import video
from decoupled_gan.errors import UserError
from decoupled_gan.exports import signature
from decoupled_gan.layers.equalised import NOISE
from decoupled_gan.modes.generate.sample import SAMPLERS
from decoupled_gan.sampling import calibration, distances

ASK = """
{script}
COMP_LINE="$1" COMP_POINT=${{#1}} COMP_WORDBREAKS="$2"
_decoupled_gan
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(line: str, breaks: str = ' =:', cwd=None) -> list[str]:
  script = ASK.format(script=completion.script(['bash'], cli.MODES, flags.FLAGS))
  found = subprocess.run(
    [shutil.which('bash'), '-c', script, 'bash', line, breaks], capture_output=True, text=True, cwd=cwd,
  )  # fmt: skip
  assert not found.stderr
  return found.stdout.split()


@pytest.mark.parametrize(
  ('line', 'expected'),
  [
    ('decoupled-gan trans', ['translate']),
    ('decoupled-gan re', ['reconstruct', 'recover', 'report', 'recipes']),
    ('decoupled-gan translate --dir', ['--direction=']),
    ('decoupled-gan translate --workdir=x --compare --direction=b', ['b_to_a']),
    ('decoupled-gan train --config=cycleg', ['cyclegan']),
    ('decoupled-gan --config=cycleg', ['cyclegan']),
    ('decoupled-gan study --study=losses_', ['losses_small']),
    ('decoupled-gan evaluate --sam', []),
  ],
)
def test_modes_flags_and_values_are_completed(line, expected):
  assert sorted(completed(line)) == sorted(expected)


def test_other_values_are_files_and_the_flag_stays_where_words_do_not_break_at_it(tmp_path):
  (tmp_path / 'photos').mkdir()
  assert completed('decoupled-gan translate --input=ph', cwd=tmp_path) == ['photos']
  assert completed('decoupled-gan translate --input=ph', ' ', tmp_path) == ['--input=photos']


def test_the_values_are_those_that_there_are():
  known = completion.VALUES
  assert set(known['noise']) == set(NOISE)
  assert set(known['codec']) == set(video.CODECS)
  assert set(known['sampler']) == set(SAMPLERS)
  assert (known['ability'], known['dtype']) == (signature.ABILITIES, cli.DTYPES)
  assert (known['calibration'], known['distance']) == (calibration.KINDS, distances.NAMES)
  assert set(known) <= {name for mode in cli.MODES.values() for name in mode.flags}


def test_another_shell_is_told_and_zsh_loads_what_it_needs():
  for words in ([], ['fish'], ['bash', 'zsh']):
    with pytest.raises(UserError, match='the name of a shell, bash, zsh: completion bash'):
      completion.script(words, cli.MODES, flags.FLAGS)
  assert 'bashcompinit' in completion.script(['zsh'], cli.MODES, flags.FLAGS)
  for_bash = completion.script(['bash'], cli.MODES, flags.FLAGS)
  assert all(name in for_bash for name in recipe_files.names())
