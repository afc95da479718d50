"""All backbones: cut anywhere and continued, differentiated twice, in half precision, told labels.

One list of them, so that a new backbone gets these tests by one entry.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from configs import gan as recipe
from decoupled_gan.core import state as state_module
from decoupled_gan.core.state import count
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.losses.adversarial import ADVERSARIAL
from decoupled_gan.machine.sharding import jit
from decoupled_gan.methods import gan as method
from decoupled_gan.networks import backbones
from decoupled_gan.networks.backbones import staged
from decoupled_gan.run import experiment
from decoupled_gan.terms.scenes import Scene

DIGIT = {'attributes': {'digit': ('0', '1', '2')}}
SMALL = {
  'mlp': {'model.norm_generator': 'batch'},
  'dcgan': {'model.norm_generator': 'batch'},
  'sndcgan': {'model.norm_generator': 'batch', 'model.norm_discriminator': 'spectral'},
  'resnet': {
    'model.norm_generator': 'batch+spectral',
    'model.norm_discriminator': 'spectral',
    'model.attention_size': 4,
  },
  'r3gan': {
    'image_size': 8, 'model.widths': (8, 4), 'model.groups': (2, 2), 'model.blocks': (1, 1),
    'model.head': 'linear',
  },
  'improved': {'model.norm_generator': 'batch', 'model.noise': (0.0, 0.0)},
  'maxout': {},
}  # fmt: skip
"""Backbone -> what is different of the recipe gan at 8 px and a width of 8, as they are published."""
PUBLISHED = {
  'dcgan 64': {'generator': 3_576_704, 'discriminator': 2_765_568},
  'dcgan 32': {'generator': 1_068_928, 'discriminator': 663_296},
  'dcgan 16': {'generator': 339_328, 'discriminator': 136_448},
  'sndcgan 32': {'generator': 3_828_739, 'discriminator': 5_860_865},
  'resnet 32': {'generator': 4_276_739, 'discriminator': 1_053_824},
  'r3gan 32': {'generator': 20_781_952, 'discriminator': 21_280_512},
  'r3gan 64': {'generator': 22_429_824, 'discriminator': 22_381_440},
  'r3gan 256': {'generator': 23_057_952, 'discriminator': 23_009_568},
}


def config_of(backbone: str, **fields):
  config = recipe.get_config('tiny')
  with config.unlocked():
    own = SMALL.get(backbone, {})
    config.update_from_flattened_dict({'model.backbone': backbone, **own, **fields})
  return config


def published(name: str):
  """The config of a published network, by 'backbone size'."""
  backbone, size = name.split()
  fields = {'image_size': int(size), 'image_channels': 3}
  if backbone == 'r3gan':
    stages = {32: 4, 64: 5, 256: 7}[int(size)]
    fields |= {
      'model.widths': (768, 768, 768, 768, 384, 192, 96)[:stages],
      'model.groups': (96, 96, 96, 96, 48, 24, 12)[:stages],
      'model.blocks': (2,) * stages,
      'model.z_dim': 64,
      'model.label_size': 64,
    }
    if size == '32':
      fields |= {'attributes': {'class': tuple('0123456789')}, 'model.head': 'bilinear'}
  elif backbone == 'dcgan':
    norms = dict.fromkeys(('model.norm_generator', 'model.norm_discriminator'), 'batch')
    fields |= {'model.z_dim': 100, 'model.width': 64, **norms}
  else:
    fields |= {'model.z_dim': 128, 'model.norm_generator': 'batch'}
    widths = (64, 0) if backbone == 'sndcgan' else (256, 128)
    fields |= {'model.width': widths[0], 'model.width_discriminator': widths[1]}
  return config_of(backbone, **fields, **{'model.attention_size': 0})


@functools.cache
def players(backbone: str):
  """((network, variables, input), the same of the discriminator), at their start."""
  gan = method.build(config_of(backbone))
  z = jax.random.normal(jax.random.key(0), (3, gan.z_dim))
  x = jax.random.uniform(jax.random.key(1), (3, 8, 8, 3), minval=-1)
  made = []
  for network, inputs in ((gan.generator, z), (gan.discriminator, x)):
    variables = jit(network.init, quick=True)(jax.random.key(2), inputs)
    made.append((network, {**variables, 'params': moved(variables['params'])}, inputs))
  return made


def moved(params):
  """Zeros at the start hide what is wrong."""
  wave = lambda p: 0.05 * np.cos(np.arange(p.size, dtype=np.float32)).reshape(p.shape)  # noqa: E731
  return jax.tree.map(lambda p: np.asarray(p) + wave(p), params)


BOTH = pytest.mark.parametrize('player', [0, 1], ids=['generator', 'discriminator'])
ALL = pytest.mark.parametrize('backbone', SMALL)


def test_every_backbone_is_in_the_list():
  assert tuple(SMALL) == backbones.BACKBONES


@ALL
@BOTH
def test_a_network_cut_behind_any_stage_and_continued_is_the_whole(backbone, player):
  network, variables, x = players(backbone)[player]

  def cut_everywhere(network, x):
    given = network.outputs(x)
    return network(x), given, {name: network(h, from_=name) for name, h in given.items()}

  run = jit(functools.partial(network.apply, method=cut_everywhere), quick=True)
  whole, given, continued = run(variables, x)
  assert set(given) == set(network.stages())
  assert len(given) > 1
  for name in given:
    assert np.isfinite(given[name]).all(), name
    jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), continued[name], whole
    )
  last = given[network.stages()[-1]]
  np.testing.assert_allclose(last, whole if player == 0 else whole.features, rtol=1e-4, atol=1e-5)


@ALL
@BOTH
def test_a_cut_network_needs_no_parameters_of_the_stages_that_it_leaves_out(backbone, player):
  network, variables, x = players(backbone)[player]
  stages, there = network.stages(), _stages(variables, player)
  assert there <= set(stages)
  for i, stage in enumerate(stages):
    init = functools.partial(network.init, upto=stage)
    found = _stages(jax.eval_shape(init, jax.random.key(0), x), player)
    assert found == there & set(stages[: i + 1])


def _stages(variables, player) -> set[str]:
  """The first names of the parameters' paths, which are to be stages."""
  params = variables['params']
  return set(params if player == 0 else params['backbone'])


