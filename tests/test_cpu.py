"""What XLA is told on the CPU: options where they are known."""

import jax
import jax.numpy as jnp

from decoupled_gan.machine import cpu


def test_compiler_options_are_accepted_here_and_dropped_where_unknown(monkeypatch):
  options = cpu.compiler_options()
  if jax.default_backend() == 'cpu':
    assert jax.jit(lambda: jnp.ones(()), compiler_options=options)() == 1
  monkeypatch.setattr(cpu, '_OPTIONS', {'xla_cpu_no_such_option': 'x'})
  assert cpu.compiler_options.__wrapped__() == {}

