"""The ways a run ends badly, each told in one sentence."""

import os
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
    install = f"pip install -e '.[{extra}]', or " if extra else ''
    if asked:
      told = f'JAX_PLATFORMS={asked}, but JAX finds no such device here'
      return UserError(f'{told}{f": {reason}" if reason else ""} ({install}unset it).')
    return UserError(f'JAX finds no device that it can use: {reason or "it gives no reason"}.')
  return None
