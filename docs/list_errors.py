"""Writes docs/errors.md: every sentence that ends a command, by what one did.

  python docs/list_errors.py

A part in <angle brackets> is filled in. tests/test_docs.py holds the page to the source.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'decoupled_gan'
KINDS = ('UserError', 'RunError', 'Diverged', 'LostProcess')
PLACES = (  # (first part of a path, heading)
  ('cli.py', 'The command line'),
  ('command_line.py', 'The command line'),
  ('errors.py', 'Paths, workdirs, devices, several processes'),
  ('recipe_files.py', 'Recipes and their fields'),
  ('training.py', 'Recipes and their fields'),
  ('model.py', 'Python'),
  ('demo.py', 'The demo'),
  ('hub.py', 'The hub'),
  ('completion.py', 'The command line'),
  ('exports/', 'Exports'),
  ('report/', 'Pages of runs'),
  ('guide.py', 'Recipes and their fields'),
  ('defaults.py', 'Recipes and their fields'),
  ('core/', 'Routing tables, optimizers, averages, events'),
  ('machine/', 'Paths, workdirs, devices, several processes'),
  ('data/', 'Data'),
  ('augment/', 'Augmentation'),
  ('layers/', 'Networks and losses'),
  ('losses/', 'Networks and losses'),
  ('networks/', 'Networks and losses'),
  ('terms/', 'Networks and losses'),
  ('methods/', 'Methods'),
  ('run/', 'Runs and checkpoints'),
  ('pretrained/', 'Evaluation'),
  ('evaluation/', 'Evaluation'),
  ('interop/', 'Official checkpoints'),
  ('sampling/', 'Modes'),
  ('studies/', 'Modes'),
  ('modes/', 'Modes'),
)
HEAD = """# Every error, in its own words

A command that cannot do what was asked ends with one sentence after `error:` and exit code 2, before it
has changed anything; a run that began well and cannot go on (a full disk, a lost process) with exit code
1, and one whose losses are no numbers any more with 3: starting it again would not help. A sentence says
what was asked, what there is, and what to try. Search this page for a few words of yours; parts in
`<angle brackets>` are filled in. What people ask more often stands in the [questions](faq.md).

Written by `python docs/list_errors.py`.
"""


def template(node: ast.expr) -> str:
  """What a message says, with <names> for what it fills in; '' where it is made elsewhere."""
  if isinstance(node, ast.Constant) and isinstance(node.value, str):
    return node.value
  if isinstance(node, ast.JoinedStr):
    return ''.join(
      part.value if isinstance(part, ast.Constant) else f'<{name(part.value)}>' for part in node.values
    )
  if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
    return template(node.left) + (template(node.right) or f'<{name(node.right)}>')
  return ''


def name(node: ast.expr) -> str:
  """A short name for an expression."""
  if isinstance(node, ast.Call) and node.args:
    return name(node.args[0])
  if isinstance(node, ast.Call):
    return name(node.func)
  if isinstance(node, ast.Attribute):
    return node.attr
  if isinstance(node, ast.Name):
    return node.id
  if isinstance(node, ast.Subscript):
    return name(node.value)
  return '...'


def sentences(file: Path) -> list[str]:
  """The messages that a module raises, in its order."""
  found = []
  for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
    called = isinstance(node, ast.Call) and node.args and getattr(node.func, 'id', '') in KINDS
    if called and (text := ' '.join(template(node.args[0]).split())):
      found.append((node.lineno, text))
  return [text for _, text in sorted(found)]


def page() -> str:
  """The page as Markdown."""
  headings = dict.fromkeys(heading for _, heading in PLACES)
  said = {heading: {} for heading in headings}
  for file in sorted(PACKAGE.rglob('*.py')):
    path = file.relative_to(PACKAGE).as_posix()
    heading = next((heading for start, heading in PLACES if path.startswith(start)), None)
    for text in sentences(file):
      if heading is None:
        raise SystemExit(f'{path} raises an error and has no heading in docs/list_errors.py: PLACES')
      said[heading].setdefault(text, path)
  lines = [HEAD]
  for heading, texts in said.items():
    lines += [f'## {heading}', '']
    lines += [f'- `` {text} ``  ({path})' for text, path in texts.items()]
    lines += ['']
  return '\n'.join(lines).rstrip() + '\n'


if __name__ == '__main__':
  (ROOT / 'docs' / 'errors.md').write_text(page(), encoding='utf-8')
