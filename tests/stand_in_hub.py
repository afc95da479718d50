"""A hub that runs here: the few calls by which huggingface_hub makes, fills and reads a repository.

Written after what the client (2.4.0) asks. Large files go as Git LFS objects, by addresses that the
server hands out; Xet, the hub's newer storage, is not here (`HF_HUB_DISABLE_XET`).
"""

import base64
import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = 'hf_of_a_test'
OWNER = 'somebody'


class Refused(Exception):
  """args: the HTTP status, the hub's code for it, its sentence."""


class Hub:
  """Repositories of models in memory: {name: [{path: content}, ...]}, a dictionary a commit.

  Attributes:
    asked: 'METHOD path' of each request.
    private: which repositories want a token.
  """

  def __init__(self):
    self.repositories: dict[str, list[dict[str, bytes]]] = {}
    self.private: set[str] = set()
    self.objects: dict[str, bytes] = {}
    self.asked: list[str] = []

  def answer(self, url: str, method: str, path: str, token: str, body: bytes):
    """(status, headers, content) of a request."""
    parts = [unquote(part) for part in path.strip('/').split('/')]
    if parts[0] == 'lfs':
      if method == 'PUT':
        self._allowed(token)
        self.objects[parts[1]] = body
      return 200, {}, self.objects[parts[1]]
    sent = body.decode() if body else ''
    match parts:
      case ['api', 'repos', 'create']:
        return self._create(url, token, json.loads(sent))
      case ['api', 'validate-yaml']:
        return 200, {}, {'errors': [], 'warnings': []}
      case ['api', 'models', owner, name, 'preupload', _]:
        self._allowed(token)
        paths = [x['path'] for x in json.loads(sent)['files']]
        modes = [{'path': x, 'shouldIgnore': False, 'uploadMode': _mode(x)} for x in paths]
        return 200, {}, {'files': modes}
      case [owner, name, 'info', 'lfs', 'objects', 'batch']:
        objects = [
          {**x, 'actions': {'upload': {'href': f'{url}/lfs/{x["oid"]}', 'header': {}}}}
          for x in json.loads(sent)['objects']
        ]
        return 200, {}, {'transfer': 'basic', 'objects': objects}
      case ['api', 'models', owner, name, 'commit', _]:
        self._allowed(token)
        return self._commit(url, f'{owner}/{name}', [json.loads(line) for line in sent.splitlines()])
      case ['api', 'models', owner, name, *_]:
        return self._told(f'{owner}/{name}', token, parts[4:])
      case [owner, name, 'resolve', revision, *rest]:
        return self._file(f'{owner}/{name}', token, revision, '/'.join(rest))
    raise Refused(404, 'NotFound', f'nothing is known of {method} {path}')

  def _allowed(self, token: str):
    if token != TOKEN:
      raise Refused(401, 'Unauthorized', 'Invalid username or password.')

  def _create(self, url: str, token: str, asked: dict):
    self._allowed(token)
    name = f'{asked.get("organization") or OWNER}/{asked["name"]}'
    if not name.startswith(f'{OWNER}/'):
      raise Refused(403, '', f'You do not have the rights to create a model under {name}')
    if name in self.repositories:
      return 409, {}, {'error': 'You already created this model repo', 'url': f'{url}/{name}'}
    self.repositories[name] = [{}]
    if asked.get('visibility') == 'private' or asked.get('private'):
      self.private.add(name)
    return 200, {}, {'url': f'{url}/{name}', 'name': name}

  def _commit(self, url: str, name: str, lines: list[dict]):
    files = dict(self.repositories[name][-1])
    for line in lines:
      value = line['value']
      if line['key'] == 'file':
        files[value['path']] = base64.b64decode(value['content'])
      if line['key'] == 'lfsFile':
        files[value['path']] = self.objects[value['oid']]
    self.repositories[name].append(files)
    commit = self._id(name, len(self.repositories[name]) - 1)
    told = {'commitUrl': f'{url}/{name}/commit/{commit}', 'commitOid': commit, 'hookOutput': ''}
    return 200, {}, {'success': True, **told}

  def _id(self, name: str, number: int) -> str:
    return hashlib.sha1(f'{name} {number}'.encode()).hexdigest()

  def _files(self, name: str, token: str, revision: str) -> tuple[str, dict[str, bytes]]:
    """(commit, its files) of 'main' or a commit."""
    if name not in self.repositories or (name in self.private and token != TOKEN):
      raise Refused(401, 'RepoNotFound', 'Repository not found')
    commits = {self._id(name, i): files for i, files in enumerate(self.repositories[name])}
    commit = list(commits)[-1] if revision == 'main' else revision
    if commit not in commits:
      raise Refused(404, 'RevisionNotFound', f'Invalid rev id: {revision}')
    return commit, commits[commit]

  def _told(self, name: str, token: str, rest: list[str]):
    revision = rest[1] if len(rest) > 1 else 'main'
    commit, files = self._files(name, token, revision)
    if rest[:1] == ['tree']:
      tree = [
        {'type': 'file', 'path': x, 'size': len(files[x]), 'oid': _etag(files[x])} for x in files
      ]
      return 200, {}, tree
    siblings = [{'rfilename': x} for x in files]
    return 200, {}, {'id': name, 'modelId': name, 'sha': commit, 'siblings': siblings, 'private': False}

  def _file(self, name: str, token: str, revision: str, path: str):
    commit, files = self._files(name, token, revision)
    if path not in files:
      raise Refused(404, 'EntryNotFound', 'Entry not found')
    return 200, {'X-Repo-Commit': commit, 'ETag': f'"{_etag(files[path])}"'}, files[path]


def _mode(path: str) -> str:
  return 'lfs' if path.endswith(('.safetensors', '.png')) else 'regular'


def _etag(content: bytes) -> str:
  return hashlib.sha1(content).hexdigest()


@contextlib.contextmanager
def served():
  """(a new hub, its address)."""
  hub = Hub()

  class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
      pass

    def handle_one(self):
      path = urlsplit(self.path).path
      body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
      hub.asked.append(f'{self.command} {path}')
      token = (self.headers.get('Authorization') or '').removeprefix('Bearer ')
      url = f'http://127.0.0.1:{self.server.server_port}'
      try:
        if path.startswith('/lfs/'):  # a signed address, which wants no token
          token = TOKEN
        status, headers, content = hub.answer(url, self.command, path, token, body)
      except Refused as refused:
        status, code, sentence = refused.args
        headers = {'X-Error-Code': code, 'X-Error-Message': sentence}
        content = {'error': sentence}
      content = content if isinstance(content, bytes) else json.dumps(content).encode()
      self.send_response(status)
      for name, value in {'Content-Length': str(len(content)), **headers}.items():
        self.send_header(name, value)
      self.end_headers()
      if self.command != 'HEAD':
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = handle_one

  server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
  thread = threading.Thread(target=server.serve_forever, daemon=True)
  thread.start()
  try:
    yield hub, f'http://127.0.0.1:{server.server_port}'
  finally:
    server.shutdown()
    server.server_close()
