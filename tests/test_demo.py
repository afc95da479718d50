"""The demo's page: what it asks and shows, by its own HTTP interface where gradio is installed."""

import importlib.util
import re
import socket
import urllib.request

import numpy as np
import pytest
import untrained
from PIL import Image

from decoupled_gan import demo
from decoupled_gan.errors import UserError
from decoupled_gan.model import Model

with_gradio = pytest.mark.skipif(
  not importlib.util.find_spec('gradio'), reason="gradio wants Pillow below 13: pip install '.[demo]'"
)


@pytest.fixture(scope='module')
def model():
  return Model(untrained.trained(untrained.config_of('cyclegan:tiny')), 'made')


@pytest.fixture(scope='module')
def client(model):
  """A client of a page that is served."""
  import gradio_client

  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    port = probe.getsockname()[1]
  demo.warm(model)
  page = demo.build(model)
  demo.launch(page, '127.0.0.1', port, prevent_thread_lock=True)
  yield gradio_client.Client(f'http://127.0.0.1:{port}', verbose=False)
  page.close()


def test_a_port_in_use_is_told_with_another_one():
  with socket.socket() as taken:
    taken.bind(('127.0.0.1', 0))
    taken.listen()
    port = taken.getsockname()[1]
    with pytest.raises(UserError, match=rf'--port={port} cannot be listened at \(.*as in --port='):
      demo.check_port('127.0.0.1', port)
  with pytest.raises(UserError, match='ports are 1 to 65535'):
    demo.check_port('127.0.0.1', 70_000)


def test_without_gradio_it_says_what_to_install(model, monkeypatch):
  monkeypatch.setitem(__import__('sys').modules, 'gradio', None)
  with pytest.raises(
    UserError, match=r"needs gradio, which is not installed: pip install 'decoupled_gan\[dem"
  ):
    demo.build(model)


@with_gradio
def test_a_run_without_images_is_told():
  points = Model(untrained.trained(untrained.config_of('wgan_gp:ring8,tiny')), 'ring')
  with pytest.raises(UserError, match='makes no images'):
    demo.build(points)


@with_gradio
def test_the_page_gives_what_the_model_gives(client, model, tmp_path):
  import gradio_client

  file = tmp_path / 'in.png'
  Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)).save(file)
  for size in ('square', 'keep'):
    made = client.predict(
      gradio_client.handle_file(str(file)), 'a_to_b', size, None, 'white', api_name='/translate'
    )
    made = made['path'] if isinstance(made, dict) else made
    assert np.array_equal(Image.open(made), model.translate(file, size=size))


@with_gradio
def test_the_page_takes_masks_and_keeps_transparency(client, model, tmp_path):
  import gradio_client

  draw, files = np.random.default_rng(0), [tmp_path / 'in.png', tmp_path / 'mask.png']
  Image.fromarray(draw.integers(0, 256, (20, 30, 4), np.uint8)).save(files[0])
  Image.fromarray(255 * np.eye(20, 30, dtype=np.uint8)).save(files[1])
  given = [gradio_client.handle_file(str(file)) for file in files]
  made = client.predict(given[0], 'a_to_b', 'keep', given[1], 'keep', api_name='/translate')
  made = made['path'] if isinstance(made, dict) else made
  wanted = model.translate(files[0], size='keep', mask=files[1], alpha='keep')
  assert wanted.mode == 'RGBA'
  assert np.array_equal(Image.open(made), wanted)


@with_gradio
def test_a_mistake_shows_our_sentence(client, tmp_path):
  import gradio_client

  file = tmp_path / 'text.png'
  file.write_text('no picture')
  given = gradio_client.handle_file(str(file))
  with pytest.raises(Exception, match='cannot identify image file'):  # gradio looks before we do
    client.predict(given, 'a_to_b', 'square', None, 'white', api_name='/translate')
  with pytest.raises(Exception, match='choose a picture first'):
    client.predict(None, 'a_to_b', 'square', None, 'white', api_name='/translate')


@with_gradio
def test_the_page_asks_no_other_host(client):
  with urllib.request.urlopen(client.src) as answer:
    page = answer.read().decode()
  loaded = re.findall(r'(?:src|href)="(https?:)?//([^"]+)"', page)
  assert not [x for x in loaded if not x[1].startswith('127.0.0.1')], loaded


@with_gradio
@pytest.mark.parametrize(
  ('recipe', 'names'),
  [
    ('avatars:tiny', {'edit'}),
    ('gan:digits,tiny', {'generate'}),
    ('glead:tiny', {'generate', 'reconstruct'}),
    ('nice:tiny', {'translate'}),
  ],
)
def test_there_is_a_tab_for_each_ability(recipe, names):
  page = demo.build(Model(untrained.trained(untrained.config_of(recipe)), recipe))
  assert {x['api_name'] for x in page.config['dependencies']} == names
