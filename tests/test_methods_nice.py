"""NICE-GAN against the official code, and its variants.

The reference arrays come from the official networks (tests/fixtures, float32 on a CPU): 48 px, width
4, depth 6, 2 blocks, batch 2, in the light and in the full form.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config

from configs import nice as recipe
from decoupled_gan import methods
from decoupled_gan.core import routing
from decoupled_gan.core.images import to_float
from decoupled_gan.core.state import TrainState, count
from decoupled_gan.core.step import make_train_step, play
from decoupled_gan.core.types import Pair
from decoupled_gan.errors import UserError
from decoupled_gan.interop import nice_official as official
from decoupled_gan.machine import sharding
from decoupled_gan.methods.translate import nice
from decoupled_gan.run import experiment
from decoupled_gan.run.workdir import differences

DEPTH, BLOCKS, RATE = 6, 2, 1e-4


class Reference:
  """The official code's arrays of one form, in our layout."""

  def __init__(self, form):
    file = f'{__file__.rpartition("/")[0]}/fixtures/nice_{form}.npz'
    with np.load(file) as arrays:
      self.arrays = dict(arrays)
    self.full = form == 'full'
    self.images = Pair(self.arrays['a_uint8'], self.arrays['b_uint8'])

  def config(self):
    config = tiny_config('full' if self.full else '')
    config.model.blocks = BLOCKS
    config.num_steps = 100  # constant rate
    return config

  def dicts(self, when):
    prefix = {name: f'{when}/{name}/' for name in official.NETWORKS}
    return {
      name: {k.removeprefix(p): v for k, v in self.arrays.items() if k.startswith(p)}
      for name, p in prefix.items()
    }

  def networks(self, when):
    return official.read_networks(self.dicts(when), DEPTH, BLOCKS, self.full)

  def moments(self, when, name):
    """Adam's 'exp_avg' or 'exp_avg_sq' as our parameters; the spectral vectors have none."""
    dicts = self.dicts(when)
    for optimizer, networks in [('G', ('gen2B', 'gen2A')), ('D', ('disA', 'disB'))]:
      numbers = iter(range(1000))
      for network in networks:
        for entry in official.entries(network, DEPTH, BLOCKS, self.full):
          if entry.collection == 'params':
            key = f'{when}/{optimizer}_optimizer/{next(numbers)}/{name}'
            dicts[network][entry.key] = self.arrays[key]
      assert f'{when}/{optimizer}_optimizer/{next(numbers)}/{name}' not in self.arrays
    return official.read_networks(dicts, DEPTH, BLOCKS, self.full)['params']

  def state(self, run):
    variables = self.networks('before')
    mu, nu = (self.moments('before', name) for name in ('exp_avg', 'exp_avg_sq'))
    steps = jnp.int32(self.arrays['before/G_optimizer/0/step'])
    opt = {}
    for group, start in run.abstract_state().opt.items():
      opt[group] = tuple(
        s._replace(count=steps, mu=mu[group], nu=nu[group]) if hasattr(s, 'mu') else s for s in start
      )
    state = TrainState(jnp.int32(0), variables['params'], {'spectral': variables['spectral']}, opt, {})
    return jax.tree.map(jnp.array, state)  # copies: the step reuses their buffers


def relative(ours, theirs):
  """The largest difference over the largest value."""
  ours = np.asarray(ours)
  assert ours.shape == theirs.shape
  return np.abs(ours - theirs).max() / np.abs(theirs).max()


def nchw(x):
  return np.asarray(x).transpose(0, 3, 1, 2)


@pytest.fixture(scope='module', params=['light', pytest.param('full', marks=pytest.mark.slow)])
def reference(request):
  return Reference(request.param)


@pytest.fixture(scope='module')
def run(reference):
  return experiment.build(reference.config())


def compiled(function, reference, **options):
  """As a run compiles it; the full form, for less time, without optimisation of the code."""
  return sharding.jit(function, quick=reference.full, **options)


@pytest.fixture(scope='module')
def forward(reference, run):
  """Everything that evaluation gives: latents, logits, sample columns, single translations."""

  def evaluate(variables, images):
    real, apply = to_float(images), run.gan.apply
    z, logits = apply(variables, real, method='discriminate')
    columns = apply(variables, real, method=nice.sample)
    to_b = apply(variables, real.a, 'b', method=nice.translate_images)
    to_a = apply(variables, real.b, 'a', method=nice.translate_images)
    return z, logits, columns, to_a, to_b

  evaluate = compiled(evaluate, reference)
  return jax.tree.map(np.asarray, evaluate(reference.networks('before'), reference.images))


