"""Primitives of JAX as operators of ONNX, opset 18: RULES[primitive](graph, equation, names) -> name.

A primitive of several results gives a list of names.
"""

import string
from collections.abc import Callable

import numpy as np

RULES: dict[str, Callable] = {}
FAR = -(2**62)  # an end that a Slice going backwards never reaches


class Graph:
  """Operators in order, and constants by name."""

  def __init__(self):
    self.nodes: list[tuple[str, list[str], str, dict]] = []
    self.constants: dict[str, np.ndarray] = {}

  def name_of(self, x) -> str:
    """The name of a value: its own, or of the constant that it becomes."""
    if isinstance(x, str):
      return x
    name = f'constant_{len(self.constants)}'
    array = np.asarray(x)
    self.constants[name] = np.array(array, order='C')
    return name

  def op(self, kind: str, *inputs, **attributes) -> str:
    """Adds an operator of names and arrays; the name of its output."""
    return self.named(kind, f'{kind.lower()}_{len(self.nodes)}', *inputs, **attributes)

  def named(self, kind: str, name: str, *inputs, **attributes) -> str:
    self.nodes.append((kind, [self.name_of(x) for x in inputs], name, attributes))
    return name


ALIKE = {
  'add': 'Add', 'add_any': 'Add', 'sub': 'Sub', 'mul': 'Mul', 'div': 'Div', 'max': 'Max', 'min': 'Min',
  'exp': 'Exp', 'log': 'Log', 'tanh': 'Tanh', 'sqrt': 'Sqrt', 'neg': 'Neg', 'abs': 'Abs', 'sin': 'Sin',
  'cos': 'Cos', 'floor': 'Floor', 'ceil': 'Ceil', 'sign': 'Sign', 'pow': 'Pow', 'erf': 'Erf',
  'logistic': 'Sigmoid', 'ge': 'GreaterOrEqual', 'gt': 'Greater', 'le': 'LessOrEqual', 'lt': 'Less',
  'eq': 'Equal', 'and': 'And', 'or': 'Or', 'not': 'Not', 'stop_gradient': 'Identity', 'copy': 'Identity',
  'copy_p': 'Identity',
}  # fmt: skip
"""Those that are one operator of the same inputs."""


def rule(*names: str) -> Callable:
  """Registers what primitives become."""

  def register(function):
    RULES.update(dict.fromkeys(names, function))
    return function

  return register


def _alike(kind: str) -> Callable:
  return lambda graph, equation, ins: graph.op(kind, *ins)


RULES.update({name: _alike(kind) for name, kind in ALIKE.items()})


def integers(*values) -> np.ndarray:
  return np.array(values, np.int64)


def shape(equation, which: int = 0) -> tuple[int, ...]:
  return equation.invars[which].aval.shape


def made_shape(equation) -> tuple[int, ...]:
  return equation.outvars[0].aval.shape


@rule('ne')
def _(graph, equation, ins):
  return graph.op('Not', graph.op('Equal', *ins))


@rule('erfc')
def _(graph, equation, ins):
  return graph.op('Sub', np.float32(1), graph.op('Erf', ins[0]))


@rule('split')
def _(graph, equation, ins):
  sizes, axis = equation.params['sizes'], integers(equation.params['axis'])
  ends = np.cumsum(sizes)
  return [
    graph.op('Slice', ins[0], integers(end - size), integers(end), axis)
    for size, end in zip(sizes, ends, strict=True)
  ]


@rule('square')
def _(graph, equation, ins):
  return graph.op('Mul', ins[0], ins[0])


@rule('rsqrt')
def _(graph, equation, ins):
  return graph.op('Reciprocal', graph.op('Sqrt', ins[0]))


@rule('round')
def _(graph, equation, ins):
  if equation.params['rounding_method'].name != 'TO_NEAREST_EVEN':
    raise NotImplementedError('rounding halves away from zero')
  return graph.op('Round', ins[0])


@rule('log1p')
def _(graph, equation, ins):
  return graph.op('Log', graph.op('Add', ins[0], np.float32(1)))


@rule('expm1')
def _(graph, equation, ins):
  return graph.op('Sub', graph.op('Exp', ins[0]), np.float32(1))


@rule('integer_pow')
def _(graph, equation, ins):
  return graph.op('Pow', ins[0], np.float32(equation.params['y']))


@rule('clamp')
def _(graph, equation, ins):
  low, x, high = ins
  return graph.op('Min', graph.op('Max', x, low), high)


@rule('convert_element_type')
def _(graph, equation, ins):
  from onnx.helper import np_dtype_to_tensor_dtype

  return graph.op('Cast', ins[0], to=np_dtype_to_tensor_dtype(np.dtype(equation.params['new_dtype'])))


