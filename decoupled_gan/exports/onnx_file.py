"""ONNX: the traced function walked equation by equation, one operator of ONNX or a few for each.

What does not depend on an input is computed by JAX and becomes a constant; calls within calls are
written out; what asks for the platform gets the branch for "any other". Rules are in onnx_rules.py: an
equation without one is named with the line of source that made it. No converter package is needed.
Shapes are fixed, one image at a time: onnxruntime then plans its memory once.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from decoupled_gan.errors import UserError, need
from decoupled_gan.exports.onnx_rules import RULES, Graph
from decoupled_gan.exports.signature import Signature

OPSET, IR = 18, 9  # what onnxruntime 1.17 and onnxruntime-web 1.17, of early 2024, read too
LIMIT_BYTES = 1_900_000_000  # of a protobuf file: 2 GB
CALLS = {
  'jit': 'jaxpr', 'pjit': 'jaxpr', 'closed_call': 'call_jaxpr', 'custom_jvp_call': 'call_jaxpr',
  'custom_vjp_call': 'call_jaxpr', 'custom_vjp_call_jaxpr': 'fun_jaxpr', 'remat2': 'jaxpr',
  'checkpoint': 'jaxpr',
}  # fmt: skip
"""Primitives that call a function -> the parameter that has it."""


def made(what: Signature, facts: Mapping[str, str]) -> bytes:
  """The file's content; `facts` become its metadata."""
  need('an .onnx file', 'onnx', 'onnx')
  return model_of(what.function, what.specs(), list(what.inputs), facts).SerializeToString()


def answers(content: bytes, what: Signature, inputs) -> tuple[np.ndarray, str] | None:
  """(outputs, name of the runtime), an image at a time; None where onnxruntime is not installed."""
  try:
    import onnxruntime
  except ImportError:
    return None
  session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
  rows = [
    session.run(None, {name: x[i : i + 1] for name, x in zip(what.inputs, inputs, strict=True)})[0]
    for i in range(len(inputs[0]))
  ]
  return np.concatenate(rows), f'onnxruntime {onnxruntime.__version__}'


def model_of(function, specs: Sequence, names: Sequence[str], facts: Mapping[str, str] | None = None):
  """An onnx.ModelProto that computes `function` of arrays of `specs`, called `names`.

  Raises UserError for an equation that has no rule, or weights beyond what a file holds.
  """
  import onnx
  from onnx import helper

  closed, graph = jax.make_jaxpr(function)(*specs), Graph()
  (result,) = _walk(graph, closed.jaxpr, closed.consts, list(names))
  graph.named('Identity', 'output', graph.name_of(result))
  used = {name for _, ins, *_ in graph.nodes for name in ins}
  constants = {name: x for name, x in graph.constants.items() if name in used}
  if (size := sum(x.nbytes for x in constants.values())) > LIMIT_BYTES:
    raise UserError(
      f'the weights are {size / 1e9:.1f} GB, and an .onnx file holds 2: export .stablehlo.'
    )
  kinds = {
    name: onnx.helper.np_dtype_to_tensor_dtype(np.dtype(s.dtype))
    for name, s in zip(names, specs, strict=True)
  }
  (out,) = closed.out_avals
  proto = helper.make_graph(
    [helper.make_node(kind, ins, [out], **attributes) for kind, ins, out, attributes in graph.nodes],
    'decoupled_gan',
    [helper.make_tensor_value_info(n, kinds[n], s.shape) for n, s in zip(names, specs, strict=True)],
    [helper.make_tensor_value_info('output', helper.np_dtype_to_tensor_dtype(out.dtype), out.shape)],
    [onnx.numpy_helper.from_array(x, name) for name, x in constants.items()],
  )
  model = helper.make_model(proto, opset_imports=[helper.make_opsetid('', OPSET)], ir_version=IR)
  helper.set_model_props(model, dict(facts or {}))
  onnx.checker.check_model(model)
  return model


def _walk(graph: Graph, jaxpr, consts: Sequence, arguments: Sequence) -> list:
  """Adds a jaxpr's equations to the graph; its outputs: names, or arrays where nothing led there."""
  known = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(
    zip(jaxpr.invars, arguments, strict=True)
  )

  def value(variable):
    if isinstance(variable, core.Literal):
      return jnp.asarray(variable.val, variable.aval.dtype)
    return known[variable]

  for equation in jaxpr.eqns:
    ins, name = [value(variable) for variable in equation.invars], equation.primitive.name
    if name == 'platform_index':  # ONNX is no platform of JAX: the branch for all others
      outs = [jnp.int32([x is None for x in equation.params['platforms']].index(True))]
    elif name == 'cond' and not isinstance(ins[0], str):
      branch = equation.params['branches'][int(ins[0])]
      outs = _walk(graph, branch.jaxpr, branch.consts, ins[1:])
    elif all(0 in x.aval.shape for x in equation.outvars):
      outs = [jnp.zeros(x.aval.shape, x.aval.dtype) for x in equation.outvars]
    elif not any(isinstance(x, str) for x in ins):
      outs = _computed(equation, ins)
    elif name in CALLS:
      called = equation.params[CALLS[name]]
      inner, own = (called.jaxpr, called.consts) if hasattr(called, 'consts') else (called, ())
      outs = _walk(graph, inner, own, ins)
    elif name in RULES:
      made = _ruled(graph, equation, ins)
      outs = made if isinstance(made, list) else [made]
    else:
      raise _unruled(equation)
    known.update(zip(equation.outvars, outs, strict=True))
  return [value(variable) for variable in jaxpr.outvars]


def _ruled(graph: Graph, equation, ins: Sequence) -> str | list[str]:
  """The name of what an equation's rule makes, or the names."""
  try:
    return RULES[equation.primitive.name](graph, equation, [graph.name_of(x) for x in ins])
  except NotImplementedError as error:
    raise _unruled(equation, f': {error}') from error


def _unruled(equation, why: str = '') -> UserError:
  from jax._src import source_info_util

  return UserError(
    f'{equation.primitive.name} has no rule for ONNX{why} (exports/onnx_rules.py); it was made by '
    f'{source_info_util.summarize(equation.source_info) or "JAX itself"}. Export .stablehlo, or add one.'
  )


def _computed(equation, ins: Sequence) -> list:
  """What an equation makes of constants."""
  bound = equation.primitive.get_bind_params(equation.params)
  functions, params = bound if isinstance(bound, tuple) else ((), bound)
  outs = equation.primitive.bind(*functions, *ins, **params)
  return list(outs) if equation.primitive.multiple_results else [outs]
