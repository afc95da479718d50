"""Triplets of few labelled examples, and what else trains the embedding."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import classifier, gan, triplet_gan
from decoupled_gan import data
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.losses.adversarial import ADVERSARIAL
from decoupled_gan.run import experiment
from decoupled_gan.terms import TERMS, triplets

KEY = jax.random.key(0)
T_REAL = jnp.array([[0.5, -0.2, 1], [0, 0, 0]])
T_FAKE = jnp.array([[-1, 0.3, 0.2], [2, -1, 0]])


@pytest.mark.row(102)
def test_triplets_and_the_losses_of_their_embedding_on_two_examples():
  a, p, n = jnp.array([[0.0, 0], [1, 1]]), jnp.array([[1.0, 0], [1, 2]]), jnp.array([[0.0, 2], [4, 5]])
  assert float(triplets.triplet_losses(a, p, n).mean()) == pytest.approx(0.16570581, rel=1e-6)
  players = ADVERSARIAL['k_plus_one']()
  assert float(players.discriminate(T_REAL, T_FAKE)) == pytest.approx(1.02823935, rel=1e-6)
  scene = types.SimpleNamespace(on_real=T_REAL, on_fake=T_FAKE)
  assert float(TERMS['generate']['output_matching'](scene)) == pytest.approx(0.095, rel=1e-5)


@pytest.mark.row(102)
def test_two_examples_that_are_one_have_a_slope_and_no_nan():
  slope = jax.grad(lambda a: triplets.triplet_losses(a, a, a + 1).sum())(jnp.ones((1, 3)))
  assert np.isfinite(slope).all()


@pytest.mark.row(102)
def test_positives_are_others_of_the_class_negatives_of_another_and_unknown_labels_in_none():
  labels = jnp.array([0, 0, 1, -1, 1, 0, 2, -1])
  draw = jax.jit(jax.vmap(lambda key: triplets.drawn(key, labels)))
  positive, negative, there = map(np.asarray, draw(jax.random.split(KEY, 200)))
  np.testing.assert_array_equal(there, [[True, True, True, False, True, True, False, False]] * 200)
  for i in np.flatnonzero(there[0]):
    assert set(positive[:, i]) == set(np.flatnonzero(labels == labels[i])) - {i}
    assert set(negative[:, i]) == set(np.flatnonzero((labels != labels[i]) & (labels >= 0)))


@pytest.mark.row(102)
@pytest.mark.parametrize(
  ('recipe', 'told'),
  [
    (gan, "discriminate/adversarial reads all labels.* are supervised, triplet, beside networks"),
    (classifier, "learn/classify reads all labels.* method='classifier' for few labels are none"),
  ],
)
def test_labels_that_are_unknown_are_told_to_no_network_and_are_no_class(recipe, told):
  config = recipe.get_config('labelled_digits,tiny')
  config.data.labels_per_class = 3
  with pytest.raises(UserError, match=rf'data.labels_per_class=3: {told}'):
    experiment.build(config)


@pytest.mark.row(102)
def test_labelled_examples_come_as_often_as_is_said():
  config = triplet_gan.get_config('labelled_digits')
  labels = data.load(config, Examples).train.labels[:, 0]
  assert (labels >= 0).sum() == 100 * 14
  assert (labels < 0).sum() == 1438 - 100
  config.data.labels_per_class = 0
  with pytest.raises(UserError, match=r'data.labelled_repeats=14'):
    data.load(config, Examples)
