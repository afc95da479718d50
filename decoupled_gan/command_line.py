"""What was typed: a mode, its recipe and its flags; or one sentence that says what is wrong with it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from absl import flags

import decoupled_gan
from decoupled_gan import guide, recipe_files
from decoupled_gan.errors import UserError, listing
from decoupled_gan.run.workdir import Workdir

FLAGS = flags.FLAGS


@dataclass(frozen=True)
class Mode:
  """A mode as the one table declares it.

  Attributes:
    function: of nothing, reads FLAGS; imports what it needs when it is called.
    title: what it does, a line.
    flags: those it reads; another one is refused.
    config: 'recipe', it reads --config, or the run's where none is given; 'run', the run's, with fields
      changed by --config.<field>; '', neither.
    example: what to type behind the command.
  """

  function: Callable
  title: str
  flags: tuple[str, ...]
  config: str
  example: str


Modes = Mapping[str, Mode]


def parse(modes: Modes, argv: list[str]) -> list[str]:
  """absl's flag parsing, with the mistakes that it shows as tracebacks told in a sentence."""
  argv = _joined(argv)
  try:
    _tell_and_leave(modes, argv)
    name, argv = _mode_of(modes, argv)
    argv = [argv[0], f'--mode={name}', *_with_config(modes, name, argv[1:])]
    sys.argv[:] = argv  # which is what ml_collections reads overrides from
    rest = FLAGS(argv)
    if rest[1:]:
      raise UserError(f'{listing(rest[1:])}: there is nothing but flags; try --help.')
    _check_flags(modes, name, argv)
  except (flags.Error, UserError) as error:
    fail(f'{error}')
  except (AttributeError, KeyError) as error:
    fail(f'The config has no such field: {_message(error)}')
  return rest


def _joined(argv: list[str]) -> list[str]:
  """`--workdir x` as `--workdir=x`, for the flags that are looked at before absl does."""
  words = []
  for word in argv:
    if words and words[-1] in ('--config', '--workdir', '--mode', '--input', '--real'):
      words[-1] += f'={word}'
    else:
      words.append(word)
  return words


def _tell_and_leave(modes: Modes, argv: list[str]):
  """The guide, a mode's help, the version; each exits."""
  words = argv[1:]
  if not words or words == ['help']:
    _say(guide.guide(modes))
  if words[0] == 'completion':
    from decoupled_gan import completion

    _say(completion.script(words[1:], modes, FLAGS))
  if '--version' in words:
    _say(f'decoupled_gan {decoupled_gan.__version__}')
  if any(word in ('--help', '-h', '-help', '--helpshort') for word in words):
    name, _ = _mode_of(modes, argv, default='')
    _say(guide.help_of(name, modes[name], FLAGS) if name else guide.guide(modes))


def _say(text: str):
  print(text)
  sys.exit(0)


def _mode_of(modes: Modes, argv: list[str], default: str = 'train') -> tuple[str, list[str]]:
  """The mode, by its flag or as the first word, and the rest of `argv`."""
  program, *words = argv
  chosen = [word.partition('=')[2] for word in words if word.startswith('--mode=')]
  words = [word for word in words if not word.startswith('--mode=')]
  if words and not words[0].startswith('-'):
    if words[0] not in modes:
      raise UserError(f'{words[0]} is no mode, and else there is nothing but flags; {_there_are(modes)}')
    chosen.append(words.pop(0))
  for name in chosen:
    if name not in modes:
      raise UserError(f'mode={name} is unknown; {_there_are(modes)}')
  if len(set(chosen)) > 1:
    raise UserError(f'{listing(chosen)}: name one mode.')
  return (chosen or [default])[0], [program, *words]


def _there_are(modes: Modes) -> str:
  return f'there are {listing(modes, 40)}.'


def _with_config(modes: Modes, name: str, words: list[str]) -> list[str]:
  """`words` with --config as a path that there is: the recipe's, or the run's own config."""
  mode = modes[name]
  given = [word for word in words if word.startswith('--config=')]
  rest = [word for word in words if not word.startswith('--config=')]
  workdir = [word.partition('=')[2] for word in rest if word.startswith('--workdir=')]
  if len(given) > 1:
    raise UserError(f'{listing(given)}: name one recipe.')
  if given and mode.config != 'recipe':
    takes = "the run's own config" + ('; --config.<field>=... changes it' if mode.config else '')
    raise UserError(f'{name} does not read --config: it takes {takes}.')
  if not mode.config and any(word.startswith('--config.') for word in rest):
    raise UserError(f"{name} does not read --config.<field>: it takes the run's own config.")
  if given:
    return [f'--config={recipe_files.find(given[0].partition("=")[2])}', *rest]
  if name == 'import':
    arrays = any(word.startswith('--input=') and word.endswith('.npz') for word in rest)
    return [f'--config={recipe_files.find("glead" if arrays else "nice")}', *rest]  # official defaults
  scores_folders = any(word.startswith('--real=') for word in rest)
  if mode.config and workdir and not scores_folders:
    Workdir(workdir[-1]).load_config()  # tells here if there is none
    own = Path(decoupled_gan.__file__).parent / 'run' / 'recipe.py'
    return [f'--config={own}:{workdir[-1]}', *rest]
  if name not in ('nrds', 'study', 'recipes') and not scores_folders and not workdir:
    recipe = ' or --config=<recipe>' if mode.config == 'recipe' else ''
    raise UserError(
      f"--mode={name} needs --workdir=<the run's folder>{recipe}; the recipes here are "
      f'{listing(recipe_files.names(), 80)}.'
    )
  return rest


def _check_flags(modes: Modes, name: str, argv: list[str]):
  """Raises UserError for a flag that the mode does not read."""
  for flag in sorted({flag for mode in modes.values() for flag in mode.flags}):
    if FLAGS[flag].present and flag not in modes[name].flags:
      others = [other for other, mode in modes.items() if flag in mode.flags]
      raise UserError(
        f'{name} does not read --{flag} ({listing(others)} {"does" if len(others) == 1 else "do"}); '
        f'it reads {listing([f"--{x}" for x in modes[name].flags], 40)}.'
      )


def _message(error: Exception) -> str:
  """The text of an error that wraps another, on one line."""
  while error.args and isinstance(error.args[0], Exception):
    error = error.args[0]
  return ' '.join(str(error.args[0]).split())


def fail(sentence: str, code: int = 2):
  print(f'error: {sentence}', file=sys.stderr, flush=True)
  if distributed := sys.modules.get('decoupled_gan.machine.distributed'):
    distributed.leave(code)
  sys.exit(code)
