"""What a compiled program's text (HLO) tells: its collectives, and buffers that layouts make larger."""

import math
import re
from collections import Counter
from dataclasses import dataclass

_BYTES = {'pred': 1, 's8': 1, 'u8': 1, 'bf16': 2, 'f16': 2, 's32': 4, 'u32': 4, 'f32': 4, 's64': 8,
          'u64': 8, 'f64': 8}  # fmt: skip
_SHAPE = re.compile(r'(\w+)\[([\d,]*)\](?:\{([\d,]*)(?::T\((\d+),(\d+)\))?)?')
_COLLECTIVE = re.compile(
  r' = (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\('
)


@dataclass(frozen=True)
class Buffer:
  """A shape as a program names it, such as f32[8,256,256,3]; sizes in bytes."""

  shape: str
  size: int
  padded: int

  @property
  def waste(self) -> int:
    return self.padded - self.size


def collectives(text: str) -> dict[str, tuple[int, int]]:
  """{'all-reduce': (how many, bytes in all)} of what the devices exchange in one run."""
  counts, sizes = Counter(), Counter()
  for line in text.splitlines():
    if match := _COLLECTIVE.search(line):
      result, kind = match.groups()
      counts[kind] += 1
      sizes[kind] += sum(buffer.size for buffer in buffers(result))
  return {kind: (counts[kind], sizes[kind]) for kind in sorted(counts)}


def padded_buffers(text: str, least: int = 2**20) -> list[tuple[Buffer, int]]:
  """(buffer, how often it is made), where tiles waste at least `least` bytes; the worst first.

  Only results of instructions of the entry computation count: what fusions make inside never leaves
  the chip's registers.
  """
  entry = text[text.find('\nENTRY ') :]
  made = Counter()
  for line in entry.splitlines():
    _, equals, rest = line.partition(' = ')
    if equals:
      made.update(buffer for buffer in buffers(rest[: _end_of_type(rest)]) if buffer.waste >= least)
  return sorted(made.items(), key=lambda item: -item[0].waste * item[1])


def buffers(text: str) -> list[Buffer]:
  """Every shape in a piece of text."""
  found = []
  for kind, dimensions, order, rows, columns in _SHAPE.findall(text):
    if kind not in _BYTES:
      continue
    sizes = [int(n) for n in dimensions.split(',') if n]
    physical = list(sizes)
    if rows and len(sizes) > 1:  # the two minor dimensions are cut into tiles of rows x columns
      minor, second = (int(i) for i in order.split(',')[:2])
      physical[minor] = _multiple(sizes[minor], int(columns))
      physical[second] = _multiple(sizes[second], int(rows))
    of = _BYTES[kind]
    found.append(Buffer(f'{kind}[{dimensions}]', of * math.prod(sizes), of * math.prod(physical)))
  return found


def _end_of_type(text: str) -> int:
  """Where the type that `text` starts with, perhaps a tuple of types, ends."""
  depth = 0
  for i, character in enumerate(text):
    depth += (character in '({[') - (character in ')}]')
    if character == ' ' and depth == 0:
      return i
  return len(text)


def _multiple(size: int, of: int) -> int:
  return -(-size // of) * of
