"""The ways a run ends badly, each told in one sentence."""

import importlib.util
import os
import sys
import traceback


class UserError(Exception):
  """What was asked cannot be done: says what was asked, what exists, and what to try. Exit code 2."""


class RunError(Exception):
  """A run that began well cannot go on (a full disk, a lost process). Exit code `code`."""

  code = 1


class Diverged(RunError):
  """Losses or parameters are no numbers any more. Its own code: starting again would not help."""

  code = 3


class LostProcess(RunError):
  """Another process of a run of several has gone: nothing that waits for it will ever come."""


def listing(names, limit=12) -> str:
  """'a, b, c and 9 more': how error messages enumerate what exists."""
  names = [str(name) for name in names]
  if not names:
    return 'none'
  if len(names) <= limit:
    return ', '.join(names)
  return ', '.join(names[:limit]) + f' and {len(names) - limit} more'


def how_to_install(extra: str) -> str:
  """What somebody types to have the packages of an extra."""
  return f"pip install 'decoupled_gan[{extra}]' (in a clone: pip install -e '.[{extra}]')"


def installed(package: str) -> bool:
  """Whether a package can be imported, told without importing it."""
  try:
    return importlib.util.find_spec(package) is not None
  except ValueError:  # a module that no file stands for
    return sys.modules.get(package) is not None


def need(what: str, package: str, extra: str):
  """Raises UserError if `what` needs a package, one of an extra, that is not installed."""
  if not installed(package):
    install = how_to_install(extra)
    raise UserError(f'{what} needs {package}, which is not installed: {install}.')


def of_environment(error: Exception) -> UserError | None:
  """What an error says in a sentence, if it comes from JAX's look at its environment and devices."""
  files = {frame.filename.replace('\\', '/') for frame in traceback.extract_tb(error.__traceback__)}
  asked = os.environ.get('JAX_PLATFORMS', '')
  reason = ' '.join(str(error).split()).partition(' (set JAX_PLATFORMS')[0]
  if isinstance(error, ValueError) and any(file.endswith('jax/_src/config.py') for file in files):
    names = sorted(name for name in os.environ if name.startswith('JAX_'))
    return UserError(f'JAX does not take what the environment says ({reason}); it has {listing(names)}.')
  if any(file.endswith('jax/_src/xla_bridge.py') for file in files):
    extra = next((x for x in ('cuda', 'tpu') if x in asked), '')
    install = f'{how_to_install(extra)}, or ' if extra else ''
    if asked:
      told = f'JAX_PLATFORMS={asked}, but JAX finds no such device here'
      return UserError(f'{told}{f": {reason}" if reason else ""} ({install}unset it).')
    return UserError(f'JAX finds no device that it can use: {reason or "it gives no reason"}.')
  return None
