"""The persistent compilation cache: a program is compiled once, not at every start of a run.

jax keys an entry by the program, its compiler options, the versions and the kind of device. Nothing is
ever removed from the folder, and what lies in it is run: keep it where only you can write.
*Where we differ* from jax's own default: it is on; and on the CPU, whose programs are machine code for
one processor while its key says no more than 'cpu', each kind of processor has a folder of its own.
"""

import hashlib
import platform
from pathlib import Path

import jax

from decoupled_gan.machine import paths

LEAST_SECONDS = 0.2  # to compile, of a program that is kept


def keep(name: str, workdir: Path):
  """Keeps compiled programs in the folder `name`, config.compilation_cache; before the first one.

  The folder is beside the workdir unless it is absolute; '' keeps none. JAX_COMPILATION_CACHE_DIR in
  the environment has the last word.
  """
  if not name or jax.config.jax_compilation_cache_dir:
    return
  elsewhere = name.startswith('~') or Path(name).is_absolute() or '://' in name
  folder = paths.get(name) if elsewhere else workdir.parent / name
  if jax.default_backend() == 'cpu':
    folder = folder / f'cpu-{_processor()}'
  jax.config.update('jax_compilation_cache_dir', str(folder))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', LEAST_SECONDS)


def _processor() -> str:
  """A short name for what machine code this processor takes."""
  try:
    told = Path('/proc/cpuinfo').read_text()
    features = sorted({x for x in told.splitlines() if x.startswith(('flags', 'Features'))})
  except OSError:  # not Linux
    features = [platform.processor()]
  text = ' '.join([platform.machine(), *features])
  return hashlib.sha256(text.encode()).hexdigest()[:8]
