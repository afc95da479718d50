"""Augmentation beside ADA: DiffAugment, diffusion, the controller, and the view they make."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import gan as recipe
from decoupled_gan import augment
from decoupled_gan.augment import diffaugment, diffusion
from decoupled_gan.augment.control import Control, Reading
from decoupled_gan.augment.seen import Draws, Seen
from decoupled_gan.core import routing
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.machine.sharding import jit
from decoupled_gan.run import experiment
from decoupled_gan.terms import TERMS
from decoupled_gan.terms.scenes import Scene

FIXTURE = np.load(Path(__file__).parent / 'fixtures/41_diffaugment.npz')


# DiffAugment.


@pytest.mark.row('diffaugment', 41)
@pytest.mark.parametrize('name', ['brightness', 'saturation', 'contrast', 'translation', 'cutout'])
def test_diffaugment_equals_the_official_one(name):
  draws = jnp.asarray(FIXTURE[f'{name}/draws'])
  found = getattr(diffaugment, name)(jnp.asarray(FIXTURE['x']), draws)
  np.testing.assert_allclose(found, FIXTURE[f'{name}/y'], atol=1e-6)


class Fixed(Draws):
  """The fixture's draws."""

  def uniform(self, name, size=1):
    return jnp.asarray(FIXTURE[f'{name}/draws'])

  def integers(self, name, low, high):
    word, axis = name.split()
    found = jnp.asarray(FIXTURE[f'{word}/draws'])[:, int(axis) : int(axis) + 1]
    assert ((found >= low) & (found <= high)).all()
    return found


@pytest.mark.row(41)
@pytest.mark.parametrize('word', diffaugment.POLICY)
def test_what_was_drawn_comes_along_between_0_and_1_as_officially(word):
  draws = Fixed(jax.random.key(0), 3)
  _, target = diffaugment.POLICY[word](jnp.asarray(FIXTURE['x']), draws)
  parts = ['brightness', 'saturation', 'contrast'] if word == 'color' else [word]
  expected = np.concatenate([FIXTURE[f'{part}/target'] for part in parts], 1)
  np.testing.assert_allclose(target, expected, atol=1e-6)


@pytest.mark.row('diffaugment')
def test_a_cut_beyond_the_edge_is_smaller():
  cut = diffaugment.cutout(jnp.ones((1, 16, 16, 1)), jnp.array([[13, 7]]))
  assert int((cut == 0).sum()) == 56  # not 64


@pytest.mark.row('diffaugment')
def test_a_translation_is_by_at_most_an_eighth_and_fills_with_grey():
  x = 1 + jnp.arange(16.0).reshape(1, 4, 4, 1)
  moved = diffaugment.translation(x, jnp.array([[1, -1]]))
  np.testing.assert_array_equal(
    moved[0, ..., 0], [[0, 5, 6, 7], [0, 9, 10, 11], [0, 13, 14, 15], [0, 0, 0, 0]]
  )
  assert [diffaugment.most_shift(size) for size in (8, 16, 32, 256)] == [1, 2, 4, 32]


@pytest.mark.row(41)
def test_grey_images_have_no_saturation_to_be_predicted():
  seen = jit(diffaugment.DiffAugment(), quick=True)(jax.random.key(0), jnp.zeros((5, 8, 8, 1)), 0.0)
  assert {word: x.shape for word, x in seen.draws.items()} == {
    'color': (5, 2), 'translation': (5, 2), 'cutout': (5, 2),
  }  # fmt: skip
  assert all(((x >= 0) & (x <= 1)).all() for x in seen.draws.values())


# Diffusion.


@pytest.mark.row(72)
@pytest.mark.parametrize(
  ('last', 't', 'expected'),
  [
    (10, 1, 0.9999), (10, 10, 0.90373942), (100, 100, 0.36356325), (505, 505, 0.00603933),
    (1000, 1000, 4.0358e-05), (1000, 0, 1), (0, 0, 1),
  ],
)
def test_the_schedule_is_stretched_over_the_present_chain(last, t, expected):
  found = diffusion.signal(jnp.array([t]), jnp.float32(last), 1000)
  np.testing.assert_allclose(found, [expected], rtol=2e-5)


