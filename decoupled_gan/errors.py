"""The ways a run ends badly, each told in one sentence."""


class UserError(Exception):
  """What was asked cannot be done: says what was asked, what exists, and what to try. Exit code 2."""


class RunError(Exception):
  """A run that began well cannot go on (full disk, diverged losses). Exit code 1."""


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