@rule('select_n')
def _(graph, equation, ins):
  chosen, *cases = ins
  if len(cases) != 2 or equation.invars[0].aval.dtype != np.bool_:
    raise NotImplementedError('select_n of more than two cases')
  return graph.op('Where', chosen, cases[1], cases[0])


@rule('reshape', 'squeeze', 'expand_dims')
def _(graph, equation, ins):
  return graph.op('Reshape', ins[0], integers(*made_shape(equation)))


@rule('transpose')
def _(graph, equation, ins):
  return graph.op('Transpose', ins[0], perm=list(equation.params['permutation']))


@rule('broadcast_in_dim')
def _(graph, equation, ins):
  wanted = made_shape(equation)
  between = [1] * len(wanted)
  for axis, size in zip(equation.params['broadcast_dimensions'], shape(equation), strict=True):
    between[axis] = size
  x = graph.op('Reshape', ins[0], integers(*between))
  return x if tuple(between) == wanted else graph.op('Expand', x, integers(*wanted))


@rule('slice')
def _(graph, equation, ins):
  p, axes = equation.params, range(len(shape(equation)))
  steps = p['strides'] or [1] * len(axes)
  starts, ends = integers(*p['start_indices']), integers(*p['limit_indices'])
  return graph.op('Slice', ins[0], starts, ends, integers(*axes), integers(*steps))


@rule('rev')
def _(graph, equation, ins):
  axes = equation.params['dimensions']
  backwards = integers(*[-1] * len(axes))
  return graph.op('Slice', ins[0], backwards, integers(*[FAR] * len(axes)), integers(*axes), backwards)


@rule('concatenate')
def _(graph, equation, ins):
  axis = equation.params['dimension']
  parts = [x for i, x in enumerate(ins) if shape(equation, i)[axis]]  # ONNX mistakes the empty ones
  return parts[0] if len(parts) == 1 else graph.op('Concat', *parts, axis=axis)


@rule('stack')
def _(graph, equation, ins):
  p = equation.params
  axis = p['axis'] if 'axis' in p else p['dimension']
  return graph.op('Concat', *[graph.op('Unsqueeze', x, integers(axis)) for x in ins], axis=axis)


@rule('tile')
def _(graph, equation, ins):
  return graph.op('Tile', ins[0], integers(*equation.params['reps']))


@rule('reduce_sum')
def _(graph, equation, ins):
  return graph.op('ReduceSum', ins[0], integers(*equation.params['axes']), keepdims=0)


@rule('reduce_max')
def _(graph, equation, ins):
  return graph.op('ReduceMax', ins[0], integers(*equation.params['axes']), keepdims=0)


@rule('reduce_min')
def _(graph, equation, ins):
  return graph.op('ReduceMin', ins[0], integers(*equation.params['axes']), keepdims=0)


@rule('argmax')
def _(graph, equation, ins):
  from onnx import TensorProto

  (axis,) = equation.params['axes']
  return graph.op('Cast', graph.op('ArgMax', ins[0], axis=axis, keepdims=0), to=TensorProto.INT32)


@rule('gather')
def _(graph, equation, ins):
  """Rows of a table, as an embedding takes them."""
  numbers, sizes = equation.params['dimension_numbers'], equation.params['slice_sizes']
  table, indices = shape(equation), shape(equation, 1)
  rows = (
    numbers.start_index_map == (0,)
    and numbers.collapsed_slice_dims == (0,)
    and tuple(sizes) == (1, *table[1:])
    and numbers.offset_dims == tuple(range(len(indices) - 1, len(indices) + len(table) - 2))
  )
  if not rows:
    raise NotImplementedError('a gather that does not take rows')
  return graph.op('Gather', ins[0], graph.op('Reshape', ins[1], integers(*indices[:-1])), axis=0)


@rule('pad')
def _(graph, equation, ins):
  low, high, inner = zip(*equation.params['padding_config'], strict=True)
  x, sizes = ins[0], list(shape(equation))
  for axis, count in enumerate(inner):
    x = _dilated(graph, x, sizes, axis, count, ins[1])
  return _padded(graph, x, sizes, low, high, ins[1])


