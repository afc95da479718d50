"""What mkdocs is told beside mkdocs.yml: README.md is the first page, and what lies outside docs/.

Pages are written for GitHub, where a link may lead to any file of the repository. On the site those
that leave docs/ lead to the repository's address, `repo_url`; while there is none, they are plain text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r'(?<!!)\[(?P<text>[^\[\]]+)\]\((?P<path>[\w./-]+)\)')
"""[text](path), where the path is neither an address nor has an anchor."""


def on_files(files, config):
  """Puts README.md beside the pages, as index.md (its links begin in docs/ then), and the page of a run
  beside the run in docs/demo."""
  text = (ROOT / 'README.md').read_text(encoding='utf-8').replace('](docs/', '](')
  files.append(File.generated(config, 'index.md', content=text))
  page = (ROOT / 'decoupled_gan/exports/web_page.html').read_text(encoding='utf-8')
  files.append(File.generated(config, 'demo/index.html', content=page))
  return files


def on_page_markdown(markdown, page, config, files):
  """`markdown` with the links that leave docs/ led to the repository, or as their text."""
  folder = posixpath.join('docs', posixpath.dirname(page.file.src_uri))

  def led(link):
    path = posixpath.normpath(posixpath.join(folder, link['path']))
    if path.startswith('docs/'):
      return link[0]
    return f'[{link["text"]}]({config.repo_url}/blob/main/{path})' if config.repo_url else link['text']

  return LINK.sub(led, markdown)
