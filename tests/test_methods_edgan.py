"""ED//GAN: the facts' gradient table, independent trajectories, ED+GAN, losses, running averages."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import avatars, facades, terrain_pairs, utkface
from decoupled_gan import data
from decoupled_gan.core import routing, state
from decoupled_gan.core.images import to_float
from decoupled_gan.core.step import forward, make_train_step, play
from decoupled_gan.errors import UserError
from decoupled_gan.losses.adversarial import logistic
from decoupled_gan.machine import sharding
from decoupled_gan.run import experiment

jax.config.update('jax_numpy_rank_promotion', 'raise')


def small(config):
  config.data.source, config.data.path = 'fake', ''
  config.data.num_threads = 0
  config.image_size = 16
  config.batch_size = 4
  config.model.width = 4
  return config


FORMS = {'labelled': utkface, 'aligned': facades}
EACH_FORM = ('labelled', pytest.param('aligned', marks=pytest.mark.slow))


def make(form, variant='', **fields):
  config = small(FORMS[form].get_config(variant))
  config.update_from_flattened_dict(fields)
  return experiment.build(config)


def batch_of(run):
  return to_float(next(data.train_batches(data.load(run.config, run.method.batch), run.config)))


# Everything is compiled, and without optimisation: compiling is what costs here.


def quick_step(run):
  function = make_train_step(run.gan, run.phases, run.optimizers, run.copies, run.config.seed)
  return sharding.jit(function, quick=True, static_argnums=2)


def call(run, method, current, *inputs, **options):
  """`method` of the run's networks on inputs, as in inference unless `mutable` says otherwise."""
  apply = sharding.jit(lambda v, *x: run.gan.apply(v, *x, method=method, **options), quick=True)
  return apply({'params': current.params, **current.stats}, *inputs)


def gradients(run, phase, current, batch):
  """{loss: {group: whether any of its gradients is not exactly zero}} for all groups."""

  @functools.partial(sharding.jit, quick=True)
  def measure(current, batch):
    losses, pullback, _ = forward(phase, run.gan, current, run.groups, batch, jax.random.key(0))
    found = {x: pullback({**dict.fromkeys(losses, 0.0), x: 1.0}) for x in losses}
    return {
      x: {g: jnp.stack([leaf.any() for leaf in jax.tree.leaves(row[g])]).any() for g in row}
      for x, row in found.items()
    }

  return jax.tree.map(bool, measure(current, batch))


# The gradient table of the facts. 1: flows; 0: exactly zero; None: flows, and the table holds it back.
LABELLED = {
  ('reconstruct', 'l1'): {'encoder': 1, 'decoder': 1},
  ('judge', 'adversarial'): {'discriminator': 1},
  ('judge', 'latent'): {'latent_discriminator': 1},
  ('refine', 'adversarial'): {'residual': 1, 'discriminator': None},
}
ALIGNED = {
  ('reconstruct', 'l1'): {'generator': 1},
  ('judge', 'adversarial'): {'discriminator': 1},
  ('refine', 'adversarial'): {'residual': 1, 'discriminator': None},
}


@pytest.mark.row('edgan', 'edgan_labelled')
@pytest.mark.parametrize(
  ('form', 'table'),
  [('labelled', LABELLED), pytest.param('aligned', ALIGNED, marks=pytest.mark.slow)],
)
def test_every_zero_of_the_gradient_table_is_exactly_zero(form, table):
  run = make(form)
  batch, initial = batch_of(run), run.create_state()
  seen = set()
  for phase in {phase.name: phase for phase in run.phases}.values():
    for loss, flows in gradients(run, phase, initial, batch).items():
      row = table[phase.name, loss]
      assert {group for group, flowing in flows.items() if flowing} == set(row), (phase.name, loss)
      assert set(phase.weights[loss]) == {g for g, cell in row.items() if cell}
      seen.add((phase.name, loss))
  assert seen == set(table)


