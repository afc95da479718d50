"""CAS: classifiers learn from generated images alone and are tested by the real test images."""

import numpy as np
import pytest
from scipy import stats

from configs import classifier as recipe
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import evaluator, metrics, requests, retraining, scoring
from decoupled_gan.evaluation.metrics import METRICS
from decoupled_gan.evaluation.metrics.protocols import PROTOCOLS
from decoupled_gan.evaluation.tasks import Task
from decoupled_gan.pretrained.features import Network

TOLD = np.array(  # two classifiers, four images, six classes
  [
    [[9, 0, 0, 0, 0, 0], [0, 9, 1, 2, 3, 4], [5, 4, 3, 2, 1, 0], [1, 1, 0, 0, 0, 0]],
    [[9, 0, 0, 0, 0, 0], [9, 0, 1, 2, 3, 4], [5, 4, 3, 2, 1, 0], [0, 1, 0, 0, 0, 0]],
  ],
  float,
)
LABELS = np.array([0, 1, 5, 1])


@pytest.mark.row('cas')
def test_the_score_is_the_mean_accuracy_and_a_tie_is_no_answer():
  first, fifth = (METRICS[name].function(TOLD, LABELS) for name in ('cas', 'cas_top5'))
  assert first.value == pytest.approx((2 + 2) / 8)  # right: 0 and 1; 0 and 3
  assert fifth.value == pytest.approx((3 + 2) / 8)
  assert first.interval == 'standard error, 2 trainings'


@pytest.mark.row('cas')
def test_its_interval_is_of_other_test_images_and_of_other_trainings():
  right = np.repeat([[1.0, 0], [1, 0], [1, 0]], 20, 1)
  right[1, 20:23] = right[2, 17:20] = 0.5  # ties
  right[1, 23:26] = 1
  told = np.stack([right, np.full(right.shape, 0.5)], -1)
  accuracy = np.array([20, 23, 17]) / 40
  share = (told[..., 0] > 0.5).mean(0)
  among_images = stats.t.ppf(0.975, 39) * share.std(ddof=1) / np.sqrt(40)
  among_trainings = stats.t.ppf(0.975, 2) * accuracy.std(ddof=1) / np.sqrt(3)
  found = METRICS['cas'].function(told, np.zeros(40, int))
  assert found.value == pytest.approx(0.5)
  assert found.high == pytest.approx(0.5 + np.hypot(among_images, among_trainings))
  many = METRICS['cas'].function(np.tile(told, (1, 400, 1)), np.zeros(16000, int))
  assert many.high - many.value == pytest.approx(among_trainings, rel=0.01)
  assert np.isnan(METRICS['cas'].function(told[:, :1], np.zeros(1, int)).low)  # nothing varies


@pytest.mark.row('cas')
def test_who_names_no_classifier_or_a_published_network_is_told():
  for text in ('cas_1438', 'cas_1438@inception', 'cas_1438@efficientnet_lite0'):
    with pytest.raises(UserError, match='ask for cas_1438@own'):
      metrics.parse(text)
  assert metrics.parse('cas_top5_1k@own').title(1000) == 'cas_top5_1k@own'


def images(seed, labels, size=4):
  """Images whose brightness is their label, about."""
  rng = np.random.default_rng(seed)
  noise = rng.integers(-30, 30, (len(labels), size, size, 1))
  return list((np.where(labels, 200, 40)[:, None, None, None] + noise).astype(np.uint8))


@pytest.fixture
def pupil(monkeypatch):
  """A network that notes what it is taught and shown, and answers by brightness."""
  lessons = []

  def learn(taught, labels, examined):
    lessons.append((taught, labels, examined))
    bright = examined.mean((1, 2, 3)) > 120
    return np.stack([np.stack([~bright, bright], -1)] * 3).astype(float)

  network = Network('own', 4, 'hash', None, {}, learn)
  monkeypatch.setattr(scoring.features, 'load', lambda name: network)
  return lessons


@pytest.mark.row('cas')
def test_pupils_are_taught_fakes_and_shown_test_images_whatever_the_reference_is(pupil):
  labels = {name: np.arange(n) % 2 for name, n in (('train', 12), ('test', 10), ('fake', 8))}
  sets = {
    name: scoring.of_images(name, images(i, x), labels=x) for i, (name, x) in enumerate(labels.items())
  }
  asked = [metrics.parse(name) for name in ('cas_6@own', 'cas_top5_6@own')]
  scores = scoring.score(
    asked, sets['train'], sets['fake'], PROTOCOLS['stylegan'], 0, train=sets['train'], test=sets['test']
  )
  assert [(s.title, s.count, s.reference_count, s.sha256) for s in scores] == [
    ('cas_6@own', 6, 10, 'hash'), ('cas_top5_6@own', 6, 10, 'hash')
  ]  # fmt: skip
  assert [s.estimate.value for s in scores] == [1, 1]  # so labels follow the order of the images
  ((taught, told, examined),) = pupil  # both numbers are of the same trainings
  np.testing.assert_array_equal(taught, sets['fake'].images(6))
  np.testing.assert_array_equal(told, (taught.mean((1, 2, 3)) > 120).astype(int))
  np.testing.assert_array_equal(examined, sets['test'].images(10))
  with pytest.raises(UserError, match='wants the class of each'):
    scoring.score(asked, sets['train'], sets['fake'], PROTOCOLS['stylegan'], 0)


