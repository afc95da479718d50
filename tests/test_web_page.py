"""The page of a run: its arithmetic is ours to the bit, it asks nobody else, and a browser runs it."""

import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import untrained
from PIL import Image

from decoupled_gan import data
from decoupled_gan.core.images import to_float, to_uint8
from decoupled_gan.data import transforms
from decoupled_gan.data.views import as_trained
from decoupled_gan.errors import UserError
from decoupled_gan.exports import web_page, writers
from decoupled_gan.model import Model
from decoupled_gan.modes import export as mode
from decoupled_gan.modes.generate.draw import to_official_uint8

PAGE = web_page.PAGE.read_text()
ROOT = web_page.PAGE.parents[2]
ORT, DEMO = ROOT / 'ort', ROOT / 'docs/demo'
DRAW = np.random.default_rng(0)
needs_node = pytest.mark.skipif(
  not shutil.which('node'), reason='there is no node: apt-get install nodejs'
)


def node(expression: str, **given):
  """What node makes of an expression of the page's arithmetic; arrays go in as typed arrays."""
  (arithmetic,) = re.findall(r'<script id="arithmetic">(.*?)</script>', PAGE, re.S)
  kinds = {'u': 'Uint8Array', 'f': 'Float32Array'}
  names = ''.join(
    f'const {name} = {kinds[x.dtype.kind]}.from({json.dumps(x.ravel().tolist())});\n'
    for name, x in given.items()
  )
  code = f'{arithmetic}\n{names}console.log(JSON.stringify(Array.from({expression})));'
  done = subprocess.run(['node'], input=code, capture_output=True, text=True, check=True, timeout=60)
  return np.array(json.loads(done.stdout))


def photo(height, width, channels=3):
  """Noise over a ramp: what a resize that rounds elsewhere, or has another support, shows at once."""
  ramp = np.linspace(0, 200, height * width).reshape(height, width, 1)
  return np.uint8(ramp + DRAW.integers(0, 56, (height, width, channels)))


