"""A folder that any static host can serve: a run in the visitor's browser, by onnxruntime-web.

index.html is one page with its script inside (web_page.html); it asks its own folder only, which its
content security policy says to the browser. model.onnx is the run, manifest.json what the page has to
know of it, ort/ the runtime, which launch/web_runtime.sh fetches and no wheel of ours holds.

The page crops a picture to the shape of training and resizes it by Pillow's own fixed-point arithmetic,
since a canvas resamples otherwise: opaque pictures that are stored without loss become the very bytes
that `translate` would see of the crop. JPEG decoders differ from each other by a few levels.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from decoupled_gan.core.types import image_shape
from decoupled_gan.errors import UserError, listing
from decoupled_gan.exports.signature import Signature
from decoupled_gan.machine import paths

RUNTIME = ('ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm')
"""The files of onnxruntime-web that the page loads."""
PAGE = Path(__file__).with_suffix('.html')
BEGINS = PAGE.read_bytes().split(b'\n<html')[0]


def check(folder: str, ort: str):
  """Raises UserError where the page cannot be written, or --ort does not hold the runtime."""
  if not folder:
    raise UserError('--output=<folder>/ is missing: where is the page to go?')
  target = paths.get(folder)
  if not paths.is_remote(target) and target.is_file():
    raise UserError(f'--output={folder} is a file, and a page is a folder: name one, as in site/.')
  paths.check_ours(target / 'index.html', '--output', (BEGINS,))
  if ort and (missing := [name for name in RUNTIME if not (paths.local(ort, '--ort') / name).is_file()]):
    raise UserError(
      f'--ort={ort} lacks {listing(missing)} of onnxruntime-web: bash launch/web_runtime.sh {ort} '
      'fetches them.'
    )


def check_signature(what: Signature):
  """Raises UserError for what a page cannot show."""
  if 0 in what.values and 'labels' in what.inputs:
    raise UserError('labels of this run are quantities, and the page has buttons for values only.')
  if len(what.specs()) and len(_output(what)) != 3:
    raise UserError(f'{what.title} makes points, and the page shows pictures: export .onnx.')


def write(folder: str, config, what: Signature, model: bytes, facts: Mapping[str, str], ort: str) -> str:
  """Writes the page; a sentence on how to see it, or on what it lacks.

  Args:
    model: the .onnx file.
    facts: of writers.facts_of.
    ort: the folder of the runtime's files; '' writes none.
  """
  target = paths.get(folder)
  told = manifest(config, what, facts) | {'sha256_of_model': sha256(model).hexdigest()}
  paths.write(target / 'index.html', PAGE.read_bytes())
  paths.write(target / 'manifest.json', json.dumps(told, indent=2) + '\n')
  paths.write(target / 'model.onnx', model)
  if ort:
    for name in RUNTIME:
      paths.write(target / 'ort' / name, (paths.local(ort, '--ort') / name).read_bytes())
  lacking = [name for name in RUNTIME if not (target / 'ort' / name).exists()]
  if lacking:
    return (
      f'It does not run yet, for {target}/ort lacks {listing(lacking)}: bash launch/web_runtime.sh ort, '
      'and then this command with --ort=ort.'
    )
  return f'See it by python -m http.server --directory {target}, or put the folder on any host.'


def manifest(config, what: Signature, facts: Mapping[str, str]) -> dict:
  """What the page has to know, and nothing of where the run's data lie."""
  labelled = sorted(config.attributes.items()) if 'labels' in what.inputs else []
  height, width, channels = _output(what)
  found = {
    'title': what.title,
    'method': config.method,
    'step': int(facts['step']),
    'program': facts['program'],
    'sha256_of_weights': facts['sha256_of_weights'],
    'attributes': {name: list(values) for name, values in labelled},
    'input': None,
    'z': 0,
    'output': {'height': height, 'width': width, 'channels': channels},
  }
  if 'z' in what.inputs:
    ((size,), _) = what.inputs['z']
    return found | {'z': size}
  height, width = image_shape(config)
  how = {'interpolation': config.data.interpolation, 'stretch': bool(config.data.stretch)}
  shape = {'height': height, 'width': width, 'channels': config.image_channels}
  return found | {'input': shape | how}


def _output(what: Signature) -> tuple[int, ...]:
  import jax

  return jax.eval_shape(what.function, *what.specs()).shape[1:]
