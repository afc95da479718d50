"""What a run will need: the compiler's figures, read from real programs, and its refusals."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from decoupled_gan.errors import RunError, UserError
from decoupled_gan.machine import hlo, topology
from decoupled_gan.machine.topology import Topology
from decoupled_gan.modes import plan

HERE = Path(__file__).parent
ON_TPUS = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import toy
from decoupled_gan import methods
from decoupled_gan.modes import plan

methods.METHODS['toy'] = toy.METHOD
config = toy.get_config()
config.update({fields})
plan.plan(config, 'v5e:2x2', fast=True)
"""


class Memory:
  """A stand-in for the compiler: what a batch per chip needs, of 15.75 GiB."""

  def __init__(self, gib):
    self.gib, self.asked = gib, []

  def __call__(self, config, chips, fast):
    batch = config.batch_size // len(chips)
    self.asked.append(batch)
    if self.gib(batch) > 15.75:
      raise plan.DoesNotFit(self.gib(batch), 15.75)
    return [plan.Program('all', 1, 1, 1, int(self.gib(batch) * 2**30), 1.0, 1.0, {}, [], 0.0, 0.0)]


def test_the_plan_for_the_devices_at_hand_has_a_column_for_each_set_of_phases(toy, capsys, tmp_path):
  toy.every.judge = 4
  plan.plan(toy, 'local', output=str(tmp_path / 'plan.json'))
  shown = capsys.readouterr().out
  assert 'batch 2 each' in shown
  header = next(line for line in shown.splitlines() if line.startswith('┃'))
  assert re.search(r'┃ paint \(75% of steps\) +┃ judge paint \(25% of steps\) +┃', header)
  for name in ('arguments, GiB', 'peak, GiB', 'work, TFLOP', 'memory traffic, GB', 'compile time, s'):
    assert name in shown
  assert 'floor' not in shown  # nobody knows the speed of these
  written = json.loads((tmp_path / 'plan.json').read_text())
  assert (written['topology'], written['chips'], written['batch_per_chip']) == ('local', 1, 2)
  assert {p['phases']: p['share'] for p in written['programs']} == {'paint': 0.75, 'judge paint': 0.25}
  assert all(p['flops'] > 0 and p['peak'] > p['arguments'] // 2 > 0 for p in written['programs'])


def test_a_batch_that_the_chips_do_not_divide_is_rounded_up_and_told(toy, capsys, monkeypatch):
  monkeypatch.setattr(topology, 'find', lambda name: Topology(name, jax.devices()[:1] * 2, None))
  monkeypatch.setattr(plan, 'compile_step', lambda config, *_: [])
  toy.batch_size = 3
  plan.plan(toy, 'twice')
  assert 'batch_size=3 is not divisible by 2 chips: planned for 4.' in capsys.readouterr().out
  assert toy.batch_size == 3


def test_what_does_not_fit_is_told_with_both_sizes_and_the_largest_batch_that_does(toy, monkeypatch):
  monkeypatch.setattr(plan, 'compile_step', Memory(lambda batch: 3.1 * batch))
  toy.batch_size = 8
  with pytest.raises(RunError, match=r'does not fit: .* 24\.80 of 15\.75 GiB .*--largest_batch'):
    plan.plan(toy, 'local')
  with pytest.raises(RunError, match='the largest batch per chip that fits is 5'):
    plan.plan(toy, 'local', largest_batch=True)


@pytest.mark.parametrize(
  'gib, largest, compilations',
  [
    (lambda batch: 3 + 0.1 * batch, 127, 6),
    (lambda batch: 20 + batch, 0, 4),
    (lambda batch: 15.75 if batch < 3000 else 16, 2999, 25),  # as a compiler that frees what it must
    (lambda batch: 1, 4096, 11),
    (lambda batch: 1 + 1e-6 * batch**2, 3840, 20),
    (lambda batch: 14 + 0.1 * math.sqrt(batch), 306, 20),
  ],
)
def test_the_largest_batch_is_found_in_few_compilations(toy, monkeypatch, gib, largest, compilations):
  memory = Memory(gib)
  monkeypatch.setattr(plan, 'compile_step', memory)
  toy.batch_size = 4
  chips = Topology('one', jax.devices()[:1], topology.CHIPS['v5e'])
  assert plan.largest(toy, chips, fast=False) == largest
  assert len(memory.asked) == len(set(memory.asked)) <= compilations, memory.asked


@pytest.mark.parametrize('topology', ['v9:2x2', 'v5litepod-8', ''])
def test_an_unknown_topology_names_the_chips_there_are(toy, topology, monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda _: object())
  with pytest.raises(UserError, match=r'such as v5e:2x4 .*the chips are v4, v5e, v5p, v6e'):
    plan.plan(toy, topology)


def test_without_libtpu_the_extra_is_named(toy, monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda _: None)
  with pytest.raises(UserError, match=r"needs libtpu.*pip install 'decoupled_gan\[aot\]'"):
    plan.plan(toy, 'v5e:2x2')


def on_tpus(**fields):
  """The finished process that plans the toy for a slice of TPUs."""
  pytest.importorskip('libtpu', reason='the compiler for TPUs is in the extra aot')
  return subprocess.run(
    [sys.executable, '-c', ON_TPUS.format(tests=str(HERE), root=str(HERE.parent), fields=fields)],
    env=os.environ | {'JAX_PLATFORMS': 'cpu'}, capture_output=True, text=True, check=False,
  )  # fmt: skip


@pytest.mark.slow
def test_the_plan_for_a_slice_of_tpus_has_the_collectives_and_the_floors():
  done = on_tpus(batch_size=8)
  assert done.returncode == 0, done.stderr[-3000:]
  for part in ('v5e:2x2: 4 chip(s), batch 2 each', 'all-reduce', 'of 16', 'floor by traffic', '--fast'):
    assert part in done.stdout, part
  assert 'WARNING' not in done.stderr  # libtpu's, about machines that are no TPU


@pytest.mark.slow
def test_the_compiler_for_tpus_tells_what_does_not_fit():
  done = on_tpus(batch_size=4000, image_size=1024)
  assert re.search(
    r'RunError: does not fit: batch_size=4000 on v5e:2x2 needs \d+\.\d\d of 15\.75 GiB', done.stderr
  ), done.stderr[-3000:]


# The text of programs.


def test_collectives_of_a_sharded_program_are_counted_with_their_sizes():
  text = '\n'.join([
    '  %all-reduce.1 = f32[8,4]{1,0:T(8,128)} all-reduce(%x), channel_id=1',
    '  %b = (f32[16]{0}, bf16[2,2]{1,0}) all-reduce-start(%y, %z), channel_id=2',
    '  %done = (f32[16]{0}, bf16[2,2]{1,0}) all-reduce-done(%b)',
    '  %g = f32[4]{0} all-gather(%w), dimensions={0}',
    '  %add = f32[8,4]{1,0} add(%x, %all-reduce.1)',
  ])  # fmt: skip
  expected = {'all-gather': (1, 16), 'all-reduce': (2, 128 + 64 + 8)}
  assert hlo.collectives(text) == expected


def test_tiles_pad_the_two_minor_dimensions():
  (image,) = hlo.buffers('f32[1,256,256,3]{3,2,1,0:T(8,128)}')
  assert (image.size, image.padded) == (256 * 256 * 3 * 4, 256 * 256 * 128 * 4)
  (turned,) = hlo.buffers('f32[1,256,256,3]{2,1,3,0:T(8,128)}')
  assert turned.waste == 0
  assert hlo.buffers('f32[]{:T(128)} token[]')[0].size == 4


def test_padded_buffers_are_results_of_the_entry_computation_and_the_worst_comes_first():
  text = '\n'.join([
    '%fused {',
    '  %inside = f32[9,999,3]{2,1,0:T(8,128)} add(%a, %b)',
    '}',
    '',
    'ENTRY %main {',
    '  %p = f32[4,512,3]{2,1,0:T(8,128)} fusion(f32[9,999,3]{2,1,0:T(8,128)} %q)',
    '  %r = (f32[8,512,3]{2,1,0:T(8,128)}, s32[]{:T(128)}) fusion(%p)',
    '  %s = f32[4,512,3]{2,1,0:T(8,128)} negate(%p)',
    '  %t = f32[64,128,128]{2,1,0:T(8,128)} fusion(%p)',
    '}',
  ])  # fmt: skip
  found = [(buffer.shape, count) for buffer, count in hlo.padded_buffers(text, least=1000)]
  assert sorted(found) == [('f32[4,512,3]', 2), ('f32[8,512,3]', 1)]


def test_the_sizes_of_a_real_program_are_read_from_its_text():
  text = jax.jit(lambda x: x @ x).lower(jnp.ones((64, 64))).compile().as_text()
  assert ('f32[64,64]', 64 * 64 * 4) in [(b.shape, b.size) for b in hlo.buffers(text)]
