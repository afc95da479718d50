"""Writes docs/benchmarks.md: every program of benchmarks/, what it asks and where the answer stands.

  python docs/list_benchmarks.py

tests/test_docs.py holds the page to the programs.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent
KINDS = {
  'What techniques do': (
    'anomalies bagan cas classification_losses conditioning council edgan_edits edgan_pairs '
    'edgan_weights encoders gan_digits gan_em gan_line gan_modes gan_only glead_tiles inpainting '
    'little_data samplers set_operations single_image slogan stackgan super_resolution translators'
  ),
  'How fast it is': (
    'accelerator augment_cost backbone_steps conv_rates data_pipeline features nice_gan_step '
    'small_steps stylegan2_step tpu_plans translate translator_step'
  ),
  'What it bears': 'bad_inputs full_disk kills',
}
HELPERS = {'kept_digits', 'processes', 'turns'}
"""What the others import."""
HEAD = """# Benchmarks

Every number on these pages comes from one of these programs, or from a command that stands beside it.
Each says in its docstring what it measures and how; `--help` tells its options. Those that compare with
other code take a checkout of it by `--official`, and let both sides take turns. Written by
`python docs/list_benchmarks.py`.
"""


def asks(program: str) -> tuple[str, str]:
  """(the first sentence or two, the first command) of a program's docstring."""
  text = ast.get_docstring(ast.parse((ROOT / 'benchmarks' / f'{program}.py').read_text()))
  first = ' '.join(text.partition('\n\n')[0].split())
  command = re.search(r'python benchmarks/\S+\.py(?:[^\n]*\\\n)*[^\n#]*', text)
  return first, ' '.join(command[0].replace('\\\n', ' ').split()) if command else ''


def told_in(program: str) -> list[str]:
  """Links to the pages with its results; recipes tell theirs in their headers."""
  named = f'benchmarks/{program}.py'
  pages = [x for x in sorted(HERE.rglob('*.md')) if x.name not in ('benchmarks.md', 'catalogue.md')]
  links = [f'[{x.stem}]({x.relative_to(HERE).as_posix()})' for x in pages if named in x.read_text()]
  recipes = sorted(x.stem for x in (ROOT / 'configs').glob('*.py') if named in x.read_text())
  return links + [f'`configs/{name}.py`' for name in recipes]


def page() -> str:
  lines = [HEAD]
  for kind, programs in KINDS.items():
    lines += [f'## {kind}\n', '| question | command | answer |', '|---|---|---|']
    for program in programs.split():
      first, command = asks(program)
      cells = first.replace('|', '\\|'), f'`{command}`'.replace('|', '\\|'), ', '.join(told_in(program))
      lines.append(f'| {" | ".join(cells)} |')
    lines.append('')
  return '\n'.join(lines)


if __name__ == '__main__':
  (HERE / 'benchmarks.md').write_text(page())
  print(f'written to {HERE / "benchmarks.md"}')