@needs_node
@pytest.mark.parametrize('filter', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('size', [(16, 16), (37, 16), (64, 90), (5, 53)])
@pytest.mark.parametrize('channels', [1, 3])
def test_the_page_resizes_as_pillow_does_to_the_bit(filter, size, channels):
  image = photo(37, 53, channels)
  wanted = transforms.resize(image, size, filter)
  made = node(f'resize(x, [37, 53], {list(size)}, {channels}, "{filter}")', x=image)
  np.testing.assert_array_equal(made.reshape(wanted.shape), wanted)


@needs_node
@pytest.mark.parametrize('size', [(16, 16), (32, 24)])
@pytest.mark.parametrize('own', [(37, 53), (54, 31), (40, 40)])
@pytest.mark.parametrize(('channels', 'stretch'), [(3, False), (1, False), (3, True)])
def test_a_picture_is_prepared_as_one_that_is_cropped_and_tested(toy, own, size, channels, stretch):
  toy.image_size, toy.image_channels = size, channels
  toy.data.center_crop, toy.data.stretch = True, stretch
  rgba = np.dstack([photo(*own), np.full(own, 255, np.uint8)])
  image = rgba[..., :3] if channels == 3 else np.asarray(Image.fromarray(rgba[..., :3]).convert('L'))
  wanted = data.test_images(as_trained([image.reshape(*own, channels)], toy), None, toy)[0]
  about = {
    'height': size[0], 'width': size[1], 'channels': channels, 'stretch': stretch,
    'interpolation': 'bilinear',
  }  # fmt: skip
  call = f'prepared(x, {list(own)}, {json.dumps(about)})'
  np.testing.assert_array_equal(node(f'{call}.bytes', x=rgba).reshape(wanted.shape), wanted)
  floats = node(f'{call}.floats', x=rgba).reshape(wanted.shape)
  np.testing.assert_allclose(floats, np.asarray(to_float(wanted)), atol=2e-7)


@needs_node
@pytest.mark.parametrize('seed', [0, 1, 12345, 2**32 - 1])
def test_a_seed_means_what_it_means_to_generate(seed):
  wanted = np.random.RandomState(seed).randn(1, 701).astype(np.float32)[0]
  np.testing.assert_allclose(node(f'gaussians({seed}, 701)'), wanted, rtol=1e-6)


@needs_node
@pytest.mark.parametrize(('drawn', 'levels'), [('false', to_uint8), ('true', to_official_uint8)])
def test_levels_are_rounded_as_translate_and_generate_do(drawn, levels):
  x = np.linspace(-1.2, 1.2, 3 * 500, dtype=np.float32).reshape(500, 3)
  made = node(f'toBytes(x, 3, {drawn})', x=x).reshape(500, 4)
  np.testing.assert_array_equal(made[:, :3], levels(x))
  np.testing.assert_array_equal(made[:, 3], 255)
  grey = node(f'toBytes(x, 1, {drawn})', x=x[:, 0]).reshape(500, 4)
  np.testing.assert_array_equal(grey[:, :3], np.repeat(levels(x[:, :1]), 3, 1))


def test_the_page_names_no_other_host_and_forbids_to_ask_one():
  assert not re.findall(r'(?:https?:)?//[a-z0-9-]+\.[a-z]', PAGE)
  (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', PAGE)
  rules = dict(rule.strip().split(' ', 1) for rule in policy.split(';'))
  assert rules['default-src'] == "'none'" and rules['connect-src'] == "'self'"
  assert not re.search(r'\*|https?:', policy)


@pytest.fixture(scope='module')
def translator():
  return untrained.trained(untrained.config_of('cyclegan:tiny'))


@pytest.fixture(scope='module')
def drawer():
  return untrained.trained(untrained.config_of('gan:digits,tiny'))


@pytest.fixture
def ort(tmp_path):
  """A folder with files of the runtime's names."""
  folder = tmp_path / 'runtime'
  folder.mkdir()
  for name in web_page.RUNTIME:
    (folder / name).write_text(name)
  return folder


def test_a_page_of_a_translator_says_what_it_needs_and_not_where_its_data_lie(
  translator, tmp_path, ort
):
  translator.run.config.data.path = '/home/somebody/secret'
  site = tmp_path / 'site'
  told = Model(translator, 'x').export(f'{site}/', ort=str(ort), direction='b_to_a')
  assert re.search(r'site: a page, translate b_to_a, .* MB, step 2; onnxruntime .* differs', told)
  assert f'python -m http.server --directory {site}' in told
  about = json.loads((site / 'manifest.json').read_text())
  size = translator.run.config.image_size
  assert about['title'] == 'translate b_to_a' and about['attributes'] == {} and about['z'] == 0
  assert about['input'] == {
    'height': size, 'width': size, 'channels': 3, 'interpolation': 'bicubic', 'stretch': False,
  }  # fmt: skip
  assert {path.name for path in (site / 'ort').iterdir()} == set(web_page.RUNTIME)
  assert (site / 'index.html').read_text() == PAGE
  assert not any(b'secret' in path.read_bytes() for path in site.rglob('*') if path.is_file())


def test_a_page_of_a_drawing_takes_seeds_and_labels_are_rows_of_buttons(drawer, tmp_path):
  told = writers.export_page(drawer, str(tmp_path / 'draw'))
  about = json.loads((tmp_path / 'draw' / 'manifest.json').read_text())
  assert about['z'] == drawer.run.gan.z_dim and about['input'] is None
  assert 'It does not run yet' in told and 'bash launch/web_runtime.sh ort' in told
  edits = untrained.trained(untrained.config_of('avatars:tiny'))
  writers.export_page(edits, str(tmp_path / 'edit'), ability='edit')
  about = json.loads((tmp_path / 'edit' / 'manifest.json').read_text())
  assert list(about['attributes']) == sorted(edits.run.config.attributes)
  assert all(len(values) > 1 for values in about['attributes'].values())


def test_the_mode_writes_a_page(translator, tmp_path, monkeypatch, capsys, ort):
  monkeypatch.setattr('decoupled_gan.run.inference.load', lambda *_: translator)
  assert mode.layout_of('site/', 'web') == 'web'
  mode.export(None, str(tmp_path / 'site'), 'web', 0, ort=str(ort))
  assert 'site: a page, translate a_to_b' in capsys.readouterr().out
  again = {path: path.read_bytes() for path in (tmp_path / 'site').glob('*.*')}
  mode.export(None, str(tmp_path / 'site'), 'web', 0)  # over its own: what it has of the runtime stays
  assert 'See it by' in capsys.readouterr().out
  assert {path: path.read_bytes() for path in (tmp_path / 'site').glob('*.*')} == again


def test_what_cannot_be_a_page_is_told(drawer, tmp_path, ort, monkeypatch):
  (tmp_path / 'mine').mkdir()
  (tmp_path / 'mine' / 'index.html').write_text('<!doctype html><title>my own</title>')
  (tmp_path / 'file').write_text('x')
  (ort / web_page.RUNTIME[0]).unlink()
  for folder, options, sentence in [
    ('', {}, '--output=<folder>/ is missing'),
    (tmp_path / 'mine', {}, r'index.html is a file of something else'),
    (tmp_path / 'file', {}, r'is a file, and a page is a folder'),
    (tmp_path / 'new', {'ort': str(ort)}, r'lacks ort.wasm.min.mjs of onnxruntime-web: bash'),
    (tmp_path / 'new', {'ability': 'translate'}, r'has no translate|translate'),
  ]:
    with pytest.raises(UserError, match=sentence):
      writers.export_page(drawer, str(folder), **options)
  points = untrained.trained(untrained.config_of('gan:grid25,tiny'))
  with pytest.raises(UserError, match=r'makes points, and the page shows pictures: export \.onnx'):
    writers.export_page(points, str(tmp_path / 'new'))
  assert not (tmp_path / 'new').exists()


PROBE = (Path(__file__).parent / 'web_probe.html').read_text()


class Site(http.server.SimpleHTTPRequestHandler):
  """Serves a folder, and keeps what the probe found."""

  extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {'.mjs': 'text/javascript'}

  def do_POST(self):
    self.server.found = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
    self.send_response(204)
    self.end_headers()
    self.server.done.set()

  def log_message(self, *_):
    pass


def in_a_browser(site, profile) -> dict:
  """What PROBE found in the page of the folder `site`."""
  (site / 'probe.html').write_text(PROBE)
  server = http.server.ThreadingHTTPServer(
    ('127.0.0.1', 0), functools.partial(Site, directory=str(site))
  )
  server.done = threading.Event()
  threading.Thread(target=server.serve_forever, daemon=True).start()
  browser = subprocess.Popen(
    [
      'chromium', '--headless', '--no-sandbox', '--disable-gpu', f'--user-data-dir={profile}',
      '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
      f'http://127.0.0.1:{server.server_port}/probe.html',
    ],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
  )  # fmt: skip
  try:
    assert server.done.wait(90), 'the browser said nothing'
    return server.found | {'port': server.server_port}
  finally:
    browser.terminate()
    browser.wait(20)
    server.shutdown()


def needs_a_browser(test):
  for missing, reason in [
    (not shutil.which('chromium'), 'there is no chromium: apt-get install chromium'),
    (not ORT.is_dir(), 'no onnxruntime-web: bash launch/web_runtime.sh'),
  ]:
    test = pytest.mark.skipif(missing, reason=reason)(test)
  return pytest.mark.slow(test)


def opened(trained, tmp_path, given, image=None, **options) -> dict:
  """What a browser made of the page of a run, of an input and of a photo."""
  site = tmp_path / 'site'
  writers.export_page(trained, str(site), ort=str(ORT), **options)
  (site / 'input.json').write_text(json.dumps(given.ravel().tolist()))
  if image is not None:
    Image.fromarray(image).save(site / 'photo.png')
  found = in_a_browser(site, tmp_path / 'profile')
  assert (found['errors'], found['problem']) == ([], '')
  (tmp_path / 'saved.png').write_bytes(bytes(found['saved'][1]))
  return found


def levels(found, shape):
  """Pixels of a canvas as integers [H, W, 3]; they are opaque."""
  rgba = np.array(found).reshape(*shape, 4)
  assert (rgba[..., 3] == 255).all()
  return rgba[..., :3]


@needs_a_browser
def test_a_browser_computes_what_jax_does_and_asks_nobody_else(translator, tmp_path):
  size = translator.run.config.image_size
  given, image = DRAW.uniform(-1, 1, (1, size, size, 3)).astype(np.float32), photo(90, 130)
  found = opened(translator, tmp_path, given, image)
  assert found['status'] == 'ready'
  wanted = np.asarray(translator.to_float('a_to_b')(given))
  assert np.abs(np.array(found['computed']).reshape(wanted.shape) - wanted).max() < 1e-5
  made = Model(translator, 'x').translate(transforms.center_crop(image)).astype(int)
  for way in ('chosen', 'dropped', 'pasted'):
    assert np.abs(levels(found[way], (size, size)) - made).max() <= 1, way
  assert float(found['part'].removesuffix('px')) == pytest.approx(0.2 * found['width'], abs=1)
  assert found['saved'][0] == 'made.png'
  saved = np.asarray(Image.open(tmp_path / 'saved.png').convert('RGB'))
  np.testing.assert_array_equal(saved, levels(found['pasted'], (size, size)))
  assert found['text'] == 'hello.txt is no picture that this browser can read.'
  words = ['Use the camera', 'Take the picture', 'Use the camera', 'ended']
  assert found['camera'] == [*words, 'The camera cannot be used: Permission denied']
  seen = levels(found['seen'], (size, size)).astype(np.uint8)
  assert seen.std() > 5, 'the camera of tests shows a pattern that moves'
  made = Model(translator, 'x').translate(seen).astype(int)
  assert np.abs(levels(found['taken'], (size, size)) - made).max() <= 1
  own = f'http://127.0.0.1:{found["port"]}/'
  assert all(name.startswith(own) for name in found['loaded']), found['loaded']
  loaded = {name.removeprefix(own) for name in found['loaded']}
  assert {'manifest.json', 'model.onnx', *(f'ort/{name}' for name in web_page.RUNTIME)} <= loaded
  assert found['elsewhere'] == 'refused'


def test_the_model_in_the_docs_makes_the_picture_beside_it():
  import onnxruntime

  manifest = json.loads((DEMO / 'manifest.json').read_text())
  model = (DEMO / 'model.onnx').read_bytes()
  assert manifest['sha256_of_model'] == hashlib.sha256(model).hexdigest()
  heights, relief = (np.asarray(Image.open(DEMO / f'{x}.png')) for x in ('heights', 'relief'))
  session = onnxruntime.InferenceSession(model)
  (made,) = session.run(None, {'image': np.asarray(to_float(heights[None]))})
  assert np.abs(to_uint8(made)[0].astype(int) - relief).max() <= 1


@needs_a_browser
def test_in_a_browser_the_page_in_the_docs_makes_the_picture_beside_it(tmp_path):
  site = shutil.copytree(DEMO, tmp_path / 'site', ignore=shutil.ignore_patterns('ort'))
  (site / 'index.html').write_text(PAGE)  # as docs/site_hooks.py puts it there
  shutil.copytree(ORT, site / 'ort')
  heights = np.asarray(to_float(np.asarray(Image.open(site / 'heights.png'))))
  (site / 'input.json').write_text(json.dumps(heights.ravel().tolist()))
  (site / 'heights.png').rename(site / 'photo.png')
  found = in_a_browser(site, tmp_path / 'profile')
  assert (found['errors'], found['problem']) == ([], '')
  relief = np.asarray(Image.open(site / 'relief.png')).astype(int)
  assert np.abs(levels(found['chosen'], relief.shape[:2]) - relief).max() <= 1


@needs_a_browser
def test_in_a_browser_a_seed_draws_what_generate_does(drawer, tmp_path):
  z = np.random.RandomState(3).randn(1, drawer.run.gan.z_dim).astype(np.float32)
  found = opened(drawer, tmp_path, z)
  size = drawer.run.config.image_size
  wanted = np.asarray(Model(drawer, 'x').generate(5).convert('RGB')).astype(int)
  assert np.abs(levels(found['next'], (size, size)) - wanted).max() <= 1
  assert found['saved'][0] == 'seed-5.png'


@needs_a_browser
def test_in_a_browser_a_button_is_a_value_of_an_attribute(tmp_path):
  edits = untrained.trained(untrained.config_of('avatars:tiny'))
  size, image = edits.run.config.image_size, photo(40, 40)
  small = data.test_images([image], None, edits.run.config)
  given = np.asarray(to_float(small))
  found = opened(edits, tmp_path, given, image, ability='edit')
  attributes = Model(edits, 'x').attributes
  labels = np.zeros((1, len(attributes)), np.int32)
  forward = edits.compiled(edits.run.method.edit)
  for way in ('chosen', 'clicked'):
    made = to_uint8(forward(small, labels))[0].astype(int)
    assert np.abs(levels(found[way], (size, size)) - made).max() <= 1, way
    labels[0, -1] = len(list(attributes.values())[-1]) - 1
  assert found['chosen'] != found['clicked']
