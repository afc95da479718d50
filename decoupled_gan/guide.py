"""What the command line tells of itself: the guide, a mode's help, the recipes."""

from collections.abc import Mapping

from absl import flags

from decoupled_gan import recipe_files

GROUPS = {
  'train': ('train', 'plan', 'routes'),
  'use': ('translate', 'generate', 'inpaint', 'reconstruct', 'project', 'demo'),
  'share': ('export', 'import', 'push', 'pull'),
  'measure': ('evaluate', 'report', 'recover', 'nrds', 'study'),
}

HEAD = """decoupled-gan <mode> --<flag>=<value> ...      (or: python main.py --mode=<mode> ...)

Trains GANs whose networks share parts and whose losses must not: in JAX, on CPUs, GPUs and TPUs.
"""
FIRST_STEPS = """
First steps:
  decoupled-gan train --config=quickstart                  eight minutes on two cores; again: goes on
  decoupled-gan evaluate --workdir=runs/quickstart
  decoupled-gan translate --workdir=runs/quickstart --input=photo.png --output=out

  decoupled-gan recipes                                    what can be trained
  decoupled-gan <mode> --help                              a mode's flags, with an example
  decoupled-gan --version
  eval "$(decoupled-gan completion bash)"                 what Tab completes; zsh too
"""


def guide(modes: Mapping) -> str:
  """All modes, in groups, and the first steps."""
  lines = [HEAD]
  for group, names in GROUPS.items():
    lines += [f'To {group}:', *(f'  {name:<12} {modes[name].title}' for name in names), '']
  others = [name for name in modes if name not in {n for names in GROUPS.values() for n in names}]
  lines += [f'  {name:<12} {modes[name].title}' for name in others]
  return '\n'.join(lines) + '\n' + FIRST_STEPS


def help_of(name: str, mode, definitions: flags.FlagValues) -> str:
  """One mode: what it does, its flags with their defaults, an example."""
  lines = [f'decoupled-gan {name}: {mode.title}', '']
  if mode.config == 'recipe':
    lines += _flag('config', 'a recipe, <name>[:words] or its path; any field by --config.<field>=value')
  if mode.config == 'run':
    lines += _flag('config.<field>', "a field of the run's own config, for this time")
  for flag in mode.flags:
    found = definitions[flag]
    default = '' if found.default in (None, '') else f' (default: {found.default})'
    lines += _flag(flag, f'{found.help}{default}')
  return '\n'.join([*lines, '', f'Example: decoupled-gan {mode.example}'])


def _flag(name: str, text: str) -> list[str]:
  head = f'  --{name}'
  return [f'{head:<22} {text}']


def recipe_list() -> str:
  """The recipes with their first lines, and how to name one."""
  lines = [f'  {name:<18} {title}' for name, title in recipe_files.titles()]
  return '\n'.join(
    [
      *lines,
      '',
      'decoupled-gan train --config=<name>[:<words>]; words are variants and data sets, a wrong one',
      'lists them all. The header of a recipe tells what it costs and what to expect:',
      *(f'  {folder}' for folder in recipe_files.folders()),
    ]
  )
