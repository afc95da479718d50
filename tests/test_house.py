"""The house: what stands on what, how large its rooms are, and what a door costs."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / 'decoupled_gan'
FLOORS = [
  {'__init__', 'errors', 'defaults'},
  {'machine', 'core'},
  {'layers', 'losses', 'data'},
  {'networks', 'pretrained', 'augment'},
  {'terms'},
  {'methods'},
  {'run'},
  {'evaluation', 'sampling', 'studies', 'interop', 'exports', 'report'},
  {'modes'},
  {
    'recipe_files', 'guide', 'catalogue', 'training', 'model', 'demo', 'hub', 'completion',
    'command_line', 'cli', '__main__', 'configs',
  },
]
"""Rooms from the ground up: each may import its own floor's single modules never, and those below."""
MOST_FILES = 14
FORBIDDEN = {
  'core': {'machine'},
  'methods': {'data', 'run', 'evaluation', 'sampling', 'studies', 'interop', 'modes'},
}


def floor_of(room: str) -> int:
  return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def room_of(module: str) -> str:
  """The room of 'decoupled_gan.core.step', or of the package itself."""
  parts = module.split('.')
  return parts[1] if len(parts) > 1 else '__init__'


def imports() -> dict[tuple[str, str], set[str]]:
  """{(room, room that it imports): 'file:line' of each}."""
  found = defaultdict(set)
  for path in PACKAGE.rglob('*.py'):
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    for node in ast.walk(ast.parse(path.read_text())):
      names = []
      if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('decoupled_gan'):
        whole = node.module == 'decoupled_gan'
        names = [f'decoupled_gan.{alias.name}' for alias in node.names] if whole else [node.module]
      elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names if alias.name.startswith('decoupled_gan')]
      for name in names:
        if (room := room_of(name)) != parts[0]:
          found[parts[0], room].add(f'{path.relative_to(PACKAGE)}:{node.lineno}')
  return found


def test_every_room_has_a_floor():
  rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != '__pycache__'}
  rooms |= {path.stem for path in PACKAGE.glob('*.py')}
  assert rooms <= set().union(*FLOORS)


def test_arrows_point_down_only():
  up = {
    f'{room} imports {other} ({", ".join(sorted(places))})'
    for (room, other), places in imports().items()
    if floor_of(other) > floor_of(room)
    or (floor_of(other) == floor_of(room) and (PACKAGE / other).is_dir())
  }
  assert not up


@pytest.mark.parametrize('room', FORBIDDEN)
def test_a_room_stays_away_from_what_it_must_not_know(room):
  seen = {other: places for (own, other), places in imports().items() if own == room}
  assert not {other: seen[other] for other in FORBIDDEN[room] & set(seen)}


def test_no_folder_has_more_than_about_a_dozen_files():
  counts = {
    folder: len([path for path in folder.glob('*.py') if path.name != '__init__.py'])
    for folder in [PACKAGE, *PACKAGE.rglob('*')]
    if folder.is_dir()
  }
  assert not {str(f.relative_to(PACKAGE)): n for f, n in counts.items() if n > MOST_FILES}


def test_a_mode_is_called_as_its_file():
  from decoupled_gan.cli import MODES

  files = {path.stem for path in (PACKAGE / 'modes').iterdir() if not path.name.startswith('_')}
  assert files <= set(MODES)


def modules_after(statement: str) -> set[str]:
  """What a fresh interpreter has imported after a statement."""
  code = f'import sys\n{statement}\nprint(*sys.modules)'
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  return set(done.stdout.split())


def test_the_package_alone_imports_no_jax():
  assert not {'jax', 'numpy', 'flax'} & modules_after('import decoupled_gan')


def test_a_method_imports_neither_data_nor_evaluation():
  found = modules_after('import decoupled_gan.methods.translate.nice')
  assert not {'grain', 'scipy', 'PIL', 'matplotlib', 'orbax'} & {name.split('.')[0] for name in found}
  ours = {name for name in found if name.startswith('decoupled_gan.')}
  assert not {name for name in ours if name.split('.')[1] in ('data', 'run', 'evaluation', 'modes')}


def test_the_core_imports_no_tensorflow():
  modes = 'from decoupled_gan.modes import train, translate, evaluate'
  found = modules_after(f'import decoupled_gan.cli\n{modes}')
  assert 'tensorflow' not in found


@pytest.mark.parametrize(
  ('mode', 'most', 'may'),
  [
    ('train', 1500, ()),
    ('translate', 1500, ()),
    ('generate.draw', 1500, ()),
    ('reconstruct', 1500, ()),
    ('routes', 1500, ()),
    ('plan', 1200, ()),
    ('export', 1500, ()),
    ('evaluate', 2100, ('scipy',)),
    ('nrds', 2000, ('scipy', 'matplotlib')),
  ],
)
def test_a_mode_imports_what_it_needs_and_no_more(mode, most, may):
  """What takes half a second each, and how many modules: they are read before the first image is."""
  heavy = {'scipy', 'grain', 'sklearn', 'pandas', 'matplotlib', 'tensorboardX', 'tensorflow', 'torch'}
  found = modules_after(f'import decoupled_gan.cli\nimport decoupled_gan.modes.{mode}')
  assert not (heavy - set(may)) & {name.split('.')[0] for name in found}
  assert len(found) <= most


def test_a_training_run_imports_no_torch_for_its_events(tmp_path):
  """tensorboardX would, where it is installed: two seconds of each start."""
  start = f'TensorBoard(SimpleNamespace(events={str(tmp_path)!r})).start(None, "", False)'
  found = modules_after(
    'from types import SimpleNamespace\n'
    f'from decoupled_gan.run.trackers.tensorboard import TensorBoard\n{start}'
  )
  assert {'tensorboardX', 'clu'} & found
  assert 'torch' not in found