@pytest.mark.row(72)
def test_the_chain_grows_with_the_strength():
  p = jnp.array([0, 0.1, 0.2, 0.5, 1])
  np.testing.assert_array_equal(diffusion.longest(p, 10, 1000), [10, 109, 208, 505, 1000])


@pytest.mark.row(72)
def test_noised_images_have_the_published_values():
  x, noise = jnp.array([[0.5, -1, 0.25]]), 0.05 * jnp.array([[1, -0.5, 2]])
  for t, expected in ((1, (0.500475, -1.0002, 0.2509875)), (10, (0.490839, -0.95840857, 0.26868891))):
    share = diffusion.signal(jnp.array([t]), jnp.float32(10), 1000)
    np.testing.assert_allclose(diffusion.noised(x, share, noise), [expected], atol=1e-6)


@pytest.mark.row(72)
def test_late_times_are_drawn_more_often_and_the_first_never():
  u = (jnp.arange(90_000) + 0.5) / 90_000
  counts = np.bincount(np.asarray(diffusion.times(u, jnp.float32(10), 'priority'), int), minlength=11)
  np.testing.assert_allclose(counts / 90_000, np.r_[0, np.arange(10) / 45], atol=1e-4)
  even = np.bincount(np.asarray(diffusion.times(u, jnp.float32(10), 'uniform'), int), minlength=11)
  np.testing.assert_allclose(even / 90_000, np.r_[0, np.full(10, 0.1)], atol=1e-4)


@pytest.mark.row(72)
def test_half_of_the_images_stay_clean_and_the_others_time_is_told():
  view, x = diffusion.Diffusion(), jnp.ones((4000, 2))
  seen = jit(view, quick=True)(jax.random.key(1), x, jnp.float32(0.2))
  clean = np.asarray(seen.told[:, 0] == 0)
  assert clean.mean() == pytest.approx(0.5, abs=0.03)
  assert seen.told.max() <= 208
  np.testing.assert_array_equal(seen.x[clean], x[clean])
  assert (np.abs(seen.x - x)[~clean] > 0).all()


@pytest.mark.row(72)
def test_the_gradient_of_a_noised_image_is_scaled_by_the_root_of_its_signal():
  view, x = diffusion.Diffusion(), jnp.ones((64, 2))
  slope = jax.grad(lambda x: view(jax.random.key(1), x, jnp.float32(1.0)).x.sum())(x)
  told = view(jax.random.key(1), x, jnp.float32(1.0)).told[:, 0]
  expected = jnp.sqrt(diffusion.signal(told, jnp.float32(1000), 1000))
  np.testing.assert_allclose(slope[:, 0], expected, rtol=1e-5)
  assert np.isfinite(slope).all()


@pytest.mark.row(72)
def test_a_chain_of_no_steps_is_no_noise():
  x = jax.random.normal(jax.random.key(0), (16, 2))
  for law in diffusion.TIMES:
    seen = diffusion.Diffusion(0, 1000, times=law)(jax.random.key(1), x, jnp.float32(0))
    np.testing.assert_array_equal(seen.x, x)
    assert not seen.told.any()


# The controller.


def outputs(mean_sign, count=10):
  positive = round(count * (1 + mean_sign) / 2)
  return jnp.array([1.0] * positive + [-2.0] * (count - positive))[:, None]


@pytest.mark.row(10, 'apa')
def test_the_strength_follows_the_mean_sign_as_published():
  """Steps of 0.000512 (64 images, 4 steps, 500 kimg): never below 0, and still at r = target."""
  control, reading, found = Control(interval=1, kimg=20 / 0.512), Reading.first(0.0), []
  for sign in (0.7, 0.7, 0.5, 0.6, 0.1, 0.1):
    reading = control.next(reading, outputs(sign, 20))
    found.append(float(reading.p))
  np.testing.assert_allclose(found, [0.000512, 0.001024, 0.000512, 0.000512, 0, 0], atol=1e-8)


