"""Recipes by path or by name: `configs/nice.py:cat2dog`, `nice:cat2dog`, `~/mine.py`.

A name without a folder is looked for in ./configs, then among the recipes that come with the package.
"""

import ast
import difflib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import decoupled_gan
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import paths

SHARED = ('__init__', 'base', 'datasets', 'edgan')
"""Modules among the recipes that are none themselves."""


def shipped() -> Path:
  """The folder of the recipes that come with the package: inside it, or beside it in a checkout."""
  inside = Path(decoupled_gan.__file__).parent / 'configs'
  return inside if inside.is_dir() else inside.parent.parent / 'configs'


def folders() -> list[Path]:
  """Where names are looked for, in order."""
  own = Path('configs').absolute()
  return [own, shipped()] if own.is_dir() and own != shipped() else [shipped()]


def names() -> list[str]:
  """The recipes that can be named, sorted."""
  found = {path.stem for folder in folders() for path in folder.glob('*.py')}
  return sorted(name for name in found if name not in SHARED)


def find(asked: str) -> str:
  """'<name or path>[:words]' as '<path>[:words]'; raises UserError if there is no such recipe."""
  name, colon, words = asked.partition(':')
  given = paths.at_home(name)
  candidates = [given]
  if not given.is_absolute() and given.parent.name in ('', 'configs'):
    file = given.name if given.suffix == '.py' else f'{given.name}.py'
    candidates += [folder / file for folder in folders()]
  for path in candidates:
    if path.is_file() and path.suffix == '.py':
      return f'{path}{colon}{words}'
  near = difflib.get_close_matches(given.stem, names(), 1)
  raise UserError(
    f'there is no recipe {name}{f"; did you mean {near[0]}?" if near else ""}; the recipes here are '
    f'{listing(names(), 80)}. A file of your own is named by its path, as in --config=folder/mine.py.'
  )


def study_names() -> list[str]:
  """The studies that can be named, sorted."""
  return sorted({p.stem for folder in folders() for p in (folder / 'studies').glob('[!_]*.py')})


def load(asked: str):
  """The config of a recipe; raises UserError if there is none of that name."""
  path, _, words = find(asked).partition(':')
  return _module(Path(path)).get_config(words)


def find_study(asked: str) -> Path:
  """The file of a study, by its path or by the name of one in configs/studies; UserError if none."""
  given = paths.at_home(asked)
  candidates = [given, *(folder / 'studies' / f'{given.stem}.py' for folder in folders())]
  for path in candidates if given.parent == Path('.') else candidates[:1]:
    if path.suffix == '.py' and path.is_file():
      return path
  raise UserError(
    f'there is no study {asked}; the studies here are {listing(study_names())}. A file of your own is '
    'named by its path, as in --study=folder/mine.py.'
  )


def load_study(asked: str):
  """What get_study() of a study's file gives; raises UserError if there is no such file or function."""
  module = _module(path := find_study(asked))
  if not hasattr(module, 'get_study'):
    raise UserError(f'--study={path} is no study: it defines no get_study().')
  return module.get_study()


def _module(path: Path):
  """A file, imported by its path."""
  spec = importlib.util.spec_from_file_location(path.stem, path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def make_importable():
  """Lets recipes say `from configs import nice` wherever one stands, those in ./configs included."""
  spec = importlib.util.spec_from_file_location(
    'configs', shipped() / '__init__.py', submodule_search_locations=[str(shipped())]
  )
  package = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(package)
  package.__path__ = [str(folder) for folder in folders()]
  sys.modules['configs'] = package


def titles() -> Iterator[tuple[str, str]]:
  """(name, first line of its header) of each recipe."""
  for name in names():
    path = next(p for folder in folders() if (p := folder / f'{name}.py').is_file())
    header = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
    yield name, header.partition('\n\n')[0].replace('\n', ' ')
