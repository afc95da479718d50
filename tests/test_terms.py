"""The scene that terms share, and what the generic method does with a table."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from configs import gan as recipe
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.methods import gan as method
from decoupled_gan.run import experiment
from decoupled_gan.terms import TERMS
from decoupled_gan.terms.scenes import Scene


class Counting(nn.Module):
  """A discriminator that counts its calls, as spectral norms would."""

  inner: nn.Module

  @nn.compact
  def __call__(self, x, labels=None):
    calls = self.variable('averages', 'calls', jnp.zeros, ())
    if self.is_mutable_collection('averages') and not self.is_initializing():
      calls.value += 1
    return self.inner(x, labels)


def config_of(words='ring8,tiny', **fields):
  config = recipe.get_config(words)
  config.update_from_flattened_dict(fields)
  return config


def batch_of(config, count=8):
  size = config.vector_size or config.image_size
  shape = (count, size) if config.vector_size else (count, size, size, config.image_channels)
  x = jax.random.uniform(jax.random.key(3), shape, minval=-1)
  return Examples(x)


def losses_of(config, phase='discriminate', key=0):
  run = experiment.build(config)
  state = run.create_state()
  (chosen,) = [p for p in run.phases if p.name == phase]
  apply = run.gan.apply(
    state.variables(), batch_of(config), method=chosen.ask, mutable=list(state.stats),
    rngs={'noise': jax.random.key(key)},
  )  # fmt: skip
  return apply[0]


def points(**fields):
  return config_of('tiny,ring8', **{'model.width': 8, 'model.depth': 2, **fields})


def test_another_row_changes_no_other_loss_by_one_bit():
  config = points()
  alone = losses_of(config)
  for name in ('r1', 'r2', 'gradient_penalty'):
    config.routes.discriminate[name] = {'discriminator': 1.0}
  together = losses_of(config)
  assert set(together) == {'adversarial', 'r1', 'r2', 'gradient_penalty'}
  assert float(together['adversarial']) == float(alone['adversarial'])
  del config.routes.discriminate.r1
  assert float(losses_of(config)['gradient_penalty']) == float(together['gradient_penalty'])


@pytest.mark.parametrize(('adversarial', 'calls'), [('hinge', 1), ('relativistic', 2)])
def test_a_generators_loss_calls_the_discriminator_on_what_it_looks_at_and_no_more(
  adversarial, calls
):
  config = points(**{'losses.adversarial': adversarial})
  run = experiment.build(config)
  gan = run.gan.copy(discriminator=Counting(run.gan.discriminator))
  batch = batch_of(config)
  (generate,) = [p for p in run.phases if p.name == 'generate']
  variables = gan.init(jax.random.key(0), batch, method=lambda g, b: [p.ask(g, b) for p in run.phases])
  _, after = gan.apply(
    variables, batch, method=generate.ask, mutable=['averages'], rngs={'noise': jax.random.key(1)}
  )
  assert after['averages']['discriminator']['calls'] == calls


def test_a_penalty_leaves_the_discriminators_statistics_as_they_are():
  config = points(**{'routes.discriminate': {'r1': {'discriminator': 1.0}, 'adversarial': {}}})
  run = experiment.build(config)
  gan = run.gan.copy(discriminator=Counting(run.gan.discriminator))
  phase = run.phases[0]
  batch = batch_of(config)
  variables = gan.init(jax.random.key(0), batch, method=phase.ask)
  _, after = gan.apply(
    variables, batch, method=phase.ask, mutable=['averages'], rngs={'noise': jax.random.key(1)}
  )
  assert after['averages']['discriminator']['calls'] == 2, 'real and fake, for the adversarial loss'


def test_fakes_are_constants_where_the_discriminator_learns_and_only_there():
  config = points()
  run = experiment.build(config)
  state, batch = run.create_state(), batch_of(config)

  def fake(frozen):
    def total(generator):
      variables = state.variables({'generator': generator})
      made = run.gan.apply(
        variables, batch, method=lambda g, b: Scene(g, b, frozen).fake, rngs={'noise': jax.random.key(0)}
      )
      return made.sum()

    return jax.grad(total)(state.params['generator'])

  assert not any(x.any() for x in jax.tree.leaves(fake(True)))
  assert any(x.any() for x in jax.tree.leaves(fake(False)))


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'losses.adversarial': 'hing'}, r"losses.adversarial='hing' is unknown; there are non_saturating"),
    ({'model.backbone': 'dcgn'}, r"model.backbone='dcgn' is unknown; there are mlp, dcgan"),
    ({'model.backbone': 'dcgan'}, r'dcgan makes squares .* for points there is mlp'),
    ({'model.head': 'projection'}, r"model.head='projection' needs labels"),
    ({'losses.r9': {'a': 1}}, r'losses.r9: there is no such term; there are .*gradient_penalty'),
    ({'losses.drift': {'a': 1}}, r'losses.drift.a: drift has no such constant; it has none'),
    (
      {'losses.gradient_penalty': {'slop': 1}},
      r'losses.gradient_penalty.slop: gradient_penalty has no such constant; it has slope',
    ),
    (
      {'routes.discriminate.gradient_penalti': {'discriminator': 1.0}},
      r"names the loss 'gradient_penalti', .* it has adversarial, .*gradient_penalty",
    ),
  ],
)
def test_what_does_not_fit_is_told(fields, message):
  config = points()
  with config.unlocked():
    config.update_from_flattened_dict(fields)
  with pytest.raises(UserError, match=message):
    experiment.build(config)


def test_the_generic_method_never_says_a_techniques_name_and_stays_small():
  import inspect

  source = inspect.getsource(method)
  assert source.count('\n') <= 200
  names = {name for terms in TERMS.values() for name in terms}
  assert not [name for name in names if f"'{name}'" in source]
