"""Labels that are quantities: how networks are told them, neighbours of a generator, their sets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import continuous_gan, studiogan
from configs import gan as recipe
from decoupled_gan import data
from decoupled_gan.core.types import Examples
from decoupled_gan.data.sources.classes import OVERLAPPING
from decoupled_gan.errors import UserError
from decoupled_gan.layers.linear import waves
from decoupled_gan.modes import project
from decoupled_gan.modes.generate.draw import labels_of
from decoupled_gan.run import experiment
from decoupled_gan.terms import quantities

KEY = jax.random.key(0)
A = jnp.array([[2.0, 0], [0, 1], [1, 1]])


def linear_generator(z, y):
  """A y + B z."""
  return y @ A.T + z @ jnp.array([[1.0, -1, 2], [0, 3, 1]])


@pytest.mark.row(30)
def test_quotients_of_a_linear_generator_are_known_and_its_latents_do_not_matter():
  z, y = jax.random.normal(KEY, (2, 2)), jnp.array([[0.3, -0.2], [1.0, 2.0]])
  d = jnp.array([[0.1, 0], [0.03, -0.04]])
  found = quantities.quotients(linear_generator, z, y, d)
  np.testing.assert_allclose(found, [2.23606798, 1.45602198], rtol=1e-4)
  assert float(found.mean()) == pytest.approx(1.84604498, rel=1e-4)
  assert float(jnp.square(found).mean()) == pytest.approx(3.56, rel=1e-4)


@pytest.mark.row(30)
def test_a_generator_that_ignores_its_condition_has_no_slope_and_no_nan():
  z, y, d = jnp.ones((2, 2)), jnp.zeros((2, 1)), jnp.full((2, 1), 0.1)

  def total(w):
    return quantities.quotients(lambda z, y: z + w * y, z, y, d).sum()

  value, slope = jax.value_and_grad(total)(0.0)
  assert float(value) == pytest.approx(0, abs=1e-6)
  assert np.isfinite(slope)


@pytest.mark.row(30)
def test_a_ring_of_radius_one_has_the_quotient_of_its_chord():
  ring = lambda z, y: jnp.concatenate([jnp.sin(y), jnp.cos(y)], 1)  # noqa: E731
  for h, expected in ((0.1, 0.99958339), (0.5, 0.98961584)):
    found = quantities.quotients(ring, jnp.zeros((1, 2)), jnp.full((1, 1), 0.7), jnp.full((1, 1), h))
    assert float(found[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.row(30)
def test_a_quantity_is_told_in_waves_of_length_one_or_as_it_is():
  a = jnp.array([0.5, 2.0])
  np.testing.assert_allclose(jnp.linalg.norm(waves(a, 8), axis=1), 1, rtol=1e-6)
  chosen = waves(a, 8)[0, jnp.array([0, 1, 8])] * 8**0.5
  np.testing.assert_allclose(chosen, [np.cos(0.5), np.cos(1), np.sin(0.5)], rtol=1e-5)
  np.testing.assert_array_equal(waves(a, 0), a[:, None])


@pytest.mark.row(30)
def test_quantities_reach_both_networks_and_classes_have_no_neighbours():
  run = experiment.build(continuous_gan.get_config('circle6,tiny'))
  params = run.abstract_state().params
  assert params['discriminator']['head']['embed_0']['kernel'].shape[0] == 16
  assert params['generator']['hidden_0']['dense']['kernel'].shape[0] == 4 + 16
  config = studiogan.get_config('tiny')
  config.routes.generate.neighbours = {'generator': 1.0}
  with pytest.raises(UserError, match='labels that are quantities'):
    experiment.build(config)


def test_points_near_a_circle_and_overlapping_classes_have_their_laws():
  dataset = data.load(continuous_gan.get_config('circle6'), Examples)
  x, angles = dataset.train.x, dataset.train.labels[:, 0]
  assert x.shape == (60, 2)
  truth = np.stack([np.sin(angles), np.cos(angles)], 1)
  assert np.abs(x - truth).std() < 0.1
  assert len(np.unique(angles)) == 6
  assert not set(angles) & set(dataset.test.labels[:, 0]), 'tested half-way between'
  dataset = data.load(studiogan.get_config('overlapping3'), Examples)
  for k, (mean, std) in enumerate(OVERLAPPING):
    own = dataset.train.x[dataset.train.labels[:, 0] == k]
    assert (own.mean(), own.std()) == (pytest.approx(mean, abs=0.1), pytest.approx(std, rel=0.02))


@pytest.mark.parametrize(
  ('words', 'fields', 'message'),
  [
    ('circle6', {'vector_size': 3}, 'two coordinates'),
    ('circle6', {'attributes.angle': ('a', 'b')}, 'a quantity'),
    ('overlapping3', {'vector_size': 2}, 'vector_size=1'),
  ],
)
def test_sets_of_a_formula_say_what_they_are_for(words, fields, message):
  config = recipe.get_config(words)
  with config.unlocked():
    config.update_from_flattened_dict(fields)
  with pytest.raises(UserError, match=message):
    data.load(config, Examples)


def test_what_is_for_classes_says_so_of_quantities():
  config = continuous_gan.get_config('circle6,tiny')
  with pytest.raises(UserError, match='labels of this run are quantities'):
    labels_of(experiment.build(config), [0])
  for asked in ('', 'angle=1'):
    with pytest.raises(UserError, match=r'draws under quantities \(angle\), and a search'):
      project.labels_of(experiment.build(config), asked)
  config.model.head = 'of_each_class'
  with pytest.raises(UserError, match='quantities have no classes'):
    experiment.build(config)