@ALL
@BOTH
def test_the_slope_of_each_network_has_a_gradient(backbone, player):
  """What penalties differentiate: the input's gradient, again, by the parameters."""
  network, variables, x = players(backbone)[player]
  rest = {name: value for name, value in variables.items() if name != 'params'}

  def slope(params):
    def total(x):
      y = network.apply({**rest, 'params': params}, x)
      return jnp.sin(y if player == 0 else y.outputs).sum()

    return jnp.square(jax.grad(total)(x)).sum()

  gradients = flatten_dict(jit(jax.grad(slope), quick=True)(variables['params']))
  assert all(np.isfinite(leaf).all() for leaf in gradients.values())
  kernels = [leaf for path, leaf in gradients.items() if path[-1] == 'kernel']
  assert all(leaf.any() for leaf in kernels)


@ALL
def test_in_half_precision_parameters_images_and_outputs_stay_float32(backbone):
  gan = method.build(config_of(backbone, compute_dtype='bfloat16'))
  batch = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
  z = jax.ShapeDtypeStruct((2, gan.z_dim), jnp.float32)
  for network, x in ((gan.generator, z), (gan.discriminator, batch)):
    y, variables = jax.eval_shape(network.init_with_output, jax.random.key(0), x)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype('float32')}
    assert (y if network is gan.generator else y.outputs).dtype == jnp.float32
  text = str(jax.make_jaxpr(functools.partial(gan.generator.init, jax.random.key(0)))(z))
  assert 'bf16' in text


@ALL
def test_each_adversarial_loss_takes_each_backbones_outputs(backbone):
  network, variables, x = players(backbone)[1]
  outputs = jax.eval_shape(network.apply, variables, x).outputs
  for loss in (make() for make in ADVERSARIAL.values()):
    assert jax.eval_shape(loss.discriminate, outputs, outputs).shape == ()
    assert jax.eval_shape(loss.generate, outputs, outputs).shape == ()


@ALL
def test_each_backbone_takes_penalties_and_a_loss_of_pairs(backbone):
  config = config_of(backbone, **{'losses.adversarial': 'relativistic'})
  for name in ('r1', 'r2', 'gradient_penalty'):
    config.routes.discriminate[name] = {'discriminator': 1.0}
  assert experiment.build(config).groups == ['discriminator', 'generator']


@ALL
def test_a_generator_that_is_told_labels_makes_other_images_of_them(backbone):
  gan = method.build(config_of(backbone, **DIGIT))
  z = jax.random.normal(jax.random.key(0), (2, gan.z_dim))
  assert gan.generator.stages()[0] == 'condition'
  run = jit(gan.generator.init_with_output, quick=True)
  images, variables = run(jax.random.key(1), z, jnp.array([[0], [1]]))
  draw = jit(gan.generator.apply, quick=True)
  mean = draw(variables, z, jnp.array([[0], [2]]))
  same = draw(variables, z, jnp.array([[0], [1]]))
  assert images.shape == (2, 8, 8, 3)
  np.testing.assert_array_equal(mean[0], same[0])
  assert (mean[1] != same[1]).any()


