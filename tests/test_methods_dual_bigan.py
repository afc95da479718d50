"""Dual-encoder BiGAN: who learns of what, the score, and anomalies as a run is measured by them."""

import csv
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from configs import dual_bigan as recipe
from decoupled_gan import data
from decoupled_gan.core import state
from decoupled_gan.core.images import to_float
from decoupled_gan.core.step import forward
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import requests, tasks
from decoupled_gan.evaluation.metrics import METRICS
from decoupled_gan.evaluation.metrics.classification import Response
from decoupled_gan.methods.encode import dual_bigan
from decoupled_gan.modes import reconstruct
from decoupled_gan.run import experiment, inference


def size(tree) -> float:
  return max(float(jnp.abs(x).max()) for x in jax.tree.leaves(tree))


@pytest.fixture(scope='module')
def run():
  config = recipe.get_config('labelled_digits,tiny')
  config.data.source = 'digits'
  return experiment.build(config)


@pytest.fixture(scope='module')
def rows(run):
  """{loss: {group: gradient}} of the contest, with the discriminator awake."""
  first = run.create_state()
  awake = jax.tree.map(lambda x: x + 0.1, first.params['discriminator'])
  first = first.replace(params={**first.params, 'discriminator': awake})
  images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype(np.uint8)
  batch = to_float(Examples(images, np.zeros((4, 1), np.int32)))
  (phase,) = run.phases

  @jax.jit
  def grown(state):
    losses, pullback, _ = forward(phase, run.gan, state, run.groups, batch, jax.random.key(0))
    return {loss: pullback({name: float(name == loss) for name in losses}) for loss in losses}

  return grown(first)


@pytest.mark.row(116)
def test_the_second_encoder_learns_of_codes_alone_and_the_discriminator_of_pairs_alone(rows):
  for loss in ('joint', 'swapped', 'cycle'):
    assert size(rows[loss]['re_encoder']) == 0, loss
  assert size(rows['latent']['re_encoder']) > 0
  for loss in ('cycle', 'latent'):
    assert size(rows[loss]['discriminator']) == 0, loss
    assert min(size(rows[loss][group]) for group in ('encoder', 'generator')) > 0, loss


@pytest.mark.row(116)
def test_without_its_row_there_is_no_second_encoder():
  assert 're_encoder' not in experiment.build(recipe.get_config('one_encoder,tiny')).groups
  assert 're_encoder' in experiment.build(recipe.get_config('tiny')).groups


@pytest.mark.row(116)
def test_the_score_is_of_sums_and_not_of_means():
  x, rebuilt = jnp.array([[1.0, -1.0]]), jnp.array([[0.5, -0.5]])
  f, again = jnp.array([[0.2, 0.4]]), jnp.array([[0.1, 0.1]])

  def features(y, code, features):
    return f if y is x else again

  code = types.SimpleNamespace(mean=jnp.zeros((1, 3)))
  networks = {'encoder': lambda x: code, 'generator': lambda z: rebuilt, 'discriminator': features}
  gan = types.SimpleNamespace(**networks, extra='feature', share=0.9)
  np.testing.assert_allclose(dual_bigan.detect(gan, x), [0.94], rtol=1e-6)
  gan.extra = 'latent'
  gan.re_encoder = lambda y: types.SimpleNamespace(mean=jnp.array([[0.0, 1.0, -2.0]]))
  np.testing.assert_allclose(dual_bigan.detect(gan, x), [0.9 + 0.1 * 3], rtol=1e-6)