@pytest.mark.row(10)
def test_it_moves_at_every_fourth_step_by_the_mean_of_them_all():
  control, reading = Control(), Reading.first(0.0)
  for sign in (1.0, 1.0, 1.0):
    reading = control.next(reading, outputs(sign, 64))
    assert float(reading.p) == 0
  reading = control.next(reading, outputs(0.5, 64))
  assert float(reading.p) == pytest.approx(0.000512)
  assert float(reading.overfitting) == pytest.approx(0.875)
  assert int(reading.images) == 0 and float(reading.sum) == 0


def test_outputs_of_zero_have_no_sign_and_several_outputs_have_that_of_their_mean():
  control = Control(interval=1)
  reading = control.next(Reading.first(0.0), jnp.array([[0.0, 0.0], [3.0, -1.0], [-3.0, 1.0]]))
  assert float(reading.overfitting) == 0


@pytest.mark.parametrize(('most', 'expected'), [(1.0, 1.0), (float('inf'), 1.256)])
def test_only_the_diffusions_strength_ends_at_one(most, expected):
  control = Control(interval=4, kimg=1.0, most=most)
  reading = Reading.first(1.0)
  for _ in range(4):
    reading = control.next(reading, jnp.ones((64, 1)))
  assert float(reading.p) == pytest.approx(expected)


# The view.


def config_of(words='digits,tiny', **fields):
  config = recipe.get_config(words)
  config.data.source = 'fake'
  config.batch_size = 8
  with config.unlocked():
    config.update_from_flattened_dict(fields)
  return config


def run_of(**fields):
  run = experiment.build(config_of(**fields))
  return run, run.create_state()


def batch_of(run, seed=0):
  return Examples(jax.random.uniform(jax.random.key(seed), run.batch_shape.x.shape, minval=-1))


def in_scene(run, state, function, frozen=True, key=0):
  """function(scene) inside the method, as a phase calls it."""

  def apply(variables, batch, key):
    method = lambda gan, batch: function(Scene(gan, batch, frozen).pretend())  # noqa: E731
    return run.gan.apply(variables, batch, method=method, rngs={'noise': key})

  return jit(apply, quick=True)(state.variables(), batch_of(run), jax.random.key(key))


def test_without_augmentation_nothing_is_stored_and_examples_are_seen_as_they_are():
  run, state = run_of()
  assert not state.stats
  x = in_scene(run, state, lambda scene: (scene.real, scene.seen_real.x))
  np.testing.assert_array_equal(x[0], x[1])


@pytest.mark.parametrize(
  ('pipeline', 'frozen'),
  [('ada', True), ('diffaugment', False), ('diffusion', False), ('diffaugment,diffusion', True)],
)
def test_real_and_fake_are_both_augmented_in_both_phases_each_by_its_own_draws(pipeline, frozen):
  """The commonest mistake, augmenting one of them only, leaks the transforms into the generator."""
  run, state = run_of(**{
    'augment.pipeline': pipeline, 'augment.p': 0.9, 'augment.target': 0, 'augment.groups': 'color',
  })  # fmt: skip
  real, fake = in_scene(
    run, state,
    lambda s: ((s.real, s.seen_real.x, s.seen_real.told), (s.fake, s.seen_fake.x, s.seen_fake.told)),
    frozen,
  )  # fmt: skip
  for x, seen, _ in (real, fake):
    assert np.abs(x - seen).max() > 0.01
  if 'diffusion' in pipeline:
    assert (real[2] != fake[2]).any()
  assert (real[2] is None) == ('diffusion' not in pipeline)


BESIDE_THE_VIEW = {
  'augself': 'it compares with the discriminator of images as they are',
  'supervised': 'it needs labels', 'triplet': 'it needs labels', 'classify': 'it needs labels',
  'classify_fake': 'it needs labels', 'coherency': 'it is of another scene',
}  # fmt: skip


two_outputs = functools.cache(lambda: run_of(**{'model.outputs': 2}))


def blind(key, x, p):
  """A transform that hides all there is."""
  return Seen(jnp.zeros_like(x))


