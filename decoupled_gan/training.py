"""Training from a Python program or a notebook: `dg.train('quickstart', workdir='runs/q')`."""

import copy
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from decoupled_gan import recipe_files
from decoupled_gan.errors import UserError


def recipes() -> dict[str, str]:
  """{name of a recipe: what it is}."""
  return dict(recipe_files.titles())


def train(
  recipe: str | ConfigDict,
  workdir: str | os.PathLike,
  changes: Mapping[str, Any] | None = None,
  on_sample: Callable[[int, Path], None] | None = None,
  **fields: Any,
):
  """Trains a run, or goes on with one; returns its Model.

  Interrupting the cell, or Ctrl-C, saves and returns; the same call goes on.

  Args:
    recipe: '<name>[:words]' or a path, as --config takes it; or a config.
    changes: {'data.path': 'photos', ...}: fields by their dotted names.
    on_sample: (step, path of the grid), called whenever one was written; a notebook shows it.
    fields: as `changes`, of the top level: num_steps=200.

  Raises UserError for a recipe or a field that there is not, and what training raises.
  """
  config = changed(config_of(recipe), {**(changes or {}), **fields})
  from decoupled_gan.machine import compilation
  from decoupled_gan.model import load
  from decoupled_gan.modes import train as mode
  from decoupled_gan.run.workdir import Workdir

  folder = Workdir(workdir)
  compilation.keep(config.compilation_cache, folder.path)
  mode.train(config, folder, on_sample)
  return load(workdir)


def config_of(recipe: str | ConfigDict) -> ConfigDict:
  """The config of a recipe by name or path; a config as a copy of itself."""
  if isinstance(recipe, ConfigDict):
    return copy.deepcopy(recipe)  # fields that follow from others, such as half of num_steps, still do
  recipe_files.make_importable()
  return recipe_files.load(recipe)


def changed(config: ConfigDict, changes: Mapping[str, Any]) -> ConfigDict:
  """`config` with other values of some fields; raises UserError for one that there is not."""
  for name, value in changes.items():
    *above, last = name.split('.')
    try:
      holder = functools.reduce(lambda found, part: found[part], above, config)
      known = isinstance(holder, ConfigDict) and last in holder
    except (KeyError, TypeError):
      known = False
    if not known:
      raise UserError(f'the config has no field {name!r}: its fields are printed when a run starts.')
    try:
      config.update_from_flattened_dict({name: value})
    except TypeError as error:
      raise UserError(f'{name}={value!r} is of another kind than the field ({error}).') from None
  return config