@pytest.fixture(scope='module')
def trained(reference, run):
  """(state before, state after two steps, the losses of each)."""
  step = make_train_step(run.gan, run.phases, run.optimizers, run.copies, seed=0)
  step = compiled(step, reference, static_argnums=2)
  state, losses = reference.state(run), []
  before = jax.tree.map(np.array, state)
  for _ in range(2):
    state, logs = step(state, reference.images, routing.active(run.phases, 0))
    losses.append({name: float(value) for name, value in logs.items()})
  return before, jax.tree.map(np.asarray, state), losses


# Evaluation.


@pytest.mark.row('nice')
def test_the_official_networks_fill_exactly_our_variables(reference, run):
  ours = jax.eval_shape(run.gan.init, jax.random.key(0), to_float(reference.images))
  theirs = reference.networks('before')
  shapes = [jax.tree.map(lambda x: x.shape, tree) for tree in (ours, theirs)]
  assert shapes[0] == shapes[1]


@pytest.mark.parametrize('domain', ['a', 'b'])
def test_latents_and_all_heads_equal_the_official_ones(domain, reference, forward):
  z, logits, *_ = forward
  theirs = {
    name: reference.arrays[f'eval/dis{domain.upper()}/{name}']
    for name in ('z', 'middle', 'global', 'cam')
  }
  assert relative(nchw(getattr(z, domain)), theirs['z']) < 1e-5
  assert set(logits) == {'local', 'middle', 'global'}
  for head in ('middle', 'global'):
    assert relative(nchw(getattr(logits[head], domain)), theirs[head]) < 1e-5, head
  assert relative(getattr(logits['local'], domain), theirs['cam']) < 1e-5


@pytest.mark.parametrize('domain', ['a', 'b'])
def test_the_attention_column_is_the_official_heat_map(domain, reference, forward):
  theirs = reference.arrays[f'eval/dis{domain.upper()}/heatmap'][:, 0]
  assert relative(getattr(forward[2]['attention'], domain), theirs) < 1e-5


def test_translations_and_reconstruction_equal_the_official_ones(reference, forward):
  columns = forward[2]
  # The translation stands beside the image it was made from: column a is the image of domain b.
  assert relative(nchw(columns['translation'].a), reference.arrays['eval/a_to_b']) < 1e-5
  assert relative(nchw(columns['translation'].b), reference.arrays['eval/b_to_a']) < 1e-5
  assert relative(nchw(columns['rebuilt'].a), reference.arrays['eval/a_to_a']) < 1e-5


def test_translate_images_names_the_domain_that_is_made(reference, forward):
  *_, to_a, to_b = forward
  assert relative(nchw(to_b), reference.arrays['eval/a_to_b']) < 1e-5
  assert relative(nchw(to_a), reference.arrays['eval/b_to_a']) < 1e-5


def test_sample_columns_come_in_the_order_of_the_grid_and_begin_with_the_input(reference, forward):
  columns = forward[2]
  assert list(columns) == ['input', 'attention', 'translation', 'cycle', 'rebuilt']
  np.testing.assert_allclose(columns['input'].b, to_float(reference.images).b, atol=1e-6)
  assert {x.dtype for x in jax.tree.leaves(columns)} == {np.dtype('float32')}
  assert all(abs(columns[c].a).max() <= 1 for c in ('translation', 'cycle', 'rebuilt'))


# Training.


def test_the_losses_of_two_steps_equal_the_official_ones(reference, trained):
  for ours, theirs in zip(trained[2], reference.arrays['losses'], strict=True):
    judged, adversarial, cycle, reconstruct, total = theirs
    expected = {
      'discriminate/adversarial': judged,
      'translate/adversarial': adversarial,
      'translate/cycle': cycle,
      'translate/reconstruct': reconstruct,
    }
    assert ours == pytest.approx(expected, rel=2e-6)
    weighted = adversarial + 10 * cycle + 10 * reconstruct
    assert weighted == pytest.approx(total, rel=1e-6), 'the weights of the table'


