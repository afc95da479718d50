"""Council-GAN: masks and losses by hand, who is compared with whom, members that are single networks."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.core import routing
from decoupled_gan.core.types import Pair
from decoupled_gan.errors import UserError
from decoupled_gan.machine import sharding
from decoupled_gan.methods.translate import council
from decoupled_gan.networks.translate.council import focused
from decoupled_gan.run import experiment


def pixel(*values):
  return jnp.array(values).reshape(1, 1, 1, -1)


@pytest.mark.row(50)
def test_layers_are_laid_on_the_input_one_after_the_other():
  image, masks = focused(pixel(0.2), pixel(1.0, -1.0, 0.5), pixel(0.05, -0.1, 0.02))
  np.testing.assert_allclose(masks.ravel(), [0.73105858, 0.11920292, 0.59868766], rtol=1e-6)
  assert float(image[0, 0, 0, 0]) == pytest.approx(0.52892976, rel=1e-6)


@pytest.mark.row(50)
def test_the_focus_losses_are_the_official_ones():
  masks = jnp.array([0.1, 0.5, 0.9, 1.0]).reshape(1, 2, 2, 1)
  assert council.mask_binary(masks) == pytest.approx(26.70970828, rel=1e-5)
  assert council.mask_total(masks) == pytest.approx(0.390625)
  edges = jnp.array([[0.0, 1.0], [1.0, 0.5]]).reshape(1, 2, 2, 1)
  assert council.mask_edges(edges) == pytest.approx(0.75)


@pytest.mark.row(50)
def test_all_others_are_met_before_any_is_met_again_and_nobody_meets_itself():
  found = np.asarray(council.opponents(jax.random.key(0), 4, 4))
  for i, row in enumerate(found):
    assert set(row) == {0, 1, 2, 3} - {i}
    assert len(set(row[:3])) == 3
  other = np.asarray(council.opponents(jax.random.key(1), 4, 4))
  assert not np.array_equal(found, other)


class Scalars:
  """Two members that multiply by 2 and 3 and add the style, 1; a councillor gives back what it sees."""

  members, comparisons, less = 2, 2, 0.5
  council_start = 0
  focus_start = 0

  def __init__(self, weights=(2.0, 3.0)):
    self.weights = jnp.array(weights)

  def generator(self, x, style):
    made = self.weights.reshape(2, 1, 1, 1, 1) * x[None] + style[None]
    return made, jnp.zeros(made.shape)

  def styles(self, x):
    return jnp.ones((1, 1, 1, 1))

  def each(self, x):
    return jnp.stack([x, x])

  def councillor(self, made, source):
    return [made]

  def discriminator(self, x):
    return [x]

  def make_rng(self, name):
    return jax.random.key(0)

  def remember(self, name, losses, now=True):
    pass

  def ratio(self):
    return jnp.array([1.0, 10.0])

  def get_variable(self, collection, name, default):
    return default


REAL = Pair(jnp.full((1, 1, 1, 1), 0.5), jnp.full((1, 1, 1, 1), 2.0))


@pytest.mark.row(50)
def test_a_councillor_takes_its_own_translation_for_fake_and_the_others_of_less_style_for_real():
  own, others = (2.0, 2.5), (2.0, 1.5)  # of each member, the other one with half the style
  wanted = sum(x**2 for x in own) + sum((x - 1) ** 2 for x in others)
  assert council.convene(Scalars(), REAL)['council']() == pytest.approx(wanted)


@pytest.mark.row(50)
def test_the_weight_is_that_of_as_many_comparisons_as_are_asked():
  gan = Scalars()
  whole = council.convene(gan, REAL)['council']()
  gan.comparisons = 4  # of which a council of two makes two, as in the official loop
  assert council.convene(gan, REAL)['council']() == pytest.approx(whole / 2)


@pytest.mark.row(50)
def test_members_want_to_count_as_real_by_their_own_ratios_and_councillors_teach_no_generator():
  offered = council.translate(Scalars(), REAL)
  assert offered['adversarial'] == pytest.approx(1 + 1.5**2)
  assert offered['council']() == pytest.approx(1 * 1 + 10 * 1.5**2)
  loss = lambda weights: council.convene(Scalars(weights), REAL)['council']()  # noqa: E731
  assert not jax.grad(loss)((2.0, 3.0))[0]


@pytest.fixture(scope='module')
def tiny():
  config = importlib.import_module('configs.council').get_config('tiny')
  return experiment.build(config, jax.devices()[:1])


@pytest.mark.row(50)
def test_the_ratio_is_of_the_last_hundred_losses_that_begin_with_ones(tiny):
  def ratio(gan):
    for _ in range(3):
      gan.remember('adversarial', jnp.array([0.4, 1.0]))
      gan.remember('council', jnp.array([2.0, 1.0]))
    gan.remember('council', jnp.array([5.0, 5.0]), jnp.array(False))
    return gan.ratio()

  found, after = tiny.gan.apply({}, method=ratio, mutable=['history'])
  np.testing.assert_allclose(found, [0.95339806, 1], rtol=1e-6)
  assert after['history']['council'].shape == (2, 100)


@pytest.fixture(scope='module')
def played(tiny):
  """(state before, state after step 1, losses)."""
  before = tiny.create_state().replace(step=jnp.ones((), jnp.int32))
  kept = jax.device_get(before)  # the step reuses the state's buffers
  rng = np.random.default_rng(0)
  batch = Pair(*(rng.integers(0, 256, x.shape, np.uint8) for x in tiny.batch_shape))
  step = tiny.train_step()
  return kept, *step(before, batch, routing.active(tiny.phases, 1))


@pytest.mark.row(50)
def test_the_council_begins_with_its_window_and_every_member_learns(tiny, played):
  names = [[tiny.phases[i].name for i, _ in routing.active(tiny.phases, step)] for step in (0, 1)]
  assert names == [['discriminate', 'translate'], ['discriminate', 'convene', 'translate']]
  before, after, losses = played
  assert all(np.isfinite(x) for x in losses.values())
  for group in tiny.groups:
    leaves = map(jax.tree.leaves, (before.params[group], after.params[group]))
    moved = [np.abs(np.asarray(a) - b).reshape(2, -1).max(1) for a, b in zip(*leaves, strict=True)]
    assert (np.max(moved, 0) > 0).all(), group
  for name in ('adversarial', 'council'):
    history = after.stats['history'][name]
    assert (history[:, :-1] == 1).all()
    assert (history[:, -1] != 1).all()


@pytest.mark.row(50)
def test_the_speaker_is_that_member(tiny, played):
  _, state, _ = played
  images = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3), minval=-1)
  style = jax.random.normal(jax.random.key(1), (2, 3))

  def both(gan):
    return gan.generator(images, style)[0], gan.member(1, images, style)

  function = sharding.jit(lambda v: tiny.gan.apply(v, method=both), quick=True)
  together, alone = function(state.variables())
  np.testing.assert_allclose(alone, together[1], atol=1e-5)
  assert not np.allclose(together[0], together[1], atol=1e-3), 'members begin differently'


@pytest.mark.row(50)
def test_errors_teach():
  recipe = importlib.import_module('configs.council')
  config = recipe.get_config('tiny')
  config.model.speaker = 2
  with pytest.raises(UserError, match=r'model\.speaker=2 is no member: there are 0 to 1'):
    experiment.build(config)
  config.model.members = 1
  with pytest.raises(UserError, match=r'model\.members=1: a council has at least 2'):
    experiment.build(config)
