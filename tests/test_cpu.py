"""What XLA is told on the CPU: options where they are known, one flag, nobody's own flag lost."""

import jax
import jax.numpy as jnp
import pytest

from decoupled_gan import cpu


def test_compiler_options_are_accepted_here_and_dropped_where_unknown(monkeypatch):
  options = cpu.compiler_options()
  if jax.default_backend() == 'cpu':
    assert jax.jit(lambda: jnp.ones(()), compiler_options=options)() == 1
  monkeypatch.setattr(cpu, '_OPTIONS', {'xla_cpu_no_such_option': 'x'})
  assert cpu.compiler_options.__wrapped__() == {}


@pytest.mark.parametrize(
  ('before', 'after'),
  [
    ('', '--xla_backend_extra_options=xla_cpu_use_multi_output_fusion=true'),
    ('--a=b', '--a=b --xla_backend_extra_options=xla_cpu_use_multi_output_fusion=true'),
    ('--xla_backend_extra_options=mine', '--xla_backend_extra_options=mine'),
  ],
)
def test_the_flag_is_added_to_others_and_yields_to_its_like(monkeypatch, before, after):
  monkeypatch.setenv('XLA_FLAGS', before)
  cpu.set_flags()
  cpu.set_flags()
  assert cpu.os.environ['XLA_FLAGS'] == after


def test_loops_over_the_same_arrays_become_one():
  """The flag has been set (conftest.py) and still means what it did: without it there are two."""

  def moments(x, m, v):
    return 0.9 * m + x, 0.9 * v + x * x

  x = jnp.ones((64, 1024))
  compiled = jax.jit(moments).lower(x, x, x).compile()
  entry = compiled.as_text().split('ENTRY')[1]
  assert entry.count('fusion(') == 1
