"""What XLA is told where the CPU is the device."""

import functools

import jax
import jax.numpy as jnp

_OPTIONS = {
  'xla_cpu_experimental_ynn_fusion_type': (
    'LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE'
  )
}


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
