"""StyleGAN2 and GLeaD: the official numbers of losses and gradients, phases, variants, routes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stylegan2_golden import golden_config, golden_gan, golden_variables, images

from configs import glead as recipe
from decoupled_gan import data
from decoupled_gan.core import routing, state
from decoupled_gan.core.step import forward
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.tasks import tasks_of
from decoupled_gan.machine.sharding import jit
from decoupled_gan.methods.encode import glead
from decoupled_gan.methods.noise import stylegan2
from decoupled_gan.modes import routes, train
from decoupled_gan.run import experiment
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

# Losses and total gradient norms (where known) with the recipe's weights, by the official loss class.
ADVERSARIAL = 0.327840 + 0.944803  # softplus of D on fakes and on reals
OFFICIAL = [
  ('', 8, 'generate', {'adversarial': 1.876381}, 2.71823),
  ('', 8, 'path_length', {}, 51.3226),
  (
    '', 8, 'discriminate',
    {'adversarial': ADVERSARIAL, 'reconstruct': 0.854869, 'reconstruct_fake': 0.373163}, 5.40985,
  ),
  (
    '', 16, 'discriminate',
    {'adversarial': ADVERSARIAL, 'reconstruct': 0.833403, 'reconstruct_fake': 0.385664}, 2.56213,
  ),
  (
    'glead_star', 8, 'discriminate',
    {'adversarial': ADVERSARIAL, 'reconstruct': 0.854869, 'match': 0.941603}, 5.92223,
  ),
  ('glead_star', 16, 'discriminate', {'match': 1.049474}, None),
  ('', 8, 'regularise', {'reconstruct': 0.854869}, 84.52935),
  ('', 16, 'regularise', {'reconstruct': 0.833403}, 33.92242),
  ('plain_r1', 8, 'regularise', {}, 0.06359),
]  # fmt: skip
SECOND = {8: (), 16: pytest.mark.slow}  # size of the code -> marks


def measure(config, name, moved=0.0):
  """(losses, gradient norm of the weighted sum, state afterwards) of a phase on the golden inputs.

  `moved` is the share of themselves that images are made larger by.
  """
  gan = golden_gan(config)
  variables = golden_variables(gan)
  params = variables.pop('params')
  current = state.TrainState(jnp.zeros((), jnp.int32), params, variables, {}, {})
  phases = routing.make_phases(glead.METHOD.objectives, config.routes.to_dict())
  phase = next(phase for phase in phases if phase.name == name)
  ((weights, groups),) = phase.columns()

  def run(current, batch, key):
    losses, pullback, stats = forward(phase, gan, current, groups, batch, key)
    return losses, optax.tree.norm(pullback(weights)), stats

  return jit(run, quick=True)(current, Examples(images(2) * (1 + moved)), jax.random.key(0))


@pytest.mark.row('glead')
@pytest.mark.parametrize(
  ('variant', 'size', 'phase', 'losses', 'norm'),
  [
    pytest.param(*numbers, id='-'.join(map(str, numbers[:3])), marks=SECOND[numbers[1]])
    for numbers in OFFICIAL
  ],
)
def test_losses_and_gradients_equal_those_of_the_official_loss(variant, size, phase, losses, norm):
  found, found_norm, _ = measure(golden_config(variant, size), phase)
  np.testing.assert_allclose([found[name] for name in losses], list(losses.values()), atol=5e-6)
  if norm is None:
    return
  tolerance = 2e-5 if norm > 1 else 1e-3
  if found_norm != pytest.approx(norm, rel=tolerance):
    # LPIPS has kinks within millionths of these images, and jax 0.12 rounds to beyond the first.
    found_norm = measure(golden_config(variant, size), phase, -2e-6)[1]
  np.testing.assert_allclose(found_norm, norm, rtol=tolerance)


def test_r1_is_the_mean_of_the_official_gradient_norms():
  official = [
    0.0070641, 0.0081874, 0.0066889, 0.0073713, 0.0069467, 0.0059123, 0.0083370, 0.0059723,
  ]  # fmt: skip
  found, _, _ = measure(golden_config('plain_r1'), 'regularise')
  np.testing.assert_allclose(found['r1'], np.mean(official), rtol=1e-5)


def test_the_average_path_length_moves_as_the_official_one_and_carries_a_hundredth_of_the_gradient():
  _, _, stats = measure(golden_config(), 'path_length')
  np.testing.assert_allclose(stats['averages']['path_length'], 0.0161441, rtol=1e-5)


# What a phase is, in small.


def tiny_config(variant='mse'):
  config = golden_config(variant)
  config.image_size = 16
  config.batch_size = 4
  config.model.update(
    {
      'channel_base': 64,
      'channel_max': 8,
      'z_dim': 8,
      'w_dim': 8,
      'mapping_layers': 1,
      'group_size': 2,
      'decoder_size': 8,
      'rebuild_size': 8 if 'ggdr' in variant else 4,
      'mixing': 0.9,
      'noise': 'random',
    }
  )
  config.data.source = 'fake'
  config.data.num_threads = 1
  config.num_steps = 2
  return config


def audited(*phases):
  """{phase: what --mode=routes measures} of GLeaD, the named phases played once."""
  run = experiment.build(tiny_config())
  chosen = tuple(phase for phase in run.phases if phase.name in phases)
  batch = Examples(jax.random.uniform(jax.random.key(1), (4, 16, 16, 3), minval=-1))
  with jax.set_mesh(run.mesh), pytest.MonkeyPatch.context() as patch:
    patch.setattr(routes.sharding, 'jit', lambda f, **_: jit(f, quick=True))
    findings = routes.examine(dataclasses.replace(run, phases=chosen), run.create_state(), batch)
  return {finding.phase.name: finding for finding in findings}


@pytest.mark.slow
def test_reconstruction_leads_through_the_generator_and_never_moves_it():
  """The gradient is there, and the table holds it back to the last bit."""
  finding = audited('discriminate')['discriminate']
  assert finding.faults() == []
  assert finding.touched == {'discriminator'}
  assert finding.norms['reconstruct']['generator'] > 0
  assert finding.norms['reconstruct_fake']['generator'] > 0
  assert finding.norms['adversarial']['generator'] == 0
  assert finding.moved['generator'] == 0


@pytest.mark.slow
def test_every_phase_moves_the_groups_of_the_table_and_no_other_by_one_bit():
  found = audited('generate', 'path_length', 'discriminate', 'regularise')
  assert [fault for finding in found.values() for fault in finding.faults()] == []
  assert {name: set(finding.touched) for name, finding in found.items()} == {
    'generate': {'generator'},
    'path_length': {'generator'},
    'discriminate': {'discriminator'},
    'regularise': {'discriminator'},
  }
  assert found['regularise'].norms['reconstruct']['generator'] > 0


def test_the_recipes_table_is_that_of_the_paper():
  run = experiment.build(tiny_config())
  table = routing.describe(run.phases, run.groups)
  assert [line.split() for line in table.splitlines()] == [
    ['phase', 'loss', 'discriminator', 'generator'],
    ['generate', 'adversarial', '.', '1'],
    ['path_length', '/4', 'path_length', '.', '8'],
    ['discriminate', 'adversarial', '1', '.'],
    ['discriminate', 'reconstruct', '10', '.'],
    ['discriminate', 'reconstruct_fake', '3', '.'],
    ['regularise', '/16', 'r1', '8', '.'],
    ['regularise', '/16', 'reconstruct', '160', '.'],
  ]


@pytest.mark.slow
def test_training_resumes_exactly_and_draws_samples(tmp_path):
  """4 steps are 2, a restart and 2 more: latents, noise, averages and path length included."""
  results = []
  for name, stops in (('whole', [4]), ('resumed', [2, 4])):
    for stop in stops:
      config = tiny_config()
      config.num_steps = stop
      config.checkpoint_every_steps = config.sample_every_steps = 2
      config.ema_rampup = 0.05
      train.train(config, Workdir(tmp_path / name))
    with Checkpoints(Workdir(tmp_path / name).checkpoints, read_only=True) as checkpoints:
      results.append(checkpoints.restore(experiment.build(config).abstract_state()))
    assert (tmp_path / name / 'samples' / '00000004.png').exists()
  for x, y in zip(*map(jax.tree.leaves, results), strict=True):
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
  ('variant', 'discriminate', 'regularise'),
  [
    ('glead', {'reconstruct': 10, 'reconstruct_fake': 3}, {'reconstruct': 160}),
    ('glead_star', {'reconstruct': 10, 'match': 10}, {'reconstruct': 160}),
    ('ggdr', {'match': 10}, {}),
    ('stylegan2', {}, {}),
    ('plain_r1', {'reconstruct': 10, 'reconstruct_fake': 3}, {}),
  ],
)  # fmt: skip
def test_a_variant_is_its_rows(variant, discriminate, regularise):
  config = tiny_config(f'mse,{variant}')
  run = experiment.build(config)
  assert run.groups == ['discriminator', 'generator']
  rows = {phase.name: {k: dict(v) for k, v in phase.weights.items()} for phase in run.phases}
  assert rows == {
    'generate': {'adversarial': {'generator': 1}},
    'path_length': {'path_length': {'generator': 8}},
    'discriminate': {k: {'discriminator': w} for k, w in {'adversarial': 1, **discriminate}.items()},
    'regularise': {k: {'discriminator': w} for k, w in {'r1': 8, **regularise}.items()},
  }
  assert [(p.name, p.every) for p in run.phases] == [
    ('generate', 1), ('path_length', 4), ('discriminate', 1), ('regularise', 16),
  ]  # fmt: skip
  decoder = run.abstract_state().params['discriminator'].get('decoder', {})
  heads = {'feature', 'image', 'style'} & set(decoder)
  assert len(heads) == (3 if variant in ('glead', 'glead_star', 'plain_r1') else 0)
  assert bool(decoder) == (variant != 'stylegan2')


def test_an_unknown_variant_is_told():
  with pytest.raises(UserError, match=r"no variant and no data set 'gleed'; .* glead, glead_star, ggdr"):
    recipe.get_config('gleed')


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'model.noise': 'pink'}, "model.noise='pink' is unknown; there are random, const, none"),
    ({'model.distance': 'l3'}, "model.distance='l3' is unknown; there are lpips and mse"),
    ({'model.decoder_size': 64}, 'model.decoder_size=64 does not fit image_size=16.*one of 8, 16'),
    ({'model.rebuild_size': 16}, 'model.rebuild_size=16 does not fit image_size=16.*one of 4, 8'),
    ({'image_size': 20}, 'image_size=20 must be a power of two from 16: try 16'),
    ({'routes.discriminate.recon': {'discriminator': 1.0}}, "names the loss 'recon', which"),
  ],
)
def test_fields_that_do_not_fit_are_told(fields, message):
  config = tiny_config()
  with config.unlocked():
    config.update_from_flattened_dict(fields)
  with pytest.raises(UserError, match=message):
    experiment.build(config)


def test_matching_features_of_other_widths_is_told():
  config = tiny_config('mse,ggdr')
  config.model.channel_max = 16
  config.model.rebuild_size = 4
  with pytest.raises(UserError, match='needs equal widths, but the decoder has 8 channels'):
    experiment.build(config)


def test_lpips_weights_that_cannot_be_read_are_told_with_a_way_out(tmp_path):
  config = golden_config()
  config.model.lpips_weights = str(tmp_path / 'alexnet.ckpt')
  with pytest.raises(UserError, match=r'cannot be read.*--config.model.distance=mse'):
    experiment.build(config)
  assert experiment.build(config, train=False).groups, 'drawing needs no loss'


# Style mixing.


def test_styles_are_mixed_from_one_layer_on_alike_for_the_whole_batch():
  gan = stylegan2.build(tiny_config('mse,stylegan2').copy_and_resolve_references())
  variables = jax.eval_shape(gan.init, jax.random.key(0), Examples(jnp.zeros((4, 16, 16, 3))))
  variables = jax.tree.map(lambda x: jnp.ones(x.shape, x.dtype), variables)
  variables['params']['generator']['mapping']['fc0']['kernel'] = 100 * jax.random.normal(
    jax.random.key(1), (8, 8)
  )
  styles = jit(lambda key: gan.apply(variables, 4, method='styles', rngs={'noise': key}), quick=True)
  cutoffs = []
  for seed in range(100):
    ws = np.asarray(styles(jax.random.key(seed)))
    same = (ws == ws[:, :1]).all(-1)  # [4, num_ws]: is it the first latent's style?
    assert (same == same[:1]).all()
    cutoff = same[0].sum()
    assert same[0][:cutoff].all()
    cutoffs.append(cutoff)
  layers = gan.pyramid.num_ws
  assert set(cutoffs) == set(range(1, layers + 1))
  assert np.mean(np.array(cutoffs) == layers) < 0.25


# What is evaluated.


def test_seeds_and_test_images_are_what_is_evaluated():
  config = tiny_config()
  run = experiment.build(config, train=False)
  generated, rebuilt = tasks_of(run, data.load(config, Examples))
  variables = state.inference_variables(run.create_state())
  with jax.set_mesh(run.mesh):
    images = [generated.generate(variables, np.array(seeds)) for seeds in ([5, 6], [5, 7])]
    again = rebuilt.generate(variables, np.array([3, 1]))
  assert images[0].shape == again.shape == (2, 16, 16, 3)
  assert images[0].dtype == np.uint8
  np.testing.assert_array_equal(images[0][0], images[1][0])
  assert (images[0][1] != images[1][1]).any()
  np.testing.assert_array_equal(rebuilt.truth(np.array([3])), rebuilt.real['test'][3][None])
  assert (generated.count, rebuilt.count) == (None, 16)