def test_the_labelled_form_plays_the_residual_twice_on_the_same_batch():
  run, step, _ = reference('labelled')
  assert [phase.name for phase in run.phases] == ['reconstruct', 'judge', 'refine', 'refine']
  after, _ = step(run.create_state(), batch_of(run), routing.active(run.phases, 0))
  counts = {g: int(jax.tree.leaves(after.opt[g])[0]) for g in run.groups}
  assert counts == {
    'encoder': 1, 'decoder': 1, 'discriminator': 1, 'latent_discriminator': 1, 'residual': 2
  }  # fmt: skip


def trained(run, step, fresh=(), steps=3):
  """The state after some steps; the groups in `fresh` start from another seed."""
  current = run.create_state()
  if fresh:
    other = experiment.build(run.config.copy_and_resolve_references())
    other.config.seed += 1
    other = other.create_state()
    params = {g: (other if g in fresh else current).params[g] for g in run.groups}
    current = current.replace(params=params)
  batches = data.train_batches(data.load(run.config, run.method.batch), run.config)
  for _ in range(steps):
    current, _ = step(current, next(batches), routing.active(run.phases, 0))
  return jax.tree.map(np.asarray, current)


@functools.cache
def reference(form):
  """(run, its step, the state after some steps)."""
  run = make(form)
  step = quick_step(run)
  return run, step, trained(run, step)


def differs(a, b) -> bool:
  return bool((np.asarray(a) != b).any())


def assert_same_reconstruction(form, other):
  run, _, expected = reference(form)
  for group in run.config.routes.reconstruct.l1:
    for tree in ('params', 'opt'):
      jax.tree.map(
        np.testing.assert_array_equal, getattr(expected, tree)[group], getattr(other, tree)[group]
      )


@pytest.mark.parametrize('form', EACH_FORM)
def test_the_adversarial_weight_changes_the_residual_and_not_a_bit_of_the_reconstruction(form):
  run = make(form, **{'routes.refine.adversarial.residual': 100.0})
  other = trained(run, quick_step(run))
  assert_same_reconstruction(form, other)
  changed = jax.tree.map(differs, reference(form)[2].params, other.params)
  assert any(jax.tree.leaves(changed['residual']))


@pytest.mark.parametrize('group', ['discriminator', 'residual'])
@pytest.mark.parametrize('form', EACH_FORM)
def test_another_discriminator_or_residual_changes_not_a_bit_of_the_reconstruction(form, group):
  run, step, expected = reference(form)
  other = trained(run, step, fresh=(group,))
  assert_same_reconstruction(form, other)
  changed = jax.tree.map(differs, expected.params, other.params)
  assert all(any(jax.tree.leaves(changed[g])) for g in ('discriminator', 'residual'))


@pytest.mark.parametrize('form', EACH_FORM)
def test_coupled_is_one_decoder_trained_by_both_losses_at_once(form):
  run = make(form, 'coupled')
  assert 'residual' not in run.groups
  reconstruct = run.phases[0]
  rebuilding = set(run.config.routes.reconstruct.l1)
  assert {loss: set(row) for loss, row in reconstruct.weights.items()} == {
    'l1': rebuilding, 'adversarial': rebuilding
  }  # fmt: skip
  batch, initial = batch_of(run), run.create_state()
  flows = gradients(run, reconstruct, initial, batch)
  assert all(flows[loss][group] for loss in ('l1', 'adversarial') for group in rebuilding)
  assert run.phases[-1].weights == {}
  _, losses = play(run.phases[-1], run.gan, run.optimizers, initial, batch, jax.random.key(0))
  assert losses == {}


@pytest.mark.slow
def test_the_adversarial_weight_matters_to_the_coupled_decoder():
  states = []
  for weight in (1e-3, 1.0):
    row = {'encoder': weight, 'decoder': weight}
    run = make('labelled', 'coupled', **{'routes.reconstruct.adversarial': row})
    states.append(trained(run, quick_step(run), steps=2))
  changed = jax.tree.map(differs, *[s.params['decoder'] for s in states])
  assert any(jax.tree.leaves(changed))


