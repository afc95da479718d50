"""Several processes as one run: who takes part, what they agree on, what is told when one is lost.

One process a host, all with the same command. Each sees all devices of the run in `jax.devices()`,
feeds its own, and must start the same computations in the same order as the others: what one of them
alone decides is therefore exchanged here before it is acted upon. jax's coordination service (its
heartbeats) ends all processes when one is lost; the next start goes on from the last checkpoint.
With one process everything here is free and does nothing.
"""

import atexit
import contextlib
import glob
import json
import os
import subprocess
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from decoupled_gan.errors import LostProcess, RunError, UserError, how_to_install, installed, listing
from decoupled_gan.machine import sharding

JOIN_SECONDS = 300  # how long a process waits for the others to start
HEARTBEAT_SECONDS = 30  # without one a process counts as lost
SHUTDOWN_SECONDS = 60  # how long the first to be done waits for the others
LOSS = ('gloo', 'coordination', 'heartbeat', 'unavailable', 'connection reset', 'connection closed')
"""What errors say, in lower case, when a computation's other end has gone."""
_FLAGS = '--coordinator=host:port --process_id=i --num_processes=n'
_ALONE = '--coordinator=:0 --process_id=0 --num_processes=1 is one alone'
AGAIN = 'Run the same command again in all of them to go on from the last checkpoint.'


def start(coordinator: str = '', process_id: int | None = None, num_processes: int | None = None):
  """Joins the run's other processes: those of the flags, else those that the environment tells of.

  Does nothing on a machine of its own. To be called before jax looks for devices.

  Args:
    coordinator: 'host:port' of process 0, where the processes find each other.
    process_id: 0 .. num_processes - 1.
    num_processes: how many there are.

  Raises:
    UserError: the three do not come together, or do not fit; the others cannot be found.
  """
  _check(coordinator, process_id, num_processes)
  cluster = '' if coordinator else _cluster()
  if num_processes == 1 or not (coordinator or cluster):
    return
  if cluster == 'Kubernetes' and not installed('kubernetes'):
    raise UserError(  # jax would only warn, and every pod would train on its own
      "this is a pod of an indexed Kubernetes Job; to find the run's others, jax needs the package "
      f'kubernetes ({how_to_install("k8s")}) and a service account that may read pods. Or give '
      f'{_FLAGS}; {_ALONE}.'
    )
  # SIGTERM is ours: train.Interruption also knows SIGINT, and tells every process.
  jax.config.update('jax_enable_preemption_service', False)
  jax.config.update('jax_cpu_collectives_implementation', 'gloo')
  where = f'--coordinator={coordinator}' if coordinator else f'of {cluster}, by the environment'
  unjoined = (
    f'the processes of the run ({where}) could not be joined within {JOIN_SECONDS} seconds: start the '
    f'same command in all of them, with {_FLAGS} if the environment does not tell; {_ALONE}.'
  )
  _Witness.call(unjoined)
  given = dict(coordinator_address=coordinator, process_id=process_id, num_processes=num_processes)
  try:
    jax.distributed.initialize(
      **(given if coordinator else {}),
      initialization_timeout=JOIN_SECONDS,
      heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
      shutdown_timeout_seconds=SHUTDOWN_SECONDS,
    )
  except (RuntimeError, ValueError) as error:
    _Witness.dismiss()
    if cluster == 'TPU' and 'coordinator_address should be defined' in str(error):
      return  # a TPU VM without others
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
    raise UserError(f'{unjoined} ({reason})') from error
  _Witness.call(
    f'process {jax.process_index()} of {jax.process_count()} was ended from outside, or because '
    f'another process of this run was lost, whose own log tells why. {AGAIN}'
  )
  sys.excepthook = _unexpected


def _unexpected(*error):
  """What nobody expected ends this process at once: it would wait for the others, and they for it."""
  sys.__excepthook__(*error)
  leave(1)


def _check(coordinator: str, process_id: int | None, num_processes: int | None):
  given = {
    '--coordinator=host:port': coordinator or None,
    '--process_id=i': process_id,
    '--num_processes=n': num_processes,
  }
  missing = [flag for flag, value in given.items() if value is None]
  if 0 < len(missing) < len(given):
    raise UserError(f'{listing(given)} come together: {listing(missing)} is missing.')
  if missing:
    return
  if not coordinator.rpartition(':')[2].isdigit():
    raise UserError(f'--coordinator={coordinator} has no port: host:port, as in 10.0.0.2:1234.')
  if not 0 <= process_id < num_processes:
    raise UserError(
      f'--process_id={process_id} must be one of 0 .. {num_processes - 1}: --num_processes='
      f'{num_processes}.'
    )


def _cluster() -> str:
  """What may hold other processes of this run, for `jax.distributed` to look for; '' if nothing.

  It would find more than a run: a single SLURM task, or a notebook in a pod of Kubernetes, where it
  warns or fails. A TPU VM is asked whenever there are chips, since only its metadata tell.
  """
  has = os.environ
  if _whole('SLURM_NTASKS') > 1 and 'SLURM_PROCID' in has:
    return 'SLURM'
  if _whole('OMPI_COMM_WORLD_SIZE') > 1:
    return 'MPI'
  if _has_tpu():
    hosts = has.get('TPU_PROCESS_ADDRESSES') or has.get('TPU_WORKER_HOSTNAMES')
    alone = hosts is not None and ',' not in hosts and _whole('MEGASCALE_NUM_SLICES') == 1
    return '' if alone else 'TPU'
  if 'KUBERNETES_SERVICE_HOST' in has and 'JOB_COMPLETION_INDEX' in has:
    return 'Kubernetes'
  return ''


