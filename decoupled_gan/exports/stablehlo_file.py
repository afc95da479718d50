"""StableHLO, as `jax.export` writes it: any number of images, on CPUs, GPUs and TPUs, by jax alone.

  from jax import export
  f = export.deserialize(bytearray(open('dog.stablehlo', 'rb').read()))
  images = f.call(batch)                       # float32 [B, H, W, C] in -1..1

jax promises to read such files for six months, by later versions (its docs, "compatibility guarantees").
"""

import io
import subprocess
import sys

import jax
import numpy as np
from jax import export

from decoupled_gan.errors import RunError
from decoupled_gan.exports.signature import Signature

PLATFORMS = ('cpu', 'cuda', 'tpu')
READER = """
import io, sys
import numpy as np
from jax import export
size = int.from_bytes(sys.stdin.buffer.read(8), 'little')
f = export.deserialize(bytearray(sys.stdin.buffer.read(size)))
arrays = np.load(io.BytesIO(sys.stdin.buffer.read()))
out = io.BytesIO()
np.save(out, np.asarray(f.call(*[arrays[str(i)] for i in range(len(arrays.files))])))
sys.stdout.buffer.write(out.getvalue())
"""
"""A process that knows jax and numpy only."""


def made(what: Signature) -> bytes:
  """The file's content; the number of images is left open."""
  (batch,) = export.symbolic_shape('b')
  exported = export.export(jax.jit(what.function), platforms=PLATFORMS)(*what.specs(batch))
  return bytes(exported.serialize())


def answers(content: bytes, what: Signature, inputs) -> tuple[np.ndarray, str]:
  """(outputs, name of the runtime) of a fresh process."""
  del what
  arrays = io.BytesIO()
  np.savez(arrays, **{str(i): x for i, x in enumerate(inputs)})
  sent = len(content).to_bytes(8, 'little') + content + arrays.getvalue()
  done = subprocess.run(
    [sys.executable, '-c', READER], input=sent, capture_output=True, check=False, timeout=600
  )
  if done.returncode:
    last = (done.stderr.decode(errors='replace').strip().splitlines() or ['no reason given'])[-1]
    raise RunError(f'a fresh process with jax alone cannot run the file: {last}')
  return np.load(io.BytesIO(done.stdout)), 'a fresh process with jax alone'
