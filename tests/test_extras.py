"""What is installed beside the core: packages that are asked for are in the extra that is named."""

import ast
import re
import sys
from pathlib import Path

import pytest

from decoupled_gan.errors import UserError, how_to_install, installed, need

ROOT = Path(__file__).resolve().parents[1]


def extras() -> dict[str, list[str]]:
  """{extra: the names of its packages}, of setup.py."""
  setup = ast.parse((ROOT / 'setup.py').read_text())
  call = next(x for x in ast.walk(setup) if isinstance(x, ast.Call) and ast.unparse(x.func) == 'setup')
  declared = next(word.value for word in call.keywords if word.arg == 'extras_require')
  return {
    name.value: re.findall(r"'([\w-]+)", ast.unparse(packages))
    for name, packages in zip(declared.keys, declared.values, strict=True)
  }


def asked() -> list[tuple[str, str]]:
  """(package or '', extra), wherever the source asks for one in so many words."""
  found = []
  for file in (ROOT / 'decoupled_gan').rglob('*.py'):
    calls = [x for x in ast.walk(ast.parse(file.read_text())) if isinstance(x, ast.Call)]
    for call in calls:
      name, words = ast.unparse(call.func), [getattr(x, 'value', None) for x in call.args]
      if name == 'need' and isinstance(words[2], str):
        found.append((words[1] if isinstance(words[1], str) else '', words[2]))
      if name == 'how_to_install' and isinstance(words[0], str):
        found.append(('', words[0]))
  return found


def test_what_is_asked_for_is_in_the_extra_that_is_named():
  there, found = extras(), asked()
  assert len(found) >= 10
  for package, extra in found:
    assert extra in there, extra
    if package == 'libtpu':
      assert there[extra] == ['jax'], 'jax brings it'
    elif package:
      assert any(x.startswith(package) for x in there[extra]), (package, extra)


@pytest.mark.parametrize('package', ['pillow_of_tomorrow', 'blocked'])
def test_what_is_missing_is_told_with_both_ways_to_install_it(package, monkeypatch):
  monkeypatch.setitem(sys.modules, 'blocked', None)
  assert not installed(package)
  with pytest.raises(UserError) as told:
    need('a picture', package, 'images')
  assert str(told.value) == (
    f'a picture needs {package}, which is not installed: '
    "pip install 'decoupled_gan[images]' (in a clone: pip install -e '.[images]')."
  )
  assert how_to_install('images') in str(told.value)


def test_what_is_there_is_not_complained_of():
  need('a picture', 'numpy', 'images')