def test_all_parameters_after_two_steps_equal_the_official_ones(reference, trained):
  """Up to the sign of Adam's step where the gradient is all but zero: 2 * 2 steps * rate at most."""
  before, after, _ = trained
  expected = reference.networks('after')['params']
  jax.tree.map(lambda x, y: np.testing.assert_equal(x.shape, y.shape), after.params, expected)
  off = jax.tree.map(lambda x, y: np.abs(x - y).ravel(), after.params, expected)
  off = np.concatenate(jax.tree.leaves(off))
  assert np.mean(off < 2e-5) > 0.999
  assert off.max() < 4 * RATE
  moved = jax.tree.map(lambda x, y: np.abs(x - y).ravel(), before.params, expected)
  moved = np.concatenate(jax.tree.leaves(moved))
  assert np.median(moved) > 1e-4, 'or the comparison would say nothing'


def test_spectral_vectors_after_two_steps_equal_the_official_ones(reference, trained):
  before, after, _ = trained
  expected = reference.networks('after')['spectral']
  off = jax.tree.map(lambda x, y: np.abs(x - y).max(), after.stats['spectral'], expected)
  assert max(jax.tree.leaves(off)) < 1e-5
  moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), before.stats['spectral'], expected)
  assert max(jax.tree.leaves(moved)) > 1e-3, 'or the comparison would say nothing'


@pytest.mark.parametrize('reference', ['light'], indirect=True)  # whose fixture has the moments
def test_adams_moments_after_two_steps_equal_the_official_ones(reference, trained):
  _, after, _ = trained
  for ours, theirs in [('mu', 'exp_avg'), ('nu', 'exp_avg_sq')]:
    expected = reference.moments('after', theirs)
    for group, state in after.opt.items():
      (adam,) = [part for part in state if hasattr(part, 'mu')]
      assert adam.count == reference.arrays['after/G_optimizer/0/step'] == 4
      off = jax.tree.map(relative, getattr(adam, ours), expected[group])
      assert max(jax.tree.leaves(off)) < 1e-4, (ours, group)


# Who moves in which phase.


@pytest.fixture(scope='module')
def tiny():
  return experiment.build(tiny_config())


def passed_through(run, phase):
  """The groups whose parameters and optimizer state the phase returns untouched.

  Read off the traced program: an output that is the very variable of its input cannot differ by a
  bit, on any platform and for any batch.
  """
  state = run.abstract_state()
  batch = jax.eval_shape(to_float, run.batch_shape)

  def function(state, batch):
    return play(phase, run.gan, run.optimizers, state, batch, jax.random.key(0))[0]

  jaxpr, out = jax.make_jaxpr(function, return_shape=True)(state, batch)
  places, treedef = jax.tree.flatten(state)
  assert jax.tree.structure(out) == treedef
  same = [a is b for a, b in zip(jaxpr.jaxpr.invars[: len(places)], jaxpr.jaxpr.outvars, strict=True)]
  same = jax.tree.unflatten(treedef, same)
  whole = {g for g in run.groups if all(jax.tree.leaves((same.params[g], same.opt[g])))}
  part = {g for g in run.groups if any(jax.tree.leaves((same.params[g], same.opt[g])))}
  assert whole == part, 'a group moves as a whole'
  return whole


def test_discriminate_moves_encoder_and_classifier_only(tiny):
  assert passed_through(tiny, tiny.phases[0]) == {'generator'}


def test_translate_moves_the_generator_only(tiny):
  assert passed_through(tiny, tiny.phases[1]) == {'encoder', 'classifier'}


def test_coupled_translate_moves_the_encoder_as_well():
  run = experiment.build(tiny_config('coupled'))
  assert [sorted(phase.groups) for phase in run.phases] == [
    ['classifier', 'encoder'],
    ['encoder', 'generator'],
  ]
  assert passed_through(run, run.phases[1]) == {'classifier'}


def test_two_steps_move_every_leaf_of_every_group(trained):
  before, after, _ = trained
  same = jax.tree.map(lambda x, y: (x == y).all(), before.params, after.params)
  assert not any(jax.tree.leaves(same))


# The objectives in literal numbers, on networks that multiply.


class Numbers:
  """A gan of scalars: encoders multiply by 2 and 3, generators by 5 and 7, heads by 1 and 10."""

  detach_fakes = True
  identity = False

  def __init__(self):
    self.images = []

  def encode(self, images):
    return Pair(2 * images.a, 3 * images.b), {}

  def discriminate(self, images, first=False):
    self.images.append(images)
    z, _ = self.encode(images)
    return z, {'local': z, 'middle': Pair(10 * z.a, 10 * z.b)}

  def generator(self, z):
    return Pair(5 * z.a, 7 * z.b)

  def generate(self, *latents):
    return [self.generator(z) for z in latents]


REAL = Pair(jnp.array([0.5]), jnp.array([1.0]))
# z = (1, 3); swapped (3, 1); fake = (15, 7); z of the fake = (30, 21); cycled = (105, 210)