@pytest.mark.parametrize('name', sorted(set(TERMS['discriminate']) - set(BESIDE_THE_VIEW)))
def test_no_term_shows_the_discriminator_what_the_view_hides(name):
  """The value of each is the same whatever the data is, where the view shows nothing of it."""
  run, state = two_outputs()
  gan = run.gan.copy(view=augment.View((blind,)))

  def value(batch):
    method = lambda gan, batch: TERMS['discriminate'][name](Scene(gan, batch, True))  # noqa: E731
    noise = {'noise': jax.random.key(0)}
    return gan.apply(state.variables(), batch, method=method, rngs=noise, mutable=['terms'])[0]

  value = jit(value, quick=True)
  one, other = (float(value(batch_of(run, seed))) for seed in (0, 1))
  assert one == other


@pytest.mark.parametrize('pipeline', ['', 'diffaugment'])
def test_a_rows_views_are_its_own(pipeline):
  """One more row that shows the discriminator something changes no other row by one bit."""
  run, state = run_of(**{'augment.pipeline': pipeline})

  def both(scene, first, second):
    rows = TERMS['discriminate']
    return [rows[name](scene) for name in (first, second) if name][-1]

  for name in ('consistency', 'latent_consistency', 'dlle'):
    alone, together = (
      in_scene(run, state, functools.partial(both, first=first, second=name))
      for first in ('', 'consistency_fake')
    )
    assert float(alone) == float(together), name


@pytest.mark.row(10)
def test_the_slope_of_r1_is_that_of_images_before_their_augmentation():
  """Through the view: the slope of a linear D at p = 1 is the pullback of its weights, not these."""
  run, state = run_of(**{'augment.pipeline': 'ada', 'augment.p': 1.0, 'augment.target': 0})

  def slope(scene):
    critic, x = scene.critic, scene.real
    lens = scene.gan.view.lens(scene.view_key('critic'))
    module, variables = scene.gan.discriminator.unbind()
    through = jax.grad(lambda x: critic(x).sum())(x)
    seen, pullback = jax.vjp(lambda x: lens(x).x, x)
    at_seen = jax.grad(lambda x: module.apply(variables, x).outputs.sum())(seen)
    return through, pullback(at_seen)[0], at_seen

  through, expected, at_seen = in_scene(run, state, slope)
  np.testing.assert_allclose(through, expected, atol=1e-5)
  assert np.abs(through - at_seen).max() > 1e-3


@pytest.mark.row('apa')
def test_fakes_stand_in_for_real_examples_where_the_coin_says_so(monkeypatch):
  view = augment.View(p=0.4, pseudo=True)
  monkeypatch.setattr(jax.random, 'uniform', lambda key, shape: jnp.array([[0.1], [0.7], [0.3], [0.9]]))
  real = jnp.array([[1.0], [2.0], [3.0], [4.0]])
  found = view.apply({}, real, -real, jax.random.key(0), method='disguise')
  np.testing.assert_array_equal(found[:, 0], [-1, 2, -3, 4])


@pytest.mark.row('apa')
def test_the_best_discriminator_under_pseudo_reals_is_half_where_the_laws_are_equal():
  """((1 - a) p_d + a p_g) / ((1 - a) p_d + (1 + a) p_g) is what minimises the loss on the mixture."""
  for a, data, fake, expected in (
    (0, 0.6, 0.2, 0.75), (0.2, 0.6, 0.2, 0.7222), (0.5, 0.6, 0.2, 0.6667), (0.5, 0.3, 0.3, 0.5),
  ):  # fmt: skip
    reals, d = (1 - a) * data + a * fake, np.linspace(0.001, 0.999, 999)
    best = d[np.argmin(-reals * np.log(d) - fake * np.log(1 - d))]
    assert best == pytest.approx(expected, abs=1e-3)


@pytest.mark.row('apa')
def test_pseudo_reals_are_constants_other_than_the_phases_fakes_and_there_for_d_only():
  run, state = run_of(**{'augment.pseudo': True, 'augment.p': 1.0, 'augment.target': 0})
  real, fake = in_scene(run, state, lambda s: (s.real, s.fake))
  batch = batch_of(run).x
  assert np.abs(real - batch).min(axis=0).max() > 0 and np.abs(real - fake).max() > 1e-3
  kept = in_scene(run, state, lambda s: s.real, frozen=False)
  np.testing.assert_array_equal(kept, batch)

  def total(generator):
    return run.gan.apply(
      state.variables({'generator': generator}), batch_of(run),
      method=lambda g, b: Scene(g, b, True).real.sum(), rngs={'noise': jax.random.key(0)},
    )  # fmt: skip

  assert not any(x.any() for x in jax.tree.leaves(jax.grad(total)(state.params['generator'])))


