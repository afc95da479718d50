"""--mode=demo: a page on this machine where a run is tried, by gradio.

A tab for each ability of the run. Pictures are read from their files by our decoder, so that
orientation, transparency and 16 bits mean what they mean everywhere, and our sentences are what a
mistake shows. Nothing is sent anywhere: no analytics, no fonts from other hosts, no public tunnel.
"""

import contextlib
import functools
import os
import socket

import numpy as np

from decoupled_gan.errors import UserError, need

OWN = 'as it is'
LARGEST = '50mb'
FONTS = {'font': ['system-ui', 'sans-serif'], 'font_mono': ['ui-monospace', 'monospace']}


def serve(model, host: str, port: int):
  """Serves the page of a Model until it is interrupted; raises UserError if it cannot be."""
  check_port(host, port)
  os.environ.setdefault('HF_HUB_OFFLINE', '1')  # this process is the page's, which asks nothing of hubs
  page = build(model)
  warm(model)  # compiling takes seconds, and the first visitor should not wait for it
  print(f'{model!r}\nhttp://{host}:{port} (Ctrl-C ends it)', flush=True)
  with contextlib.suppress(KeyboardInterrupt):
    launch(page, host, port, prevent_thread_lock=False)


def launch(page, host: str, port: int, **options):
  """Starts the server of a page."""
  gr = _gradio()
  return page.launch(
    server_name=host, server_port=port, share=False, quiet=True, max_file_size=LARGEST, footer_links=[],
    show_error=True,
    theme=gr.themes.Default(**FONTS), **options,
  )  # fmt: skip


def build(model):
  """The page of a Model: gradio.Blocks with one tab for each of its abilities."""
  gr = _gradio()
  tabs = {'translate': _translate, 'edit': _edit, 'generate': _generate, 'reconstruct': _reconstruct}
  able = [name for name in tabs if name in model.abilities]
  if not able or model.config.vector_size:
    raise UserError(f'{model!r} makes no images that could be shown.')
  with gr.Blocks(title=f'{model.config.method}, step {model.step}', analytics_enabled=False) as page:
    gr.Markdown(f'# {model.config.method}\n\nstep {model.step:,}, {model.config.image_size} px')
    for name in able:
      with gr.Tab(name):
        tabs[name](gr, model)
  return page


def warm(model):
  """Every ability once, on a black picture."""
  black = np.zeros((8, 8, model.config.image_channels), np.uint8)
  for direction in model.directions:
    model.translate(black, direction)
  if 'reconstruct' in model.abilities:
    model.reconstruct(black)
  if 'generate' in model.abilities:
    model.generate(0)


def check_port(host: str, port: int):
  """Raises UserError for a port that is taken, or an address that is not this machine's."""
  if not 0 < port < 65536:
    raise UserError(f'--port={port}: ports are 1 to 65535.')
  try:
    with socket.socket() as probe:
      probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      probe.bind((host, port))
  except OSError as error:
    raise UserError(
      f'--host={host} --port={port} cannot be listened at ({error.strerror or error}): name another, as '
      f'in --port={port + 1 if port < 65535 else 7860}.'
    ) from None


def _gradio():
  need('the demo', 'gradio', 'demo')
  os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
  import gradio

  return gradio


def _told(gr, function):
  """`function` with our errors as what the page shows."""

  @functools.wraps(function)
  def run(*inputs):
    try:
      return function(*inputs)
    except UserError as error:
      raise gr.Error(str(error)) from error

  return run


def _given(gr, label: str = 'picture'):
  """A field for a picture, which comes as the file that it is: what it holds is read by us."""
  return gr.Image(type='filepath', image_mode=None, label=label, sources=['upload', 'clipboard'])


def _path(file: str | None) -> str:
  if not file:
    raise UserError('choose a picture first.')
  return file


def _on_click(gr, word: str, function, inputs):
  made = gr.Image(label='result', format='png', image_mode=None, interactive=False)
  gr.Button(word, variant='primary').click(
    _told(gr, function), inputs, made, api_name=word, concurrency_limit=1
  )


def _translate(gr, model):
  with gr.Row():
    given = _given(gr)
    direction = gr.Radio(list(model.directions), value=model.directions[0], label='direction')
    sizes = [('of training', 'square'), ('its own', 'keep')]
    size = gr.Radio(sizes, value='square', label='size')
  with gr.Accordion('mask and transparency', open=False):
    mask = _given(gr, 'mask: white is translated, black stays')
    kept = [('white', 'white'), ('as transparent as it was', 'keep')]
    alpha = gr.Radio(kept, value='white', label='what is transparent')

  def translate(file, direction, size, mask, alpha):
    return model.translate(_path(file), direction, size, alpha=alpha, mask=mask)

  _on_click(gr, 'translate', translate, [given, direction, size, mask, alpha])


def _edit(gr, model):
  with gr.Row():
    given = _given(gr)
    chosen = _values(gr, model, OWN)
    difference = gr.Checkbox(label='only what the values change, the rest as it is')

  def edit(file, difference, *values):
    named = dict(zip(model.attributes, values, strict=True))
    asked = {name: value for name, value in named.items() if value != OWN}
    return model.edit(_path(file), difference, **asked)

  _on_click(gr, 'edit', edit, [given, difference, *chosen])


def _generate(gr, model):
  with gr.Row():
    seed = gr.Number(0, label='seed', precision=0, minimum=0)
    truncation = gr.Slider(0, 1, 1, label='truncation')
    chosen = _values(gr, model, 'by the seed') if model.config.attributes else []

  def generate(seed, truncation, *values):
    named = dict(zip(model.attributes, values, strict=True)) if values else {}
    told = {name: value for name, value in named.items() if value != 'by the seed'}
    return model.generate(int(seed), float(truncation), **told)

  _on_click(gr, 'generate', generate, [seed, truncation, *chosen])


def _reconstruct(gr, model):
  given = _given(gr)
  _on_click(gr, 'reconstruct', lambda file: model.reconstruct(_path(file)), [given])


def _values(gr, model, first: str) -> list:
  """A list to choose from for each attribute."""
  return [
    gr.Dropdown([first, *map(str, values)], value=first, label=name)
    for name, values in model.attributes.items()
  ]
