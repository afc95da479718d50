"""Files of a trained run for other programs, by their endings; each is checked at once.

What a file computes is compared with what JAX does, on three inputs, by the runtime that will read it: a
file is not believed because a converter was silent.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict

import decoupled_gan
from decoupled_gan.errors import RunError, UserError, listing
from decoupled_gan.exports import (
  onnx_file,
  safetensors_file,
  signature,
  stablehlo_file,
  tflite_file,
  web_page,
)
from decoupled_gan.machine import paths

ENDINGS = ('.safetensors', '.stablehlo', '.onnx', '.tflite')
LIMIT = 1e-4
"""The most that an image in -1..1 may differ, in float32."""
RUNTIMES = {'.stablehlo': 'jax', '.onnx': 'onnxruntime', '.tflite': 'ai-edge-litert'}
"""What reads a file of an ending, as pip calls it."""
CHECKED = 3


def export(
  trained,
  path: str | os.PathLike,
  ability: str = '',
  direction: str = '',
  truncation: float = 1.0,
  quantize: str = '',
  slim: bool = False,
) -> str:
  """Writes `path`; a sentence on what it is and how far from JAX.

  Args:
    path: ends in .safetensors (opened by `load` again), .stablehlo, .onnx or .tflite.
    ability, direction, truncation: what the file is to compute, see signature.of.
    quantize: of .tflite: what weights are stored in, see tflite_file.QUANTIZED.
    slim: of .safetensors: without the networks that nothing but training needs, see safetensors_file.

  Raises:
    UserError: another ending, something that the run cannot do, a package that is missing.
    RunError: the file does not compute what JAX does; nothing is left behind.
  """
  target = paths.get(path)
  if target.suffix not in ENDINGS:
    raise UserError(
      f'{path}: what is written goes by the ending; there are {listing((*ENDINGS, "<folder>/"))}.'
    )
  _check_quantize(quantize, target.suffix)
  if slim and target.suffix != '.safetensors':
    raise UserError(f'slim is of .safetensors: {target.suffix} has what it computes with, and no more.')
  if target.suffix == '.safetensors':
    if ability or direction or truncation != 1:
      raise UserError(f'{path} holds all of the networks: leave ability, direction and truncation out.')
    safetensors_file.write(trained, target, slim)
    return f'{target}: {_size(target)}, step {trained.step}; {_reopened(trained, target)}'
  what = signature.of(trained, ability, direction, truncation)
  facts = facts_of(trained, what)
  if target.suffix == '.stablehlo':
    content, answers = stablehlo_file.made(what), stablehlo_file.answers
  elif target.suffix == '.onnx':
    content, answers = onnx_file.made(what, facts), onnx_file.answers
  else:
    content, answers = tflite_file.made(what, quantize), tflite_file.answers
  limit = tflite_file.QUANTIZED.get(quantize, LIMIT)
  told = _compared(what, content, answers, RUNTIMES[target.suffix], limit)
  paths.write(target, content)
  if target.suffix != '.onnx':  # which has its facts inside
    paths.write(target.with_name(f'{target.name}.json'), json.dumps(facts, indent=2) + '\n')
  return f'{target}: {what.title}, {_size(target)}, step {trained.step}; {told}'


def _check_quantize(quantize: str, suffix: str):
  if quantize and suffix != '.tflite':
    raise UserError(f'quantize={quantize} is of .tflite; weights in {suffix} stay float32.')
  if quantize and quantize not in tflite_file.QUANTIZED:
    raise UserError(
      f'quantize={quantize} is unknown; there are {listing(tflite_file.QUANTIZED)}.'
    )


def export_page(
  trained, folder: str, ort: str = '', ability: str = '', direction: str = '', truncation: float = 1.0
) -> str:
  """Writes a page that runs in a browser into `folder`; what it is, how far from JAX, how to see it.

  Args:
    ort: the folder of onnxruntime-web's files, see web_page.RUNTIME; '' leaves them out.
    ability, direction, truncation: what the page is to compute, see signature.of.

  Raises as `export`, and UserError where the page cannot show what the run makes.
  """
  web_page.check(folder, ort)
  what = signature.of(trained, ability, direction, truncation)
  web_page.check_signature(what)
  facts = facts_of(trained, what)
  public = {name: fact for name, fact in facts.items() if name != 'config'}  # it names the data's paths
  content = onnx_file.made(what, public)
  told = _compared(what, content, onnx_file.answers, RUNTIMES['.onnx'], LIMIT)
  how = web_page.write(folder, trained.run.config, what, content, public, ort)
  size = f'{len(content) / 1e6:.2f} MB'
  return f'{paths.get(folder)}: a page, {what.title}, {size}, step {trained.step}; {told}\n{how}'


def facts_of(trained, what: signature.Signature) -> dict[str, str]:
  """What a file says of itself: a few words each."""
  digest = hashlib.sha256()
  for name, x in sorted(flatten_dict(trained.variables, sep='/').items()):
    digest.update(name.encode() + np.asarray(x).tobytes())
  return {
    'program': f'decoupled_gan {decoupled_gan.__version__}, jax {jax.__version__}',
    'computes': what.title,
    'images': 'float32 [B, H, W, C] in -1..1',
    'step': str(trained.step),
    'sha256_of_weights': digest.hexdigest(),
    'config': trained.run.config.to_json_best_effort(sort_keys=True),
  }


def _compared(
  what: signature.Signature, content: bytes, answers: Callable, runtime: str, limit: float
) -> str:
  """How far the file's answers are from JAX's; raises RunError where that is too far."""
  inputs = what.examples(CHECKED)
  found = answers(content, what, inputs)
  if found is None:
    return f'not checked: pip install {runtime} to have it compared with JAX'
  outputs, name = found
  wanted = np.asarray(jax.jit(what.function)(*inputs))
  difference = float(np.abs(outputs - wanted).max())
  if not difference <= limit:
    raise RunError(
      f'{name} makes of the file what differs from JAX by {difference:.2g} (at most {limit:g} on a '
      'scale of -1 to 1): nothing was written. Please report the config.'
    )
  return f'{name} differs from JAX by {difference:.1e} at most (images are -1 to 1)'


def _reopened(trained, path: Path) -> str:
  """Whether the file gives back the very arrays; what it left out is told."""
  again, without = flatten_dict(safetensors_file.read(path).variables), safetensors_file.without(path)
  held = {way: x for way, x in flatten_dict(trained.variables).items() if way[1] not in without}
  for way, x in held.items():
    if not np.array_equal(np.asarray(x), np.asarray(again[way]), equal_nan=True):
      raise RunError(f'{path} does not give {"/".join(way)} back as it was.')
  left = f', without {listing(without)}' if without else ''
  return f'opened again, and all {len(held)} arrays are equal{left}'


def _size(path: Path) -> str:
  return f'{path.stat().st_size / 1e6:.2f} MB'