@rule('dot_general')
def _(graph, equation, ins):
  (left, right), (left_batch, right_batch) = equation.params['dimension_numbers']
  letters = iter(string.ascii_lowercase)
  names = [[''] * len(shape(equation)), [''] * len(shape(equation, 1))]
  out = ''
  for i, j in zip(left_batch, right_batch, strict=True):
    names[0][i] = names[1][j] = next(letters)
    out += names[0][i]
  for i, j in zip(left, right, strict=True):
    names[0][i] = names[1][j] = next(letters)
  for side in names:
    for i, name in enumerate(side):
      if not name:
        side[i] = next(letters)
        out += side[i]
  return graph.op('Einsum', *ins, equation=f'{"".join(names[0])},{"".join(names[1])}->{out}')


@rule('conv_general_dilated')
def _(graph, equation, ins):
  p = equation.params
  numbers = p['dimension_numbers']
  if p['batch_group_count'] != 1:
    raise NotImplementedError('a convolution grouped over its batch')
  x = graph.op('Transpose', ins[0], perm=list(numbers.lhs_spec))
  kernel = graph.op('Transpose', ins[1], perm=list(numbers.rhs_spec))
  sizes, zero = [shape(equation)[i] for i in numbers.lhs_spec], np.float32(0)
  low, high = (list(side) for side in zip(*p['padding'], strict=True))
  for axis, factor in enumerate(p['lhs_dilation'], 2):
    x = _dilated(graph, x, sizes, axis, factor - 1, zero)
  if min(low + high) < 0:  # which Conv does not know
    cut = ([0, 0, *[min(side, 0) for side in sides]] for sides in (low, high))
    x = _padded(graph, x, sizes, *cut, zero)
    low, high = ([max(side, 0) for side in sides] for sides in (low, high))
  y = graph.op(
    'Conv', x, kernel, strides=list(p['window_strides']), dilations=list(p['rhs_dilation']),
    pads=[*low, *high], group=p['feature_group_count'],
  )  # fmt: skip
  return graph.op('Transpose', y, perm=list(np.argsort(numbers.out_spec)))


@rule('reduce_window_sum')
def _(graph, equation, ins):
  p = equation.params
  window = p['window_dimensions']
  average = _pooled('AveragePool', graph, p, ins[0], count_include_pad=1)
  return graph.op('Mul', average, np.float32(np.prod(window)))


@rule('reduce_window_max')
def _(graph, equation, ins):
  return _pooled('MaxPool', graph, equation.params, ins[0])


def _pooled(kind: str, graph: Graph, p, x: str, **attributes) -> str:
  """A window over the two middle axes of [B, H, W, C]."""
  window, strides, padding = p['window_dimensions'], p['window_strides'], p['padding']
  plain = set(p['base_dilation']) | set(p['window_dilation']) == {1}
  if len(window) != 4 or (window[0], window[3]) != (1, 1) or not plain:
    raise NotImplementedError('a window that is not over height and width')
  x = graph.op('Transpose', x, perm=[0, 3, 1, 2])
  pads = [padding[1][0], padding[2][0], padding[1][1], padding[2][1]]
  x = graph.op(
    kind, x, kernel_shape=list(window[1:3]), strides=list(strides[1:3]), pads=pads, **attributes
  )
  return graph.op('Transpose', x, perm=[0, 2, 3, 1])


def _dilated(graph: Graph, x: str, sizes: list[int], axis: int, count: int, fill) -> str:
  """`count` fills between neighbours along an axis: behind each one, the last ones cut off again."""
  if not count:
    return x
  rank = len(sizes) + 1
  pads = [0] * (2 * rank)
  pads[rank + axis + 1] = count
  x = graph.op('Reshape', x, integers(*sizes[: axis + 1], 1, *sizes[axis + 1 :]))
  x = graph.op('Pad', x, integers(*pads), fill)
  sizes[axis] *= count + 1
  x = graph.op('Reshape', x, integers(*sizes))
  sizes[axis] -= count
  return graph.op('Slice', x, integers(0), integers(sizes[axis]), integers(axis))


def _padded(graph: Graph, x: str, sizes: list[int], low, high, fill) -> str:
  """Edges grown, or cut where negative; `sizes` follow."""
  if any(side > 0 for side in (*low, *high)):
    pads = integers(*[max(side, 0) for side in (*low, *high)])
    x = graph.op('Pad', x, pads, fill)
  for axis, (first, last) in enumerate(zip(low, high, strict=True)):
    sizes[axis] += max(first, 0) + max(last, 0)
  if any(side < 0 for side in (*low, *high)):
    starts = integers(*[max(-side, 0) for side in low])
    ends = integers(*[size - max(-side, 0) for size, side in zip(sizes, high, strict=True)])
    x = graph.op('Slice', x, starts, ends, integers(*range(len(sizes))))
    for axis, (first, last) in enumerate(zip(low, high, strict=True)):
      sizes[axis] += min(first, 0) + min(last, 0)
  return x
