"""What watches over a run: the health of its losses, and signals."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

from decoupled_gan.core import state
from decoupled_gan.errors import Diverged, listing


class Health:
  """Watches the losses one step late, so that the device is never waited for.

  Args:
    patience: steps in a row whose losses are not finite, before the run stops.
    saved: of nothing -> the step of the latest checkpoint, None if there is none.
    advice: what to try then.
    finite: parameters -> whether they are finite; of several seeds, [S].
    seeds: of the run's members. What is said of one of several does not end the others.

  Attributes:
    lost: the seeds whose parameters were not finite any more when `good` was last asked.
  """

  def __init__(
    self,
    patience: int,
    saved: Callable[[], int | None] = lambda: None,
    advice: str = 'a smaller learning rate',
    finite: Callable = state.finite,
    seeds: Sequence[int] = (0,),
  ):
    self._patience, self._bad, self._pending = patience, 0, None
    self._saved, self._advice = saved, advice
    self._finite, self._seeds, self.lost = finite, seeds, ()

  def check(self, step: int, losses: Mapping[str, jax.Array]):
    """Raises Diverged once losses were not finite for `patience` steps in a row."""
    pending, self._pending = self._pending, (step, losses)
    if pending is not None:
      self._examine(*pending)

  def good(self, current: state.TrainState) -> bool:
    """Whether `current` is worth keeping: losses and all parameters are finite, of one seed at least.

    Of several seeds those that are lost are told, once.
    """
    self.finish()
    alive = np.ravel(self._finite(current.params))
    lost = tuple(seed for seed, lives in zip(self._seeds, alive, strict=True) if not lives)
    new = [seed for seed in lost if seed not in self.lost]
    if new and len(self._seeds) > 1:
      print(f'\nseed {listing(new)}: parameters are not finite any more.', file=sys.stderr, flush=True)
    self.lost = lost
    return not self._bad and bool(alive.any())

  def finish(self):
    """Examines the losses that were not yet."""
    pending, self._pending = self._pending, None
    if pending is not None:
      self._examine(*pending)

  def _examine(self, step: int, losses):
    # of several seeds one that is still finite is worth going on for
    bad = {name: np.ravel(x)[0] for name, x in losses.items() if not np.isfinite(x).any()}
    self._bad = self._bad + 1 if bad else 0
    if self._bad >= self._patience:
      name, value = next(iter(bad.items()))
      phase, loss = name.split('/')
      raise Diverged(
        f'The loss {loss!r} of the phase {phase!r} was {value} at step {step}, and losses were not '
        f'finite for {self._bad} steps in a row (nonfinite_patience). {kept(self._saved())}; try '
        f'{self._advice}.'
      )


def kept(step: int | None) -> str:
  """What there is of a run that stops, at the beginning of a sentence."""
  return 'There is no checkpoint yet' if step is None else f'The checkpoint of step {step} is kept'


class Interruption:
  """While it is entered, signals that politely end a process are noted; a second one is obeyed.

  Those that are ignored stay so: SIGHUP under nohup. Signals come to the main thread only: in another
  one nothing is noted. Where the terminal has gone nothing can be printed and that is no error.
  """

  POLITE = ('SIGTERM', 'SIGINT', 'SIGHUP', 'SIGXCPU', 'SIGUSR1', 'SIGUSR2')

  def __enter__(self):
    self.requested = 0  # the number of the signal, if there was one
    if threading.current_thread() is not threading.main_thread():
      self._before = {}
      return self
    numbers = [getattr(signal, name) for name in self.POLITE if hasattr(signal, name)]
    heeded = [s for s in numbers if signal.getsignal(s) not in (signal.SIG_IGN, None)]
    self._before = {s: signal.signal(s, self._note) for s in heeded}
    return self

  def __exit__(self, *_):
    for number, handler in self._before.items():
      signal.signal(number, handler)

  def _note(self, number, frame):
    if self.requested:
      raise KeyboardInterrupt
    self.requested = number
    name = signal.Signals(number).name
    with contextlib.suppress(OSError, ValueError, RuntimeError):
      print(f'\n{name}: saving and leaving after this step.', file=sys.stderr, flush=True)
