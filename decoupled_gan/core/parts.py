"""Groups finer than a network: parameters that are routed, optimized and counted on their own.

`config.parts = {'head': 'discriminator/head/*', 'affines': 'generator/*affine*'}`: what a pattern
matches (of the path of a parameter, '/' between its names; `*` matches '/' too) leaves its network and
is a group of its own. The first part that matches has it. Without parts nothing here does anything.
"""

import fnmatch
from collections.abc import Mapping
from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict

from decoupled_gan.errors import UserError, listing

Parts = tuple[tuple[str, str], ...]
"""((group, pattern), ...), hashable."""


def parse(parts: Mapping[str, str]) -> Parts:
  """`config.parts` in the order of its writing."""
  return tuple(parts.items())


def split(params: Mapping[str, Any], parts: Parts) -> dict[str, Any]:
  """{network: parameters} -> {group: parameters}; a part's are flat, by their path.

  Raises UserError if a pattern matches nothing, or a part is called like a network.
  """
  if not parts:
    return dict(params)
  flat, carved = flatten_dict(params, sep='/'), {}
  for group, pattern in parts:
    found = fnmatch.filter(list(flat), pattern)
    if group in params:
      raise UserError(f'parts.{group}: a network is called so; give the part another name.')
    if not found:
      raise UserError(
        f'parts.{group}={pattern!r} matches no parameter that is still free; there are '
        f'{listing(sorted(flat), 30)}.'
      )
    carved[group] = {path: flat.pop(path) for path in found}
  return unflatten_dict(flat, sep='/') | carved


def join(groups: Mapping[str, Any], parts: Parts) -> dict[str, Any]:
  """The inverse of `split`: parameters as the networks take them."""
  if not parts:
    return dict(groups)
  names = {group for group, _ in parts}
  flat = flatten_dict({g: x for g, x in groups.items() if g not in names}, sep='/')
  for group in names & groups.keys():
    flat |= groups[group]
  return unflatten_dict(flat, sep='/')