@pytest.mark.parametrize('backbone', ['mlp', 'dcgan', 'sndcgan', 'resnet'])
def test_labels_enter_by_conditional_norms_where_these_are_asked_for(backbone):
  config = config_of(backbone, **DIGIT, **{'model.norm_generator': 'conditional_batch+spectral'})
  gan = method.build(config)
  assert 'condition' not in gan.generator.stages()
  z, labels = jnp.zeros((2, gan.z_dim)), jnp.zeros((2, 1), jnp.int32)
  variables = jax.eval_shape(gan.generator.init, jax.random.key(0), z, labels)
  tables = [leaf for path, leaf in flatten_dict(variables['params']).items() if path[-1] == 'scale_0']
  assert tables
  assert {len(table.shape) and table.shape[0] for table in tables} == {3}


@pytest.mark.row(2, 27, 92)
@pytest.mark.parametrize('name', PUBLISHED)
def test_networks_of_the_published_sizes_have_the_published_numbers_of_parameters(name):
  state = experiment.build(published(name)).abstract_state()
  assert {group: count(state.params[group]) for group in state.params} == PUBLISHED[name]


@pytest.mark.parametrize('size', [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize('backbone', ['dcgan', 'sndcgan', 'resnet'])
def test_every_size_makes_images_of_it(backbone, size):
  gan = method.build(config_of(backbone, **{'image_size': size, 'model.attention_size': 0}))
  z = jax.ShapeDtypeStruct((2, gan.z_dim), jnp.float32)
  images, _ = jax.eval_shape(gan.generator.init_with_output, jax.random.key(0), z)
  assert images.shape == (2, size, size, 3)
  verdict, _ = jax.eval_shape(gan.discriminator.init_with_output, jax.random.key(0), images)
  assert verdict.outputs.shape == (2, 1)
  assert verdict.features.ndim == 2


def test_a_reference_goes_through_a_generator_with_virtual_norms_cut_or_not():
  gan = method.build(config_of('dcgan', **{'model.norm_generator': 'virtual'}))
  z = jax.random.normal(jax.random.key(0), (3, gan.z_dim))
  network = gan.generator
  variables = jit(network.init, quick=True)(jax.random.key(1), z)
  assert variables['virtual']['reference']['z'].shape == (staged.REFERENCE, gan.z_dim)
  draw = jit(network.apply, quick=True)
  images = draw(variables, z)
  assert images.shape == (3, 8, 8, 3)
  np.testing.assert_allclose(draw(variables, z[:1]), images[:1], rtol=1e-4, atol=1e-5)

  def cut(network, z):
    return network(network(z, upto='start'), from_='start')

  again = jit(functools.partial(network.apply, method=cut), quick=True)(variables, z)
  np.testing.assert_allclose(again, images, rtol=1e-4, atol=1e-5)
  _, after = network.apply(variables, z, mutable=['virtual'])
  np.testing.assert_array_equal(
    after['virtual']['reference']['z'], variables['virtual']['reference']['z']
  )


@pytest.mark.row(92, 109)
@pytest.mark.parametrize(('updates', 'iterations'), [('forward', (2, 1)), ('step', (1, 0))])
def test_spectral_norms_iterate_at_each_pass_or_once_a_step_on_real_examples(updates, iterations):
  """In `discriminate` and `generate`; torch and Chainer have 2 and 1, TensorFlow's SAGAN 1 and 0."""
  config = config_of('mlp', **{'model.norm_discriminator': 'spectral', 'model.depth': 1})
  config.model.spectral_updates = updates
  run = experiment.build(config)
  state = run.create_state()
  batch = jax.tree.map(lambda x: jnp.zeros(x.shape), run.batch_shape)
  for name, expected in zip(('discriminate', 'generate'), iterations, strict=True):
    (phase,) = [p for p in run.phases if p.name == name]
    _, after = run.gan.apply(
      state.variables(), batch, method=phase.ask, mutable=list(state.stats),
      rngs={'noise': jax.random.key(0)},
    )  # fmt: skip
    layer = ('discriminator', 'backbone', 'hidden_0', 'dense')
    at = functools.partial(functools.reduce, dict.__getitem__, layer)
    kernel = at(state.params)['kernel']
    u, found = (at(x['spectral'])['u'] for x in (state.stats, after))
    for _ in range(expected):
      v = kernel @ u / jnp.linalg.norm(kernel @ u)
      u = v @ kernel / jnp.linalg.norm(v @ kernel)
    np.testing.assert_allclose(found, u, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'image_size': 12, 'model.backbone': 'resnet'}, 'resnet makes squares whose side is a power'),
    ({'image_size': 512, 'model.backbone': 'resnet'}, 'resnet makes at most 256 px'),
    ({'image_size': 12, 'model.backbone': 'sndcgan'}, 'sndcgan makes squares whose side is a mult'),
    ({'model.backbone': 'resnet', 'model.attention_size': 16}, 'both networks have maps of 4 px; 0 is'),
    ({'model.backbone': 'resnet', 'model.pool': 'max'}, "model.pool='max' is unknown; there are sum"),
    ({'model.norm_discriminator': 'virtual'}, "model.norm_discriminator='virtual' is unknown"),
    ({'model.norm_generator': 'conditional_batch'}, "model.norm_generator='conditional_batch' needs"),
    ({'model.backbone': 'r3gan', 'model.widths': (8, 8, 8)}, '8 px have 2 stages'),
    ({'model.backbone': 'r3gan', 'model.groups': (3, 3)}, '3 groups do not divide the 2 x 64 channels'),
    ({'model.backbone': 'r3gan', 'model.norm_generator': 'batch'}, 'generator of .* r3gan has no'),
    ({'model.backbone': 'maxout', 'model.norm_generator': 'spectral'}, 'generator of .* maxout has no'),
    ({'model.backbone': 'maxout', 'model.norm_discriminator': 'spectral'}, 'of .* maxout has no'),
    ({'model.backbone': 'improved', 'model.norm_discriminator': 'spectral'}, 'of .* improved has no'),
    ({'model.head': 'bilinear'}, "model.head='bilinear' needs labels"),
    ({'model.spectral_updates': 'never'}, "model.spectral_updates='never' is unknown; there are"),
  ],
)
def test_what_does_not_fit_is_told(fields, message):
  with pytest.raises(UserError, match=message):
    method.build(config_of('', **{'model.backbone': 'mlp', **fields}))