@pytest.mark.row(116)
def test_a_run_trains_on_normal_examples_and_is_measured_on_all(run):
  dataset = data.load(run.config, run.method.batch)
  assert set(dataset.train.labels[:, 0]) == {0}
  assert set(dataset.test.labels[:, 0]) == set(range(10))
  (task,) = tasks.of_detector(run, dataset)
  indices = np.arange(8)
  told = task.generate(state.inference_variables(run.create_state()), indices)
  nearest = task.baselines['nearest training example'](indices)
  for answer, near, i in zip(told, nearest, indices, strict=True):
    assert answer.label == near.label == (dataset.test.labels[i, 0] != 0)
    assert np.isfinite(answer.features).all()
  given = to_float(data.test_images(dataset.test.x, [0], run.config))
  known = to_float(data.test_images(dataset.train.x, range(len(dataset.train.x)), run.config))
  expected = np.abs(np.asarray(known) - np.asarray(given)).sum((1, 2, 3)).min()
  np.testing.assert_allclose(nearest[0].features, expected, rtol=1e-5)


def test_what_is_asked_chooses_between_tasks_of_images_and_of_answers(run):
  found = tasks.tasks_of(run, data.load(run.config, run.method.batch))
  assert [task.name for task in found] == ['generated', 'rebuilt', 'anomalies']
  for asked, expected in (
    ('anomaly_auc', ['anomalies']),
    ('mae', ['generated', 'rebuilt']),
    ('', ['generated', 'rebuilt', 'anomalies']),
  ):
    assert [task.name for task in requests.suited(asked, run.config, found)] == expected


@pytest.mark.row(116)
def test_the_area_is_scikit_learns_ties_too():
  rng = np.random.default_rng(0)
  scores, abnormal = rng.normal(size=60).round(1), rng.integers(2, size=60)
  answers = Response(scores[:, None], None, abnormal.astype(bool))
  found = METRICS['anomaly_auc'].function(answers, rng)
  assert found.value == pytest.approx(roc_auc_score(abnormal, scores))


@pytest.mark.row(116)
def test_each_image_gets_its_score_the_most_unlike_first(run, tmp_path, monkeypatch):
  trained = inference.Trained(run, jax.device_get(state.inference_variables(run.create_state())), 0)
  monkeypatch.setattr(inference, 'open_run', lambda workdir, dtype: run)
  monkeypatch.setattr(inference, 'restore', lambda run, workdir, step: trained)
  (tmp_path / 'given').mkdir()
  for level in (0, 90, 250):
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(tmp_path / f'given/{level}.png')
  workdir = types.SimpleNamespace(path=tmp_path / 'run')
  reconstruct.reconstruct(workdir, str(tmp_path / 'given'), str(tmp_path / 'out'))
  with (workdir.path / 'anomalies.csv').open() as file:
    kept = list(csv.DictReader(file))
  assert {row['image'] for row in kept} == {'0.png', '90.png', '250.png'}
  scores = [float(row['score']) for row in kept]
  assert scores == sorted(scores, reverse=True)


@pytest.mark.row(116)
@pytest.mark.parametrize(
  ('words', 'field', 'value', 'message'),
  [
    ('tiny', 'model.score_extra', 'colour', 'colour. is unknown; there are feature, latent'),
    ('one_encoder,tiny', 'model.score_extra', 'latent', 'which no row latent trains'),
  ],
)
def test_a_score_that_there_is_not_is_told(words, field, value, message):
  config = recipe.get_config(words)
  config.update_from_flattened_dict({field: value})
  with pytest.raises(UserError, match=message):
    dual_bigan.build(config)


def test_a_normal_class_that_there_is_not_is_told():
  config = recipe.get_config('labelled_digits')
  config.data.normal = '3,eleven'
  with pytest.raises(UserError, match=r'digit has no value .eleven.; it has 0, 1'):
    data.load(config, Examples)
  config.update_from_flattened_dict({'data.normal': '3', 'data.class_counts': ()})
  config.attributes = {}
  with pytest.raises(UserError, match='goes by the classes of one attribute'):
    data.load(config, Examples)
  answers = Response(np.eye(3), None, np.array([0, 1, 1]))
  with pytest.raises(UserError, match='anomaly_auc is of runs that detect'):
    METRICS['anomaly_auc'].function(answers, np.random.default_rng(0))