def asked(offered):
  """All that an objective offers."""
  return {loss: value() if callable(value) else value for loss, value in offered.items()}


def test_discriminate_asks_for_1_on_real_and_0_on_fakes_summed_over_heads_and_domains():
  gan = Numbers()
  losses = nice.discriminate(gan, REAL)
  real = (1 - 1) ** 2 + (3 - 1) ** 2 + (10 - 1) ** 2 + (30 - 1) ** 2
  fake = 30**2 + 21**2 + 300**2 + 210**2
  assert {name: float(x) for name, x in losses.items()} == {'adversarial': real + fake}
  assert [x.item() for x in gan.images[1]] == [15, 7], 'the image of a is made from b'


def test_translate_asks_for_1_on_fakes_for_the_image_back_and_for_the_image_rebuilt():
  losses = nice.translate(Numbers(), REAL)
  del losses['identity']
  assert {name: float(x) for name, x in asked(losses).items()} == {
    'adversarial': 29**2 + 20**2 + 299**2 + 209**2,
    'cycle': (105 - 0.5) + (210 - 1),
    'reconstruct': (5 * 1 - 0.5) + (7 * 3 - 1),
  }


def test_the_identity_loss_sends_an_image_through_the_other_domains_encoder_to_its_own_generator():
  gan = Numbers()
  gan.identity = True
  losses = asked(nice.translate(gan, REAL))
  assert float(losses['identity']) == (5 * 3 * 0.5 - 0.5) + (7 * 2 * 1.0 - 1)
  assert set(losses) == {'adversarial', 'cycle', 'reconstruct', 'identity'}


@pytest.mark.parametrize('detach', [True, False])
def test_evidence_from_fakes_counts_for_their_makers_only_if_they_are_not_detached(detach):
  def loss(weight):
    gan = Numbers()
    gan.detach_fakes = detach
    gan.generator = lambda z: Pair(weight * z.a, weight * z.b)
    return nice.discriminate(gan, REAL)['adversarial']

  assert (jax.grad(loss)(1.0) == 0) == detach


def test_translate_learns_through_the_encoders_of_the_fakes():
  """Frozen is not detached: the cycle passes through the encoder it does not train."""

  def loss(weight):
    gan = Numbers()
    gan.generate = lambda *latents: [Pair(weight * z.a, weight * z.b) for z in latents]
    return nice.translate(gan, REAL)['cycle']()

  assert jax.grad(loss)(1.0) != 0


# Variants and messages.


def test_its_groups_and_phases():
  run = experiment.build(tiny_config())
  assert run.groups == ['classifier', 'encoder', 'generator']
  assert [phase.name for phase in run.phases] == ['discriminate', 'translate']


@pytest.mark.parametrize(
  ('variant', 'changed'),
  [
    ('light', {}),
    ('star', {'model.blocks': (6, 4)}),
    ('full', {'model.full': (False, True)}),
    (
      'identity',
      {'routes.translate.identity.generator': (None, 5.0)},
    ),
    ('undetached', {'model.detach_fakes': (True, False)}),
    ('no_attention', {'model.attention': (True, False)}),
    ('no_c0', {'model.heads': (['local', 'middle', 'global'], ['middle', 'global'])}),
    ('no_c1', {'model.heads': (['local', 'middle', 'global'], ['local', 'global'])}),
    ('no_c2', {'model.heads': (['local', 'middle', 'global'], ['local', 'middle'])}),
    (
      'coupled',
      {
        'routes.translate.adversarial.encoder': (None, 1.0),
        'routes.translate.cycle.encoder': (None, 10.0),
        'routes.translate.reconstruct.encoder': (None, 10.0),
      },
    ),
  ],
)
def test_a_variant_changes_what_its_name_says_and_nothing_else(variant, changed):
  assert differences(recipe.get_config(), recipe.get_config(variant)) == changed


def test_every_variant_is_listed_above():
  marks = test_a_variant_changes_what_its_name_says_and_nothing_else.pytestmark
  assert sorted([*(variant for variant, _ in marks[0].args[1]), 'tiny']) == sorted(recipe.VARIANTS)


def test_variants_combine_with_commas():
  combined = recipe.get_config('star,no_c0,no_c2')
  assert differences(recipe.get_config(), combined) == {
    'model.blocks': (6, 4),
    'model.heads': (['local', 'middle', 'global'], ['middle']),
  }