def test_a_stage_that_there_is_not_is_told_with_those_that_there_are():
  network, variables, x = players('mlp')[0]
  with pytest.raises(UserError, match=r"upto='up_1': there is no such stage; there are hidden_0, .*out"):
    network.apply(variables, x, upto='up_1')
  with pytest.raises(UserError, match=r"upto='hidden_0' comes before from_='out'"):
    network.apply(variables, x, upto='hidden_0', from_='out')


@pytest.mark.parametrize('backbone', ['mlp', 'dcgan'])
def test_a_penalty_on_a_discriminator_with_batch_norm_is_refused(backbone):
  config = config_of(backbone, **{'model.norm_discriminator': 'batch', 'image_size': 16})
  config.routes.discriminate.r1 = {'discriminator': 1.0}
  with pytest.raises(UserError, match='treats each example on its own, and this one has batch norm'):
    experiment.build(config)


@pytest.mark.row(92)
def test_a_generator_can_learn_from_more_fakes_than_there_are_real_examples():
  config = config_of('mlp', **DIGIT, **{'model.fakes_per_real': 2, 'model.head': 'projection'})
  run = experiment.build(config)
  state = run.abstract_state()
  batch = Examples(jnp.zeros((2, 8, 8, 3)), jnp.array([[0], [1]]))

  def look(gan, batch):
    found = {}
    for frozen in (True, False):
      scene = Scene(gan, batch, frozen)
      found[frozen] = (scene.on_fake, scene.told_to(scene.fake)[1])
    return found

  apply = functools.partial(run.gan.apply, method=look, rngs={'noise': jax.random.key(0)})
  found = jax.eval_shape(apply, state.variables(), batch)
  assert [found[frozen][0].shape for frozen in (True, False)] == [(2, 1), (4, 1)]
  assert found[False][1].shape == (4, 1)


def test_losses_of_pairs_want_one_fake_for_each_real_example():
  fields = {'model.fakes_per_real': 2, 'losses.adversarial': 'relativistic'}
  with pytest.raises(UserError, match=r'holds each fake against a real example: .* must be 1'):
    method.build(config_of('mlp', **fields))


@pytest.mark.row(109)
def test_the_sample_grid_shows_where_the_middle_pixel_of_a_drawing_looks():
  run = experiment.build(config_of('resnet'))
  state = run.create_state()
  batch = Examples(jnp.zeros((2, 8, 8, 3)))
  columns = run.sampler()(state_module.inference_variables(state), batch)
  assert list(columns) == ['real', 'generated', 'more', 'looks']
  assert columns['looks'].shape == (2, 2, 2), 'keys are pooled to half of 4 px'
  np.testing.assert_allclose(columns['looks'].sum((1, 2)), 1, rtol=1e-5)
