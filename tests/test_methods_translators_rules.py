"""Who learns what in the translators: objectives on networks that multiply, draws, styles, pools."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from decoupled_gan.core.step import streams
from decoupled_gan.core.types import Aligned, Pair
from decoupled_gan.losses.adversarial import ADVERSARIAL
from decoupled_gan.machine import sharding
from decoupled_gan.methods.translate import cut, cyclegan, munit, pix2pix, ugatit
from decoupled_gan.run import experiment

REAL = Pair(jnp.array([0.5]), jnp.array([1.0]))
SQUARES = ADVERSARIAL['least_squares']()


def asked(offered, *but):
  """All that an objective offers, but for some."""
  return {k: x() if callable(x) else x for k, x in offered.items() if k not in but}


class Numbers:
  """A CycleGAN of scalars: generators multiply by 5 and 7, discriminators by 2 and 3; 9 is pooled."""

  adversarial = SQUARES

  def __init__(self, a=5.0, judge=2.0):
    self.a, self.judge = a, judge

  def generator(self, x):
    return Pair(self.a * x.a, 7 * x.b)

  def discriminator(self, x):
    return Pair(self.judge * x.a, 3 * x.b)

  def pool(self, fake):
    return Pair(jax.lax.stop_gradient(fake.a), jnp.array([9.0]))


@pytest.mark.row('cyclegan')
def test_cyclegan_asks_for_the_image_back_for_1_on_fakes_and_judges_the_pools():
  # fakes: a = 5 x 1, b = 7 x 0.5; back: a = 5 x 3.5, b = 7 x 5
  assert {k: float(x) for k, x in asked(cyclegan.translate(Numbers(), REAL), 'r1').items()} == {
    'adversarial': (2 * 5 - 1) ** 2 + (3 * 3.5 - 1) ** 2,
    'cycle': (17.5 - 0.5) + (35 - 1),
    'identity': (5 * 0.5 - 0.5) + (7 - 1),
    'judge': (2 * 0.5 - 1) ** 2 + (2 * 5) ** 2 + (3 * 1.0 - 1) ** 2 + (3 * 9) ** 2,
  }


def test_the_generators_learn_nothing_from_judge_and_everything_else_passes_through_frozen_networks():
  def gradient(loss):
    return jax.grad(lambda a: asked(cyclegan.translate(Numbers(a), REAL), 'r1')[loss])(5.0)

  assert gradient('judge') == 0
  assert all(gradient(loss) != 0 for loss in ('adversarial', 'cycle', 'identity'))


def build(name, words='tiny', **fields):
  config = importlib.import_module(f'configs.{name}').get_config(words)
  config.update_from_flattened_dict(fields)
  return experiment.build(config)


def batch_of(run):
  rng = np.random.default_rng(0)
  return jax.tree.map(lambda x: jnp.asarray(rng.uniform(-1, 1, x.shape), jnp.float32), run.batch_shape)


@pytest.mark.row('pix2pix')
def test_pix2pix_judges_the_very_fake_that_it_learns_by_dropout_included():
  run = build('pix2pix', 'tiny', **{'model.downs': 6, 'image_size': 64, 'model.width': 1})
  state = run.create_state()

  def made(step, phase, track):
    """(fake, how often the averages were moved) in a phase of a step."""
    image, stats = run.gan.apply(
      state.variables(), batch_of(run), method=lambda gan, x: gan.generator(x.input, track=track),
      mutable=['batch_stats'], rngs=streams(jax.random.key(step), phase),
    )  # fmt: skip
    return image, stats['batch_stats']['generator']['up_norm_1']['count']

  function = sharding.jit(lambda: (made(3, 0, False), made(3, 1, True), made(4, 1, True)), quick=True)
  (judged, still), (learnt, moved), (other, _) = function()
  np.testing.assert_array_equal(judged, learnt)
  assert not np.array_equal(judged, other), 'another step drops others'
  assert (still, moved) == (0, 1), 'the averages move once a step'


class Product:
  """A pix2pix of scalars: the generator multiplies by `weight`, the discriminator adds x and y."""

  adversarial = ADVERSARIAL['non_saturating']()

  def __init__(self, weight):
    self.weight = weight

  def generator(self, x, track=True):
    return self.weight * x

  def judge(self, x, y):
    return x + y


def test_pix2pix_is_binary_cross_entropy_on_input_and_image_and_l1():
  batch = Aligned(jnp.array([0.5]), jnp.array([2.0]))
  softplus = lambda x: np.log1p(np.exp(x))  # noqa: E731
  found = asked(pix2pix.discriminate(Product(3.0), batch))
  assert float(found['adversarial']) == pytest.approx(softplus(-2.5) + softplus(2.0), rel=1e-6)
  assert jax.grad(lambda w: pix2pix.discriminate(Product(w), batch)['adversarial'])(3.0) == 0
  found = asked(pix2pix.translate(Product(3.0), batch))
  assert float(found['adversarial']) == pytest.approx(softplus(-2.0), rel=1e-6)
  assert float(found['l1']) == 0.5


@pytest.mark.row('fastcut')
def test_fastcut_mirrors_the_same_inputs_in_both_phases_and_about_half_of_them():
  run = build('cut', 'tiny,fast')

  def flipped(step, phase):
    rngs = streams(jax.random.fold_in(jax.random.key(0), step), phase)
    return bool(run.gan.apply({}, method=cut.CUT.flip, rngs=rngs))

  flips = [flipped(step, 0) for step in range(40)]
  assert flips == [flipped(step, 1) for step in range(40)]
  assert 10 < sum(flips) < 30


@pytest.mark.row('cut')
def test_cuts_places_are_drawn_without_replacement_and_all_of_a_small_map_are_taken():
  run = build('cut', 'tiny')
  small, large = run.gan.apply(
    {}, 'nce', (5, 100), method=cut.CUT.places, rngs={'noise': jax.random.key(0)}
  )
  assert sorted(small.tolist()) == [0, 1, 2, 3, 4]
  assert len(set(large.tolist())) == 8


def test_mirrored_exchanges_left_and_right():
  x = jnp.arange(6.0).reshape(1, 1, 6, 1)
  np.testing.assert_array_equal(cut.mirrored(x, jnp.array(True)).ravel(), [5, 4, 3, 2, 1, 0])
  np.testing.assert_array_equal(cut.mirrored(x, jnp.array(False)), x)


class Attentive:
  """A U-GAT-IT of scalars: generators multiply by 5 and 7; a discriminator has two outputs."""

  def generator(self, x):
    return Pair(5 * x.a, 7 * x.b), Pair(x.a, 2 * x.b), None

  def make(self, x):
    return self.generator(x)[0]

  def discriminator(self, x):
    return [x, Pair(10 * x.a, 10 * x.b)]


@pytest.mark.row('ugatit')
def test_ugatit_judges_all_outputs_and_its_cam_tells_other_domains_from_its_own():
  gan, softplus = Attentive(), lambda x: np.log1p(np.exp(x))
  fakes = (5.0, 3.5)  # of a from 1, of b from 0.5
  found = ugatit.discriminate(gan, REAL)
  real = (0.5 - 1) ** 2 + 0 + (5 - 1) ** 2 + (10 - 1) ** 2
  assert float(found['adversarial']) == real + sum(x**2 + (10 * x) ** 2 for x in fakes)
  found = {k: float(x) for k, x in asked(ugatit.translate(gan, REAL)).items()}
  assert found.pop('cam') == pytest.approx(
    softplus(-1.0) + softplus(0.5) + softplus(-1.0) + softplus(2.0), rel=1e-6
  )
  assert found == {
    'adversarial': sum((x - 1) ** 2 + (10 * x - 1) ** 2 for x in fakes),
    'cycle': (5 * 3.5 - 0.5) + (7 * 5 - 1),
    'identity': (5 * 0.5 - 0.5) + (7 - 1),
  }


@pytest.mark.row('munit')
def test_a_style_is_a_function_of_the_image_and_of_the_seed():
  run = build('munit')
  images = batch_of(run).a
  styles = lambda gan, x: gan.own_styles(x)  # noqa: E731
  found = run.gan.apply({}, images, method=styles)
  np.testing.assert_array_equal(found[::-1], run.gan.apply({}, images[::-1], method=styles))
  assert not np.allclose(found[0], found[1])
  other = build('munit', **{'model.style_seed': 1})
  assert not np.allclose(found, other.gan.apply({}, images, method=styles))


def test_munits_content_target_is_no_constant():
  """As in the official code: the loss also moves what it compares with."""

  class Scalars:
    def __init__(self, weight):
      self.weight = weight

    def prior(self, real):
      return real

    style = staticmethod(lambda x: x)

    def content(self, x):
      return Pair(self.weight * x.a, self.weight * x.b)

    def decoder(self, content, style):
      return jax.lax.stop_gradient(content)

  assert jax.grad(lambda w: munit.translate(Scalars(w), REAL)['content']())(2.0) != 0
