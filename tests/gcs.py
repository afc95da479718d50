"""A Google Cloud Storage that runs here: the part of its JSON API that gcsfs and tensorstore speak.

One bucket, in memory, in a process of its own. Preconditions (`ifGenerationMatch`) are kept, since
tensorstore's database relies on them; batches, permissions and failures are not here.
"""

import contextlib
import itertools
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

BUCKET = 'bucket'


@contextlib.contextmanager
def emulator():
  """The environment in which gs://bucket means a new and empty bucket."""
  pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.DEVNULL}  # clients hang up when they will
  with subprocess.Popen([sys.executable, __file__], text=True, **pipes) as process:
    try:
      url = f'http://localhost:{int(process.stdout.readline())}'
      yield {
        'STORAGE_EMULATOR_HOST': url,  # gcsfs
        'TENSORSTORE_GCS_HTTP_URL': url,  # by which orbax writes arrays
        'GOOGLE_CLOUD_PROJECT': 'test',
        'NO_GCE_CHECK': 'true',  # there is no metadata server of a cloud machine to wait for
      }
    finally:
      process.terminate()


class Refused(Exception):
  """args: the HTTP status."""


class Bucket:
  """name -> (generation, content)."""

  def __init__(self):
    self._objects: dict[str, tuple[int, bytes]] = {}
    self._generations = itertools.count(1)
    self.uploads: dict[str, bytearray] = {}  # of files that are open for writing
    self.lock = threading.Lock()

  def resource(self, name: str, conditions=()) -> dict:
    """What the API tells of an object; Refused if there is none or it does not meet the conditions."""
    conditions = dict(conditions)
    if name not in self._objects:
      raise Refused(404)
    generation, content = self._objects[name]
    if conditions.get('ifGenerationNotMatch') == str(generation):
      raise Refused(304)
    if conditions.get('ifGenerationMatch', str(generation)) != str(generation):
      raise Refused(412)
    return {
      'kind': 'storage#object', 'bucket': BUCKET, 'name': name, 'size': str(len(content)),
      'generation': str(generation), 'metageneration': '1', 'updated': '2026-01-01T00:00:00.000Z',
      'timeCreated': '2026-01-01T00:00:00.000Z', 'storageClass': 'STANDARD',
    }  # fmt: skip

  def read(self, name: str) -> bytes:
    return self._objects[name][1]

  def write(self, name: str, content: bytes, conditions=()) -> dict:
    expected = dict(conditions).get('ifGenerationMatch')
    current = self._objects.get(name, (0,))[0]
    if expected is not None and expected != str(current):
      raise Refused(412)
    self._objects[name] = next(self._generations), content
    return self.resource(name)

  def delete(self, name: str, conditions=()):
    self.resource(name, conditions)
    del self._objects[name]

  def list(self, prefix='', delimiter='', startOffset='', endOffset='', **_) -> dict:
    items, prefixes = [], set()
    for name in sorted(self._objects):
      if not name.startswith(prefix) or name < startOffset or (endOffset and name >= endOffset):
        continue
      head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, '', '')
      if found:
        prefixes.add(prefix + head + delimiter)
      else:
        items.append(self.resource(name))
    return {'kind': 'storage#objects', 'items': items, 'prefixes': sorted(prefixes)}


class Handler(BaseHTTPRequestHandler):
  """Answers requests from `bucket`."""

  bucket: Bucket

  def answer(self):
    url = urlsplit(self.path)
    query, body = dict(parse_qsl(url.query)), self.rfile.read(int(self.headers['Content-Length'] or 0))
    parts = [unquote(part) for part in url.path.split('/')]
    at = parts.index('b')
    try:
      if parts[at + 1] != BUCKET:
        raise Refused(404)
      with self.bucket.lock:
        self.call(parts[at + 2 :], query, body)
    except Refused as refused:
      self.reply(refused.args[0], b'{}')

  do_GET = do_POST = do_DELETE = answer

  def call(self, parts: list[str], query: dict, body: bytes):
    """`parts` is what follows the bucket: '', 'o', or 'o' and an object's name, and perhaps a verb."""
    bucket, name = self.bucket, parts[1] if len(parts) > 1 else ''
    if not parts:
      self.tell({'kind': 'storage#bucket', 'name': BUCKET})
    elif self.command == 'GET' and not name:
      self.tell(bucket.list(**query))
    elif self.command == 'GET':
      told = bucket.resource(name, query)
      if query.get('alt') == 'media':
        self.send_part(bucket.read(name), told)
      else:
        self.tell(told)
    elif self.command == 'DELETE':
      bucket.delete(name, query)
      self.reply(204, b'')
    elif name and parts[2] == 'moveTo':
      bucket.resource(name, query)
      self.tell(bucket.write(parts[4], bucket.read(name)))
      bucket.delete(name)
    elif query.get('uploadType') == 'media':
      self.tell(bucket.write(query['name'], body, query))
    elif query.get('uploadType') == 'resumable':
      self.upload(query, body)
    elif query.get('uploadType') == 'multipart':
      boundary = self.headers.get_param('boundary').encode()
      about, content = (p.partition(b'\n\n')[2][:-1] for p in body.split(b'--' + boundary)[1:3])
      self.tell(bucket.write(json.loads(about)['name'], content, query))
    else:
      raise Refused(400)

  def upload(self, query: dict, body: bytes):
    """The first request begins an upload, others add to it; the one that tells the length ends it."""
    uploads, name = self.bucket.uploads, query['name']
    if 'upload_id' not in query:
      uploads[name] = bytearray()
      self.reply(200, b'', {'Location': f'http://{self.headers["Host"]}{self.path}&upload_id=1'})
      return
    uploads[name] += body
    if self.headers['Content-Range'].endswith('/*'):
      self.reply(308, b'', {'Range': f'bytes=0-{len(uploads[name]) - 1}'})
    else:
      self.tell(self.bucket.write(name, bytes(uploads.pop(name)), query))

  def send_part(self, content: bytes, told: dict):
    """The bytes that the Range header asks for, or all."""
    asked = self.headers['Range']
    headers = {'x-goog-generation': told['generation'], 'x-goog-stored-content-length': told['size']}
    if not asked:
      self.reply(200, content, headers)
      return
    first, _, last = asked.removeprefix('bytes=').partition('-')
    begin = int(first) if first else len(content) - int(last)
    end = min(int(last) + 1 if first and last else len(content), len(content))
    if begin >= end:
      raise Refused(416)
    headers['Content-Range'] = f'bytes {begin}-{end - 1}/{len(content)}'
    self.reply(206, content[begin:end], headers)

  def tell(self, resource: dict):
    self.reply(200, json.dumps(resource).encode(), {'Content-Type': 'application/json'})

  def reply(self, status: int, content: bytes, headers=()):
    self.send_response(status)
    for name, value in dict(headers).items():
      self.send_header(name, value)
    self.send_header('Content-Length', str(len(content)))
    self.end_headers()
    self.wfile.write(content)

  def log_message(self, *_):
    pass


if __name__ == '__main__':
  Handler.bucket = Bucket()
  server = ThreadingHTTPServer(('localhost', 0), Handler)
  print(server.server_port, flush=True)
  server.serve_forever()
