"""Official arrays of the translators (tests/fixtures/p10_*.npz) as runs of ours."""

import dataclasses
import functools
import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from decoupled_gan.core import routing
from decoupled_gan.core.images import to_float
from decoupled_gan.core.state import clock
from decoupled_gan.core.step import make_train_step
from decoupled_gan.core.types import Aligned, Pair
from decoupled_gan.interop import layouts, translators
from decoupled_gan.machine import sharding
from decoupled_gan.methods.translate.cut import CUT
from decoupled_gan.methods.translate.munit import MUNIT
from decoupled_gan.run import experiment

FIXTURES = Path(__file__).parent / 'fixtures'


def nchw(x):
  return np.asarray(x).transpose(0, 3, 1, 2)


def relative(ours, theirs):
  """The largest difference over the largest value."""
  ours = np.asarray(ours)
  assert ours.shape == theirs.shape
  return np.abs(ours - theirs).max() / np.abs(theirs).max()


class Official:
  """One fixture: its arrays, and our run of its architecture.

  Args:
    name: of tests/fixtures/p10_<name>.npz.
    recipe: with its words.
    fields: of the config that the tensors do not tell.
    networks: the official ones.
  """

  def __init__(self, name, recipe, networks, **fields):
    with np.load(FIXTURES / f'p10_{name}.npz') as arrays:
      self.arrays = dict(arrays)
    module, _, words = recipe.partition(':')
    self.config = importlib.import_module(f'configs.{module}').get_config(f'{words},tiny'.lstrip(','))
    self.config.num_steps = 100
    self.config.optimizer.decay_start_step = -1  # a constant rate
    self.config.update_from_flattened_dict(fields)
    self.networks = networks
    self.form = translators.FORMATS[self.config.method]
    self.form.configure(self.dicts('before'), self.config)

  def dicts(self, when):
    """{network: state dict} 'before' or 'after' the two steps."""
    return {
      network: {
        key.removeprefix(f'{when}/{network}/'): x
        for key, x in self.arrays.items()
        if key.startswith(f'{when}/{network}/')
      }
      for network in self.networks
    }

  def variables(self, when):
    """Our variables of the official tensors; networks that the fixture leaves out are left out."""
    dicts = {name: tensors for name, tensors in self.dicts(when).items() if tensors}
    return layouts.read(dicts, {n: t for n, t in self.form.tables(self.config).items() if n in dicts})

  @functools.cached_property
  def run(self):
    run = experiment.build(self.config)
    fields = {f.name: getattr(run.gan, f.name) for f in dataclasses.fields(run.gan) if f.init}
    fields.pop('parent', None)
    drawn = {CUT: Drawn, MUNIT: Styled}.get(type(run.gan))
    return dataclasses.replace(run, gan=drawn(**fields, arrays=Held(self.arrays))) if drawn else run

  @property
  def batch(self):
    kind = Aligned if self.config.method == 'pix2pix' else Pair
    return kind(self.arrays['a_uint8'], self.arrays['b_uint8'])

  def state(self):
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), self.run.abstract_state())
    state = translators.filled(zeros, self.variables('before'), self.run)
    return jax.tree.map(jnp.array, state)  # copies: the step reuses their buffers

  @functools.cached_property
  def trained(self):
    """(state after two steps, the losses of each)."""
    run = self.run
    step = make_train_step(run.gan, run.phases, run.optimizers, run.copies, seed=0)
    step = sharding.jit(step, quick=True, static_argnums=2)
    state, losses = self.state(), []
    for _ in range(2):
      state, logs = step(state, self.batch, routing.active(run.phases, 0))
      losses.append({name: float(value) for name, value in logs.items()})
    return jax.tree.map(np.asarray, state), losses

  def evaluated(self, function, training=False):
    """function(gan, real) by the official parameters, compiled; what trains may change statistics."""
    variables = self.variables('before')
    names = [name for name in variables if name != 'params'] if training else False

    def forward(variables, batch):
      found = self.run.gan.apply(variables, to_float(batch), method=function, mutable=names)
      return found[0] if names else found

    return jax.tree.map(np.asarray, sharding.jit(forward, quick=True)(variables, self.batch))

  def off(self, ours, when='after', collection='params'):
    """{path: largest absolute difference} between ours and the official variables."""
    theirs = flatten_dict(self.variables(when)[collection], sep='/')
    ours = flatten_dict(ours, sep='/')
    return {path: np.abs(ours[path] - x).max() for path, x in theirs.items()}


class Held(dict):
  """Arrays that a module can carry: hashable by identity."""

  __hash__ = object.__hash__


class Drawn(CUT):
  """CUT with the official draws of each step."""

  arrays: Held = None

  def flip(self):
    return jnp.asarray(self.arrays['flips'])[clock(self)]

  def places(self, loss, areas):
    calls = 2 if len(self.arrays['patch_ids']) == 4 else 1
    number = calls * clock(self) + (loss == 'nce_identity')
    return list(jnp.asarray(self.arrays['patch_ids'])[number])


class Styled(MUNIT):
  """MUNIT with the official styles of each step and phase."""

  arrays: Held = None
  traced = [0]

  def prior(self, images):
    phase = self.traced[0] % 2  # a step is traced once: discriminate, then translate
    self.traced[0] += 1
    return Pair(*jnp.asarray(self.arrays['styles'])[clock(self), phase])