def _whole(name: str) -> int:
  """A number of the environment, 1 if it is not there."""
  value = os.environ.get(name, '1')
  if not value.isdecimal():
    raise UserError(f'the environment has {name}={value!r}, which is no whole number: mend or unset it.')
  return int(value)


def _has_tpu() -> bool:
  """Whether this machine has TPU chips and jax may use them."""
  if 'tpu' not in os.environ.get('JAX_PLATFORMS', 'tpu') or not installed('libtpu'):
    return False
  return bool(glob.glob('/dev/accel*') or glob.glob('/dev/vfio/[0-9]*'))


def main() -> bool:
  """Whether this is the process that writes the run's files and its log."""
  return jax.process_index() == 0


def gather(value) -> list:
  """The `value` of every process (anything that JSON can hold), in their order; all must call it."""
  if jax.process_count() == 1:
    return [value]
  data = np.frombuffer(json.dumps(value).encode(), np.uint8)
  sizes = multihost_utils.process_allgather(np.int32(len(data)))
  room = 1 << max(10, int(sizes.max() - 1).bit_length())  # few sizes, so that few are compiled
  rows = multihost_utils.process_allgather(np.pad(data, (0, room - len(data))))
  return [json.loads(bytes(row[:size])) for row, size in zip(rows, sizes, strict=True)]


@contextlib.contextmanager
def together():
  """What goes wrong within in one process is raised in all: none waits for one that is gone.

  All processes must come to its end, unless they fail.
  """
  error = None
  try:
    yield
  except (UserError, RunError) as caught:
    error = caught
  told = gather(error and str(error))
  if error:
    raise error
  for process, sentence in enumerate(told):
    if sentence:
      raise UserError(f'process {process}: {sentence}')


def lead(mesh, work: Callable, act: Callable):
  """The result of `work(act)`, which process 0 alone does; but all take part in each `act(...)`.

  For what needs the computations of all devices and the decisions of one process. `work` computes on
  the devices of process 0, `act` on the mesh.

  Args:
    act: its arguments, and the result of `work`, are such as JSON can hold.
  """
  if jax.process_count() == 1:
    return work(act)
  if not main():
    while 'act' in (order := gather(None)[0]):
      act(*order['act'])
    if 'error' in order:
      raise RunError(f'process 0: {order["error"]}')
    return order['result']

  def everywhere(*arguments):
    with jax.set_mesh(mesh):
      gather({'act': arguments})
      return act(*arguments)

  with jax.set_mesh(sharding.make_mesh(jax.local_devices())):
    try:
      result = work(everywhere)
    except (UserError, RunError) as error:
      with jax.set_mesh(mesh):
        gather({'error': str(error)})
      raise
  gather({'result': result})
  return result


class Vote:
  """Agrees on a number without waiting for it: an all-reduce, read one call later."""

  def __init__(self, mesh):
    self._mesh, self._pending = mesh, None
    self._largest = jax.jit(jnp.max, out_shardings=sharding.replicated(mesh))

  def __call__(self, number: int) -> int:
    """The largest `number` of all processes at the call before; with one process, `number`."""
    if jax.process_count() == 1:
      return number
    ballot = np.full(jax.local_device_count(), number, np.int32)
    pending = self._pending
    self._pending = self._largest(sharding.shard_batch(self._mesh, ballot))
    return 0 if pending is None else int(pending)


@contextlib.contextmanager
def telling_losses():
  """Turns what a computation raises when another process has gone into one sentence."""
  try:
    yield
  except (UserError, RunError):
    raise
  except Exception as error:
    text = str(error).strip()
    if jax.process_count() == 1 or not any(word in text.lower() for word in LOSS):
      raise
    reason = ' '.join(text.split())[:200]
    raise LostProcess(
      f'process {jax.process_index()} of {jax.process_count()} stops, for another process of this '
      f'run was lost ({reason}); its own log tells why. {AGAIN}'
    ) from error


def leave(code: int):
  """Ends this process at once with an exit code, without waiting for others that may be lost."""
  if not _Witness.process:
    sys.exit(code)
  _Witness.dismiss()
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


class _Witness:
  """A small process that tells in one sentence when this one was ended from outside.

  When a process is lost, jax's runtime aborts the others from a thread of its own; Python is not
  asked. The witness reads a pipe: a line if all is well, nothing if its writer has gone.
  """

  process = None

  @classmethod
  def call(cls, sentence: str):
    """Instead of the one before, if there is one."""
    cls.dismiss()
    cls.process = subprocess.Popen(
      ['sh', '-c', 'read -r _ || echo "error: $0" >&2', sentence],
      stdin=subprocess.PIPE,
      start_new_session=True,  # Ctrl-C in the terminal is not for it
    )
    atexit.register(cls.dismiss)

  @classmethod
  def dismiss(cls):
    """All is well, or has been told."""
    process, cls.process = cls.process, None
    if process is not None:
      process.communicate(b'\n')
