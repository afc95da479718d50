"""TFLite, for telephones and boards: jax2tf, TensorFlow's converter, its built-in operators only.

Shapes are fixed, one image at a time. `quantize` makes the file smaller and its images coarser:
'float16' stores weights in half of the bytes, 'int8' in a quarter ("dynamic range": weights only, no
images are needed to calibrate by). The function is lowered as for accelerators, where convolutions stay
convolutions: what is faster on this machine's processors says nothing of a telephone's.
"""

import contextlib
import os
import re
from collections.abc import Mapping

import jax
import numpy as np

from decoupled_gan.errors import UserError, listing, need
from decoupled_gan.exports.signature import Signature

QUANTIZED: Mapping[str, float] = {'float16': 5e-3, 'int8': np.inf}
"""What weights are stored in instead of float32 -> the most that an image in -1..1 may differ."""
LACKS = r'\b(erf|cholesky)\b'
"""Primitives of JAX that were seen to have none: noise that is uniform, codes of a fitted Gaussian."""


def made(what: Signature, quantize: str = '') -> bytes:
  """The file's content; raises UserError where TensorFlow is missing or has no operator for a step."""
  need('a .tflite file', 'tensorflow', 'tflite')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  import tensorflow as tf
  from jax.experimental import jax2tf

  with contextlib.suppress(RuntimeError):  # somebody used TensorFlow before
    tf.config.set_visible_devices([], 'GPU')  # they are JAX's
  inputs = [
    tf.TensorSpec(spec.shape, spec.dtype, name)
    for name, spec in zip(what.inputs, what.specs(), strict=True)
  ]
  converted = jax2tf.convert(what.function, native_serialization_platforms=['tpu'])
  function = tf.function(converted, input_signature=inputs, autograph=False)
  converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [function.get_concrete_function()], function
  )
  converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
  if quantize:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16] if quantize == 'float16' else []
  try:
    return converter.convert()
  except Exception as error:  # the converter's own class is private, and its text pages long
    steps = str(jax.make_jaxpr(what.function)(*what.specs()))
    missing = sorted({*re.findall(LACKS, steps)}) or ['something']
    raise UserError(
      f'TFLite has no operator for {listing(missing)}, which {what.title} computes: export .onnx or '
      '.stablehlo.'
    ) from error


def answers(content: bytes, what: Signature, inputs) -> tuple[np.ndarray, str] | None:
  """(outputs, name of the runtime), an image at a time; None where ai-edge-litert is not installed."""
  try:
    import ai_edge_litert
    from ai_edge_litert.interpreter import Interpreter
  except ImportError:
    return None
  interpreter = Interpreter(model_content=content)
  interpreter.allocate_tensors()
  places = {place['name'].split(':')[0]: place['index'] for place in interpreter.get_input_details()}
  (out,) = interpreter.get_output_details()
  rows = []
  for i in range(len(inputs[0])):
    for name, array in zip(what.inputs, inputs, strict=True):
      interpreter.set_tensor(places[name], array[i : i + 1])
    interpreter.invoke()
    rows.append(interpreter.get_tensor(out['index']))
  return np.concatenate(rows), f'LiteRT {ai_edge_litert.__version__}'
