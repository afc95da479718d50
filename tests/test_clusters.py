"""Self-Conditioned GAN: clusters of the discriminator's features are the labels."""

import json

import jax
import numpy as np
import pytest

from configs import self_conditioned_gan as recipe
from decoupled_gan.errors import UserError
from decoupled_gan.methods.events import clusters
from decoupled_gan.modes import train
from decoupled_gan.run import experiment, inference
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

OLD, NEW = np.array([0, 0, 0, 1, 1, 2, 2, 2]), np.array([2, 2, 1, 0, 0, 1, 1, 1])
FEATURES = np.array(
  [[0, 0], [2, 0], [1, 3], [5, 5], [7, 5], [9, 9], [9, 11], [12, 10]], np.float32
)  # fmt: skip


@pytest.mark.row(9)
def test_new_clusters_get_the_numbers_of_the_old_ones_that_they_overlap_with():
  found = clusters.matched(OLD, NEW, 3)
  np.testing.assert_array_equal(found, [1, 2, 0])
  np.testing.assert_array_equal(found[NEW], [0, 0, 2, 1, 1, 2, 2, 2])


@pytest.mark.row(9)
def test_clustering_goes_on_from_the_means_of_the_old_clusters():
  np.testing.assert_allclose(clusters.centres_of(FEATURES, OLD, 3), [[1, 1], [6, 5], [10, 10]])
  again = clusters.next_clusters(FEATURES, np.arange(8), 3, OLD)
  np.testing.assert_array_equal(again, OLD)


@pytest.mark.row(9)
def test_a_cluster_that_lost_its_examples_starts_at_the_farthest_one():
  found = clusters.centres_of(FEATURES, np.where(OLD == 2, 0, OLD), 3)
  assert found[2].tolist() in FEATURES.tolist()
  away = np.linalg.norm(FEATURES - found[0], axis=1)
  assert found[2].tolist() == FEATURES[away.argmax()].tolist()


def config_of(**fields):
  config = recipe.get_config('ring8,tiny')
  config.data.clusters_from = 200
  config.data.limit = 300
  config.update_from_flattened_dict(fields)
  return config


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  """A run of six steps, clustered before steps 0, 2 and 4."""
  workdir = Workdir(tmp_path_factory.mktemp('straight'))
  assert train.train(config_of(num_steps=6, checkpoint_every_steps=3), workdir)
  return workdir


def losses(workdir):
  rows = map(json.loads, workdir.metrics_file.read_text().splitlines())
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in rows]


@pytest.mark.row(9)
def test_a_run_that_is_resumed_between_clusterings_ends_as_the_straight_one_bit_for_bit(
  straight, tmp_path
):
  resumed = Workdir(tmp_path)
  for steps in (3, 6):
    train.train(config_of(num_steps=steps, checkpoint_every_steps=3), resumed)
  assert losses(resumed) == losses(straight)


@pytest.mark.row(9)
def test_clusters_are_drawn_by_their_shares_and_a_latent_has_one(straight):
  trained = inference.load(straight)
  shares = np.asarray(trained.variables['terms']['shares of clusters'])
  assert shares.sum() == pytest.approx(1)
  codes = jax.random.normal(jax.random.key(1), (4000, trained.run.gan.z_dim))
  draw = lambda gan, codes: gan.under(codes, None)  # noqa: E731
  found = np.asarray(trained.run.gan.apply(trained.variables, codes, method=draw))[:, 0]
  np.testing.assert_allclose(np.bincount(found, minlength=3) / 4000, shares, atol=0.03)
  again = trained.run.gan.apply(trained.variables, codes[7:9], method=draw)
  np.testing.assert_array_equal(again[:, 0], found[7:9])


@pytest.mark.row(9)
def test_an_event_moves_no_parameter_and_labels_all_examples(straight):
  config = config_of(num_steps=6)
  from decoupled_gan import data
  from decoupled_gan.run import events

  run = experiment.build(config)
  dataset = data.load(config, run.method.batch)
  memory = events.memory(run, dataset)
  run = experiment.replace(run, memory=memory)
  with Checkpoints(straight.checkpoints, read_only=True) as checkpoints:
    state = checkpoints.restore(run.abstract_state())
  after, same = events.happen(run, state, dataset, 4)
  assert same is dataset
  labels = np.asarray(after.memory['clusters']['labels'])
  assert labels.shape == (300,)
  assert set(labels) <= {0, 1, 2}
  for old, new in zip(
    jax.tree.leaves((state.params, state.opt)), jax.tree.leaves((after.params, after.opt)), strict=True
  ):
    np.testing.assert_array_equal(old, new)


@pytest.mark.row(9)
@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'data.index': False}, 'needs data.index=True'),
    ({'events.clusters': 0}, 'go together'),
    ({'model.scene': 'plain'}, 'go together'),
    ({'model.scene': 'plain', 'events.clusters': 0}, "clusters=3, model.scene='plain': 'clustered'"),
    ({'data.clusters': 0, 'model.head': 'linear'}, "data.clusters=0, model.scene='clustered'"),
  ],
)
def test_a_scene_of_clusters_says_what_it_needs(fields, message):
  with pytest.raises(UserError, match=message):
    experiment.build(config_of(**fields))