def test_losses_at_logits_of_zero_are_those_of_the_facts():
  zero = jnp.zeros((3, 1))
  assert float(logistic(zero, True)) == pytest.approx(0.693147, abs=1e-6)
  assert float(logistic(zero, True) + logistic(zero, False)) == pytest.approx(1.386294, abs=1e-6)


def test_real_and_fake_are_judged_in_batches_of_their_own():
  """The loss is that of the logits of each batch alone, whose statistics are its own."""
  run = make('labelled', **{'routes.judge': {'adversarial': {'discriminator': 1.0}}})
  batch, initial = batch_of(run), run.create_state()
  training = {'mutable': list(initial.stats)}
  fake, _ = call(run, 'generate', initial, batch, **training)
  (real_logits, _), (fake_logits, _) = (
    call(run, 'judge', initial, batch, images, **training) for images in (batch.x, fake)
  )
  losses, _ = call(run, run.phases[1].ask, initial, batch, **training)
  expected = logistic(real_logits, True) + logistic(fake_logits, False)
  np.testing.assert_allclose(losses['adversarial'], expected, rtol=1e-5)
  joint, _ = call(run, 'judge', initial, jax.tree.map(lambda x: jnp.concatenate([x, x]), batch),
                  jnp.concatenate([batch.x, fake]), **training)  # fmt: skip
  assert not np.allclose(joint[:4], real_logits, atol=1e-3)


def test_running_averages_move_in_training_and_make_inference_independent_of_the_batch():
  run, _, after = reference('labelled')
  initial = run.create_state()
  for group in ('residual', 'discriminator', 'latent_discriminator'):
    moved = jax.tree.map(
      lambda a, b: bool((np.asarray(a) != b).any()),
      initial.stats['batch_stats'][group], after.stats['batch_stats'][group],
    )  # fmt: skip
    assert all(jax.tree.leaves(moved)), group
  batch = batch_of(run)
  together = call(run, run.method.edit, after, batch.x, batch.labels)
  alone = call(run, run.method.edit, after, batch.x[:1], batch.labels[:1])
  np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_the_output_is_the_sum_of_both_paths_and_nothing_clips_it():
  run = make('labelled')
  initial, batch = run.create_state(), batch_of(run)

  def paths(gan, batch):
    rebuilt, code = gan.rebuild(batch)
    return gan.generate(batch), rebuilt, gan.correct(batch, code)

  made, rebuilt, residual = call(run, paths, initial, batch)
  np.testing.assert_allclose(made, rebuilt + residual, atol=1e-6)


def test_samples_show_every_value_of_every_attribute():
  run = make('labelled')
  variables = state.inference_variables(run.create_state())
  columns = jax.eval_shape(run.sampler(), variables, batch_of(run))
  assert list(columns)[:4] == ['input', 'rebuilt', 'residual', 'sum']
  assert list(columns)[4:] == [f'age={a}' for a in utkface.AGES] + ['gender=male', 'gender=female']


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'image_size': 100}, 'image_size=100 .* power of two'),
    ({'attributes.gender': ('only',)}, 'names for two values or more'),
    ({'routes.judge.latent.latent_discriminator': 0.0}, "nothing trains .* 'latent_discriminator'"),
  ],
)
def test_fields_that_do_not_fit_are_told(change, message):
  with pytest.raises(UserError, match=message):
    make('labelled', **change)


@pytest.mark.parametrize('module', [utkface, facades, avatars, terrain_pairs])
def test_an_unknown_variant_is_told_with_those_there_are(module):
  with pytest.raises(UserError, match=r"no variant and no data set 'x'; .* are decoupled, coupled"):
    module.get_config('x')
