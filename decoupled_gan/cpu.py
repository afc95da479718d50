"""What XLA is told where the CPU is the device.

Compiler options belong to one jitted function. Flags belong to the process, and are read once, when
JAX looks for its devices.
"""

import functools
import os

import jax
import jax.numpy as jnp

_OPTIONS = {
  'xla_cpu_experimental_ynn_fusion_type': (
    'LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE'
  )
}
_FLAG = '--xla_backend_extra_options'


@functools.cache
def compiler_options():
  """Options for `jax.jit(..., compiler_options=...)` on the CPU; {} where they are unknown.

  jaxlib 0.10 runs convolutions by YNNPACK, which is slower than Eigen by up to a factor of 4 at
  these shapes. The option lists what YNNPACK may keep; its name changes from version to version.
  """
  try:
    cpu = jax.local_devices(backend='cpu')[0]
    with jax.default_device(cpu):
      jax.jit(lambda: jnp.zeros(()), compiler_options=_OPTIONS)().block_until_ready()
  except RuntimeError:  # unknown to this jaxlib, or there is no CPU backend
    return {}
  return dict(_OPTIONS)


def set_flags():
  """Adds to XLA_FLAGS what only a flag can say. To be called before JAX has looked for devices.

  Loops over the same arrays are fused into one with several results: Adam then passes once over its
  moments and parameters rather than three times, and the step compiles in three quarters of the
  time. Names that a version of XLA does not know are ignored, and so is the CPU's on other devices.
  Whoever sets the same flag keeps their own.
  """
  flags = os.environ.get('XLA_FLAGS', '')
  if _FLAG not in flags:
    os.environ['XLA_FLAGS'] = f'{flags} {_FLAG}=xla_cpu_use_multi_output_fusion=true'.strip()