@pytest.mark.row(10)
def test_the_strength_moves_in_discriminate_alone_and_inside_the_compiled_step():
  run, state = run_of(**{
    'augment.pipeline': 'ada', 'augment.kimg': 0.064, 'augment.target': -1.0, 'augment.groups': 'color',
    'routes.discriminate': {'adversarial': {'discriminator': 1.0}, 'strength': {}, 'overfitting': {}},
  })  # fmt: skip
  reading = lambda state: state.stats['controller']['view']['reading']  # noqa: E731
  train_step, logs = run.train_step(), []
  for i in range(5):
    batch = Examples(jnp.asarray((batch_of(run, i).x + 1) * 127, jnp.uint8))
    state, losses = train_step(state, batch, routing.active(run.phases, i))
    logs.append(losses)
  assert [float(x['discriminate/strength']) for x in logs] == [0, 0, 0, 0.5, 0.5]
  assert int(reading(state).images) == 8  # of the fifth step: `generate` adds nothing
  assert float(logs[-1]['discriminate/overfitting']) == float(reading(state).overfitting)


def test_the_strength_is_saved_with_the_run(tmp_path):
  from decoupled_gan.run.checkpoint import Checkpoints

  run, state = run_of(**{'augment.pipeline': 'ada', 'augment.p': 0.25})
  with Checkpoints(tmp_path, 1) as checkpoints:
    checkpoints.save(1, state, run.config)
    checkpoints.wait()
    restored = checkpoints.restore(run.abstract_state())
  found = restored.stats['controller']['view']['reading']
  assert isinstance(found, Reading) and float(found.p) == 0.25


def test_another_row_changes_no_number_of_an_augmented_loss_by_one_bit():
  fields = {
    'augment.pipeline': 'ada', 'augment.p': 0.9, 'augment.target': 0, 'augment.groups': 'color',
  }  # fmt: skip

  def loss(**more):
    run, state = run_of(**fields, **more)
    (phase,) = [p for p in run.phases if p.name == 'discriminate']
    apply = functools.partial(run.gan.apply, method=phase.ask, mutable=['terms'])
    losses, _ = jit(apply, quick=True)(
      state.variables(), batch_of(run), rngs={'noise': jax.random.key(0)}
    )
    return float(losses['adversarial'])

  rows = {'adversarial': {'discriminator': 1.0}, 'r1': {}, 'entropy': {}, 'adaptive_mix': {}}
  assert loss() == loss(**{'routes.discriminate': rows})


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'augment.pipeline': 'adda'}, r"augment.pipeline='adda': 'adda' is unknown; there are ada"),
    ({'augment.pipeline': 'ada', 'augment.groups': 'xyz'}, r"augment.groups='xyz' is unknown; .* bgc"),
    (
      {'augment.pipeline': 'diffaugment', 'augment.policy': ('colour',)},
      r"augment.policy has 'colour', which is unknown; there are color, translation, cutout",
    ),
    ({'augment.pipeline': 'diffusion', 'augment.times': 'late'}, r"augment.times='late' is unknown"),
    ({'augment.pipeline': 'diffusion', 'augment.t_min': 2000}, r't_min=2000, augment.t_max=1000'),
    (
      {'augment.pipeline': 'ada', 'losses.adversarial': 'wasserstein'},
      r"under losses.adversarial='wasserstein' the sign of D does not say real or fake",
    ),
    ({'augment.pipeline': 'ada', 'augment.interval': 0}, r'augment.interval=0 must be at least 1'),
    ({'augment.pipeline': 'ada', 'words': 'ring8,tiny'}, r'is for images; points take diffusion only'),
    ({'routes.generate.augself': {'generator': 1.0}}, r"set augment.pipeline='diffaugment'"),
  ],
)
def test_what_does_not_fit_is_told(fields, message):
  with pytest.raises(UserError, match=message):
    experiment.build(config_of(**fields))
