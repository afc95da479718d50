"""README and docs: links lead somewhere, commands are ones that the program takes."""

import importlib
import re
import runpy
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from decoupled_gan import recipe_files
from decoupled_gan.cli import MODES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
PROGRAMS = (['decoupled-gan'], ['python', 'main.py'], ['python', '-m', 'decoupled_gan'])


def name_of(page: Path) -> str:
  return str(page.relative_to(ROOT))


def links(page: Path) -> list[str]:
  text = re.sub(r'```.*?```|``.*?``', '', page.read_text(), flags=re.DOTALL)
  return re.findall(r'\]\(([^)\s]+)\)', text)


def anchors(page: Path) -> set[str]:
  """As GitHub makes them of headings."""
  heads = re.findall(r'^#+ (.*)$', page.read_text(), flags=re.MULTILINE)
  return {re.sub(r'[^\w\- ]', '', head.lower()).replace(' ', '-') for head in heads}


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_relative_links_lead_to_files_and_headings_that_there_are(page):
  for link in links(page):
    if '://' in link:
      continue
    path, _, anchor = link.partition('#')
    target = (page.parent / path).resolve() if path else page
    assert target.exists(), link
    if anchor:
      assert anchor in anchors(target), link


def test_the_readme_stays_short():
  assert len((ROOT / 'README.md').read_text().splitlines()) <= 150


def test_the_page_of_errors_is_what_the_source_says():
  listed = runpy.run_path(str(ROOT / 'docs/list_errors.py'))
  assert (ROOT / 'docs/errors.md').read_text() == listed['page'](), 'run python docs/list_errors.py'


def test_the_page_of_benchmarks_names_every_program():
  listed = runpy.run_path(str(ROOT / 'docs/list_benchmarks.py'))
  programs = {path.stem for path in (ROOT / 'benchmarks').glob('*.py')}
  assert {*' '.join(listed['KINDS'].values()).split()} == programs - listed['HELPERS']
  page = (ROOT / 'docs/benchmarks.md').read_text()
  assert page == listed['page'](), 'run python docs/list_benchmarks.py'


def test_every_page_can_be_reached_from_the_readme():
  reached, todo = set(), [ROOT / 'README.md']
  while todo:
    page = todo.pop()
    reached.add(page)
    for link in links(page):
      target = (page.parent / link.partition('#')[0]).resolve()
      if target.suffix == '.md' and target.exists() and target not in reached:
        todo.append(target)
  assert set(PAGES) == reached


class Settings(yaml.SafeLoader):
  """mkdocs.yml as data: its tags name Python objects, which are not made."""


Settings.add_multi_constructor('', lambda loader, tag, node: None)


def test_the_navigation_names_every_page_once_and_no_other():
  def leaves(entry):
    if isinstance(entry, str):
      return [entry]
    return [leaf for x in (entry.values() if isinstance(entry, dict) else entry) for leaf in leaves(x)]

  site = yaml.load((ROOT / 'mkdocs.yml').read_text(), Settings)
  pages = {str(page.relative_to(ROOT / 'docs')) for page in PAGES[1:]}
  assert sorted(leaves(site['nav'])) == sorted({'index.md', *pages})
  assert site['strict']


def test_pages_read_on_the_site_as_on_github():
  """Python-Markdown wants a blank line before a list or a table; <words> vanish as tags of HTML."""
  for page in PAGES:
    text = re.sub(r'\A---\n.*?^---\n', '', page.read_text(), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r'^```.*?^```', '', text, flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r'^(?![-*|#\s]|\d+\.).+\n(?:[-*] |1\. |\|).*', text, flags=re.MULTILINE), page
    assert not re.findall(r'<[a-z]+[ >][^<]*', re.sub(r'``.*?``|`[^`]*`', '', text)), page


class Site(HTMLParser):
  """What a page loads without being asked."""

  def __init__(self, html):
    super().__init__()
    self.loads = []
    self.feed(html)

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    if tag != 'link':
      self.loads.append(attrs.get('src') or '')
    elif attrs.get('rel') in ('stylesheet', 'preconnect', 'icon'):
      self.loads.append(attrs['href'])


@pytest.mark.skipif(
  not (find_spec('material') and find_spec('mkdocstrings')), reason="pip install -e '.[docs]' builds it"
)
def test_the_site_is_built_strictly_and_asks_nothing_of_other_hosts(tmp_path):
  command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--quiet', f'--site-dir={tmp_path}']
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  first = (tmp_path / 'index.html').read_text()
  assert 'First steps' in first
  assert 'href="quickstart/"' in first
  catalogue = (tmp_path / 'catalogue/index.html').read_text()
  assert 'terms/penalties.py' in catalogue
  assert 'href="../decoupled_gan' not in catalogue  # it lies outside the site
  assert 'id="decoupled_gan.model.Model.translate"' in (tmp_path / 'api/index.html').read_text()
  page = ROOT / 'decoupled_gan/exports/web_page.html'
  assert (tmp_path / 'demo/index.html').read_text() == page.read_text()
  assert {x.name for x in (tmp_path / 'demo').iterdir()} >= {'model.onnx', 'manifest.json'}
  loads = {x for page in tmp_path.rglob('*.html') for x in Site(page.read_text()).loads}
  assert any(x.endswith('.css') for x in loads)
  assert not {x for x in loads if '//' in x}


def commands() -> list[tuple[str, list[str]]]:
  """(page, words) of each of our commands in a fenced block."""
  found = []
  for page in PAGES:
    for block in re.findall(r'```(?:bash|sh)?\n(.*?)```', page.read_text(), flags=re.DOTALL):
      for line in block.replace('\\\n', ' ').splitlines():
        try:
          words = shlex.split(line, comments=True)
        except ValueError:  # a block of something else
          continue
        for program in PROGRAMS:
          if words[: len(program)] == program:
            found.append((name_of(page), words[len(program) :]))
  return found


@pytest.mark.parametrize(('page', 'words'), commands(), ids=lambda x: ''.join(x))
def test_a_command_names_a_mode_its_flags_a_recipe_and_fields_that_there_are(page, words):
  words = [word for word in words if word not in ('--help', '--version')]
  if any('<' in word for word in words):  # a pattern, not a command
    return
  name = next((w.removeprefix('--mode=') for w in words if w.startswith('--mode=')), 'train')
  words = [word for word in words if not word.startswith('--mode=')]
  if words and not words[0].startswith('-'):
    name = words.pop(0)
  assert name in MODES, page
  recipe, fields = '', {}
  for word in words:
    flag, _, value = word.removeprefix('--').partition('=')
    if flag == 'config':
      assert MODES[name].config == 'recipe', f'{name} takes no recipe'
      recipe = value
    elif flag.startswith('config.'):
      assert MODES[name].config, f'{name} takes no fields'
      fields[flag.removeprefix('config.')] = value
    else:
      assert flag.removeprefix('no') in MODES[name].flags or flag in MODES[name].flags, word
  path, _, recipe_words = recipe_files.find(recipe or 'nice').partition(':')
  config = importlib.import_module(f'configs.{Path(path).stem}').get_config(recipe_words)
  for field in fields:
    assert _has(config, field), field


def _has(config, field: str) -> bool:
  for part in field.split('.'):
    if part not in config:
      return False
    config = config[part]
  return True
