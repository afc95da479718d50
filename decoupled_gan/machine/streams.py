"""Standard output and error that never end a run: any path can be printed, nobody needs to listen."""

import os
import sys


class Deaf:
  """A text stream whose other end may go: what cannot be written any more is lost, and no error.

  A run whose terminal was closed has steps to save; `recipes | head` has been read as far as anybody
  wanted.
  """

  def __init__(self, stream):
    self._stream = stream

  def __getattr__(self, name):
    return getattr(self._stream, name)

  def write(self, text: str) -> int:
    try:
      return self._stream.write(text)
    except (OSError, ValueError):  # a closed terminal or pipe; a closed stream
      self._forget()
      return len(text)

  def writelines(self, lines):
    for line in lines:
      self.write(line)

  def flush(self):
    try:
      self._stream.flush()
    except (OSError, ValueError):
      self._forget()

  def _forget(self):
    """Lets what is left, in buffers too, go nowhere."""
    try:
      nowhere = os.open(os.devnull, os.O_WRONLY)
      os.dup2(nowhere, self._stream.fileno())
      os.close(nowhere)
    except (OSError, ValueError):
      pass


def make_safe():
  """Lets sys.stdout and sys.stderr print names that their encoding lacks, and survive their readers."""
  for name in ('stdout', 'stderr'):
    stream = getattr(sys, name)
    if stream is None or isinstance(stream, Deaf):
      continue
    if hasattr(stream, 'reconfigure'):
      stream.reconfigure(errors='backslashreplace')
    setattr(sys, name, Deaf(stream))


def hush_closed_loops():
  """Says nothing of calls into an event loop that has gone.

  Where a checkpoint cannot be written, orbax closes its loop, and each array whose write is still under
  way prints a traceback of that into the sentence that tells what happened.
  """
  before = sys.unraisablehook

  def hook(told):
    if not (told.exc_type is RuntimeError and str(told.exc_value) == 'Event loop is closed'):
      before(told)

  sys.unraisablehook = hook