def test_an_unknown_variant_is_told_the_variants_there_are():
  with pytest.raises(
    UserError, match=r"no variant and no data set 'ligth'; variants of .* are light, star, full, ident"
  ):
    recipe.get_config('star,ligth')


@pytest.mark.parametrize(
  ('variant', 'group', 'names'),
  [
    ('no_attention', 'encoder', {'attention'}),
    ('no_c1', 'classifier', {'middle_hidden', 'middle_logits'}),
    (
      'no_c2',
      'classifier',
      {'global_trunk_0', 'global_trunk_1', 'global_hidden', 'global_logits'},
    ),
    ('no_c0', 'encoder', set()),
    ('no_attention,no_c0', 'encoder', {'attention', 'cam'}),
  ],
)
def test_an_ablation_drops_exactly_its_own_parameters(variant, group, names, tiny):
  whole = tiny.abstract_state().params
  part = experiment.build(tiny_config(variant)).abstract_state().params
  assert set(whole[group]['a']) - set(part[group]['a']) == names
  for other in set(whole) - {group}:
    assert count(whole[other]) == count(part[other])
  dropped = {name: whole[group]['a'][name] for name in names}
  assert count(whole) - count(part) == 2 * count(dropped)


def test_an_unknown_head_is_told_the_heads_there_are():
  config = tiny_config()
  config.model.heads = ('local', 'midle')
  with pytest.raises(
    UserError, match=r'model\.heads: midle is unknown; the heads are local, middle, global'
  ):
    nice.build(config)


def test_a_size_that_the_depth_cannot_take_is_told_before_anything_is_built():
  config = tiny_config()
  config.image_size = 40
  with pytest.raises(UserError, match=r'image_size=40 is too small for model\.depth=6.*48'):
    experiment.build(config)


def test_grey_images_give_grey_translations():
  config = tiny_config()
  config.image_channels = 1
  run = experiment.build(config)
  state = run.abstract_state()
  variables = {'params': state.params, **state.stats}
  columns = jax.eval_shape(run.sampler(), variables, run.batch_shape)
  assert columns['translation'].a.shape == (2, 48, 48, 1)
  assert columns['attention'].a.shape == (2, 12, 12)


def test_an_unknown_method_is_told_the_methods_there_are():
  with pytest.raises(UserError, match=r'ncie. is unknown; there are .*\bnice\b'):
    methods.get('ncie')


@pytest.mark.parametrize('name', sorted(methods.METHODS))
def test_every_method_has_the_parts_that_a_method_has(name):
  method = methods.get(name)
  assert callable(method.build)
  assert issubclass(method.batch, tuple)
  assert next(iter(inspect.signature(method.sample).parameters)) == 'gan'
  assert all(callable(objective) for objective in method.objectives.values())


def _iterated(vectors, kernel, times):
  """u after `times` power iterations with a constant kernel."""
  matrix, u = np.asarray(kernel).reshape(-1, kernel.shape[-1]), vectors['u']
  for _ in range(times):
    v = matrix @ u
    u = v / np.linalg.norm(v) @ matrix
    u = u / np.linalg.norm(u)
  return u


@pytest.mark.slow
@pytest.mark.parametrize(('updates', 'forwards'), [('forward', 2), ('step', 1)])
def test_spectral_updates_says_how_often_discriminate_iterates(updates, forwards):
  config = tiny_config()
  config.model.spectral_updates = updates
  run = experiment.build(config)
  state = run.create_state()
  batch = to_float(jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), run.batch_shape))
  variables = {'params': state.params, **state.stats}
  apply = lambda phase: run.gan.apply(variables, batch, method=phase.ask, mutable=['spectral'])  # noqa: E731
  place = lambda tree: tree['encoder']['a']['conv_1']['conv']  # noqa: E731
  kernel, before = place(state.params)['kernel'], place(state.stats['spectral'])
  _, after = sharding.jit(lambda: apply(run.phases[0]), quick=True)()
  np.testing.assert_allclose(
    place(after['spectral'])['u'], _iterated(before, kernel, forwards), atol=1e-5
  )
  if updates == 'step':
    _, after = sharding.jit(lambda: apply(run.phases[1]), quick=True)()
    jax.tree.map(np.testing.assert_array_equal, after['spectral'], state.stats['spectral'])


def test_an_unknown_spectral_update_is_told_those_there_are():
  config = tiny_config()
  config.model.spectral_updates = 'never'
  with pytest.raises(UserError, match=r"spectral_updates='never' is unknown; there are forward, step"):
    experiment.build(config)