@pytest.mark.row('cas')
def test_the_test_images_have_the_size_of_training_and_are_read_only_if_asked():
  config = recipe.get_config('labelled_digits')
  labels = np.arange(6) % 2
  task = Task('made', None, None, {'test': images(0, labels, 16)}, real_labels={'test': labels})
  found = requests.examined_images([metrics.parse('cas@own')], task, config)
  assert found.images(6).shape == (6, 8, 8, 1)
  assert sorted(found.labels(np.arange(6))) == sorted(labels)
  assert requests.examined_images([metrics.parse('cafd@own')], task, config) is None


@pytest.mark.row('cas')
def test_it_is_not_measured_while_a_run_trains(monkeypatch):
  asked = [metrics.parse('cas_8@own')]
  for name in ('real_images', 'true_images', 'trained_images'):
    monkeypatch.setattr(evaluator.requests, name, lambda *_: None)
  monkeypatch.setattr(evaluator.requests, 'suited', lambda *_: [None])
  monkeypatch.setattr(evaluator.requests, 'requested', lambda *_: asked)
  monkeypatch.setattr(evaluator, 'tasks_of', lambda *_: [])

  class Run:
    config, mesh = recipe.get_config('labelled_digits'), None
    exact = lambda self: self  # noqa: E731

  with pytest.raises(UserError, match='cas is measured of a trained run only'):
    evaluator.Evaluator(Run(), None, None)


def linear(**fields):
  """A classifier of 4 px without a hidden layer, of two classes."""
  config = recipe.get_config('linear,tiny')
  config.image_size, config.image_channels, config.batch_size, config.num_steps = 4, 1, 8, 30
  config.optimizer.learning_rate = 0.05
  with config.unlocked():
    config.attributes = {'kind': ('dark', 'bright'), 'other': ('a', 'b', 'c')}
  config.update_from_flattened_dict(fields)
  return config


@pytest.mark.row('cas')
def test_a_classifier_learns_anew_from_the_images_that_are_given_and_from_nothing_else():
  labels = np.arange(20) % 2
  taught, examined = np.stack(images(0, labels)), np.stack(images(1, labels))
  right = retraining.answers(linear(), 'kind', taught, labels, examined)
  assert right.shape == (retraining.TRAININGS, 20, 2)
  assert (right.argmax(-1) == labels[None]).all()
  assert len({x.tobytes() for x in right}) == retraining.TRAININGS  # seeds of their own
  wrong = retraining.answers(linear(), 'kind', taught, 1 - labels, examined)
  assert (wrong.argmax(-1) == 1 - labels[None]).all()


@pytest.mark.row('cas')
def test_what_makes_labels_scarce_in_the_run_is_left_out_and_what_does_not_fit_is_told():
  given = {'data.class_counts': (5, 50), 'data.held_out': 1, 'data.limit': 3, 'seed': 7}
  config = retraining.of_one_attribute(linear(**given), 'kind')
  assert (config.data.class_counts, config.data.held_out, config.data.limit) == ((), 0, 0)
  assert (config.seed, config.seeds) == (8, retraining.TRAININGS)  # none is the run itself
  assert config.attributes.to_dict() == {'kind': ('dark', 'bright')}
  labels = np.arange(4) % 2
  taught = np.stack(images(0, labels))
  with pytest.raises(UserError, match='is one of images of 4 x 4 x 1, and these are 8 x 8 x 1'):
    retraining.answers(linear(), 'kind', np.stack(images(0, labels, 8)), labels, taught)
  with pytest.raises(UserError, match='tells 2 classes, and images are drawn for class 2 too'):
    retraining.answers(linear(), 'kind', taught, labels + 1, taught)
  with pytest.raises(UserError, match='has no classes of its own'):
    features = linear(**{'losses.classify': 'prototypical', 'model.depth': 1})
    retraining.answers(features, 'kind', taught, labels, taught)
  with pytest.raises(UserError, match='by episodes'):
    retraining.of_one_attribute(linear(**{'data.episode.ways': 2}), 'kind')
