"""Makes the .ipynb files of the percent scripts beside this one; without outputs.

  python notebooks/build.py

REPOSITORY, once the project has an address, puts a badge that opens the notebook in Colab on its top.
"""

import json
import sys
from pathlib import Path

import jupytext

FOLDER = Path(__file__).parent
REPOSITORY = ''  # <owner>/<name> on GitHub
COLAB = 'https://colab.research.google.com'


def sources() -> list[Path]:
  """The percent scripts, in order."""
  return sorted(FOLDER.glob('[0-9]_*.py'))


def made(source: Path, repository: str = REPOSITORY) -> str:
  """The content of the .ipynb of a percent script; the same one whenever it is made."""
  notebook = jupytext.read(source)
  if repository:
    address = f'{COLAB}/github/{repository}/blob/main/notebooks/{source.stem}.ipynb'
    badge = f'[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({address})\n\n'
    notebook.cells[0].source = badge + notebook.cells[0].source
  for number, cell in enumerate(notebook.cells):
    cell['id'] = f'cell-{number}'
  notebook.metadata = {
    'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'},
    'language_info': {'name': 'python'},
  }
  notebook.nbformat_minor = 5
  return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + '\n'


def main():
  for source in sources():
    source.with_suffix('.ipynb').write_text(made(source), encoding='utf-8')
    print(source.with_suffix('.ipynb'))


if __name__ == '__main__':
  sys.exit(main())
