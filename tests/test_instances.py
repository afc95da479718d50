"""IC-GAN: frozen features are the conditions, neighbours of their examples the real ones."""

import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import ic_gan as recipe
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.methods.events import instances
from decoupled_gan.modes import train
from decoupled_gan.modes.export import take_out
from decoupled_gan.run import experiment, inference
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir
from decoupled_gan.terms.scenes.instances import Instances

X = np.array([[0, 0], [1, 0], [0, 2], [3, 3], [3, 4]], np.float32)


@pytest.mark.row(33)
def test_an_example_is_no_neighbour_of_its_own():
  found = instances.nearest(X, 2)
  assert [set(row) for row in found] == [{1, 2}, {0, 2}, {0, 1}, {4, 2}, {3, 2}]
  radii = np.linalg.norm(X - X[found[:, -1]], axis=1)
  np.testing.assert_allclose(radii, [2, 2.23606798, 2.23606798, 3.16227766, 3.60555128], rtol=1e-6)


@pytest.mark.row(33)
def test_features_have_length_one_before_distances_are_taken():
  rows = instances.unit(X[1:])
  np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
  squared = np.square(rows[0] - rows[2]).sum()
  assert squared == pytest.approx(2 - 2 * rows[0] @ rows[2], rel=1e-5)


@pytest.mark.row(33)
def test_those_to_draw_by_are_nearest_to_means_or_all():
  np.testing.assert_array_equal(instances.representatives(X, 7, 0), [0, 1, 2, 3, 4, 0, 1])
  found = instances.representatives(np.concatenate([X, X + 100]), 2, 0)
  assert sorted(found // 5) == [0, 1]


class Judge:
  """Notes beside which features examples were judged."""

  view = types.SimpleNamespace(pseudo=False, plain=True)
  kept = {'features': 2, 'instances': 3, 'neighbours': 2}

  def __init__(self):
    self.told = []

  def get_variable(self, collection, name, default):
    return {'features': jnp.asarray(X)} if collection == 'memory' else default

  def is_initializing(self):
    return False

  def make_rng(self, name):
    return jax.random.key(0)

  def verdict(self, seen, labels, learning):
    self.told.append(seen.told)


@pytest.mark.row(33)
def test_a_real_example_is_judged_beside_what_it_is_a_neighbour_of_and_fakes_beside_their_own():
  gan = Judge()
  scene = Instances(gan, Examples(jnp.zeros((4, 2)), None, jnp.array([0, 1, 6, 9])), frozen=True)
  scene.seen_real, scene.seen_fake = (scene_seen(jnp.zeros((4, 2))) for _ in range(2))
  assert scene.judged_real is None
  assert scene.judged_fake is None
  real, fake = gan.told
  np.testing.assert_array_equal(real, X[[0, 0, 3, 4]])
  np.testing.assert_array_equal(fake, scene.condition)
  assert (np.asarray(fake)[:, None] == X[None]).all(-1).any(-1).all(), 'features of some example'
  assert (np.asarray(fake) != np.asarray(real)).any(), 'drawn anew, not the real ones'
  with pytest.raises(UserError, match='no slope of one critic'):
    scene.critic  # noqa: B018


def scene_seen(x):
  from decoupled_gan.augment.seen import Seen

  return Seen(x)


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  workdir = Workdir(tmp_path_factory.mktemp('straight'))
  assert train.train(config_of(num_steps=4), workdir)
  return workdir


def config_of(**fields):
  config = recipe.get_config('ring8,tiny')
  config.model.backbone = 'mlp'
  config.model.norm_generator = config.model.norm_discriminator = 'none'
  config.data.limit = 20
  config.update_from_flattened_dict(fields)
  return config


def losses(workdir):
  rows = map(json.loads, workdir.metrics_file.read_text().splitlines())
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in rows]


@pytest.mark.row(33)
def test_a_run_that_is_resumed_goes_on_with_the_same_neighbours_bit_for_bit(straight, tmp_path):
  for steps in (2, 4):
    train.train(config_of(num_steps=steps), Workdir(tmp_path))
  assert losses(Workdir(tmp_path)) == losses(straight)


@pytest.mark.row(33)
def test_what_is_drawn_is_beside_features_of_kept_examples_chosen_by_the_latent(straight):
  trained = inference.load(straight)
  table = np.asarray(trained.variables['terms']['instances to draw by'])
  assert table.shape == (5, 2)
  codes = trained.run.gan.apply(
    trained.variables, jax.random.normal(jax.random.key(1), (50, 4)), method=lambda gan, z: gan.codes(z)
  )
  told = np.asarray(codes)[:, 4:]
  assert (told[:, None] == table[None]).all(-1).any(-1).all()
  assert len(np.unique(told, axis=0)) > 3


@pytest.mark.row(33)
def test_a_run_is_used_without_the_file_of_features_and_taken_out_with_its_memory(tmp_path):
  features = tmp_path / 'features.npy'
  np.save(features, np.random.default_rng(0).normal(size=(20, 3)))
  workdir, own = Workdir(tmp_path / 'run'), Workdir(tmp_path / 'own')
  train.train(config_of(num_steps=1, **{'data.features': str(features)}), workdir)
  features.unlink()
  trained = inference.load(workdir)
  assert trained.run.gan.kept['features'] == 3
  take_out(workdir, 0, str(own.path))
  found = []
  for place in (workdir, own):
    with Checkpoints(place.checkpoints, read_only=True) as checkpoints:
      found.append(checkpoints.restore(trained.run.abstract_state(), remembered=True).memory)
  assert found[0]['instances']['features'].shape == (20, 3)
  jax.tree.map(np.testing.assert_array_equal, *found)


@pytest.mark.row(33)
@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'data.index': False}, 'needs data.index=True'),
    ({'data.features': ''}, "needs data.features: 'pixels'"),
    ({'data.features': 'missing.npy'}, "data.features='missing.npy' is no file"),
  ],
)
def test_a_mistake_gets_a_sentence(fields, message):
  with pytest.raises(UserError, match=message):
    experiment.build(config_of(**fields))


@pytest.mark.row(33)
def test_features_of_another_data_set_are_refused(tmp_path):
  np.save(tmp_path / 'features.npy', np.zeros((3, 2)))
  config = config_of(**{'data.features': str(tmp_path / 'features.npy')})
  with pytest.raises(UserError, match='has 3 rows, and 20 examples are there'):
    train.train(config, Workdir(tmp_path / 'run'))
  run = types.SimpleNamespace(config=ConfigDict({'data': {**config.data, 'mirror': True}}))
  dataset = types.SimpleNamespace(train=Examples(np.zeros((6, 2))))
  with pytest.raises(UserError, match='has 3 rows, and 6 examples are there, half of which are mirror'):
    instances.features_of(run, dataset)
  config.data.neighbours = 20
  with pytest.raises(UserError, match='each of 20 examples has 1 to 19 others'):
    train.train(config, Workdir(tmp_path / 'run'))
