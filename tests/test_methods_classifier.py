"""The classifier as a method: what moves, what must not, and its runs from training to numbers."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import classifier, harmonic, partial_fc, sovr, uniseg
from decoupled_gan import data
from decoupled_gan.core import step
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import own, requests
from decoupled_gan.evaluation.tasks import tasks_of
from decoupled_gan.machine import sharding
from decoupled_gan.methods.classify import classifier as method
from decoupled_gan.methods.translate import edgan_labelled
from decoupled_gan.modes import evaluate, train
from decoupled_gan.pretrained import features
from decoupled_gan.run import experiment, inference
from decoupled_gan.run.workdir import Workdir

KEY = jax.random.key(0)


def config_of(words='labelled_digits', recipe=classifier, **fields):
  config = recipe.get_config(words)
  config.update_from_flattened_dict(fields)
  return config


def points(recipe=classifier, words='sphere200', **fields):
  """A small network on points, whose steps compile at once."""
  small = {'model.width': 8, 'model.depth': 1, 'batch_size': 4}
  return config_of(words, recipe, **small, **fields)


def batch_of(config, seed=0):
  run = experiment.build(config)
  rng = np.random.default_rng(seed)
  shapes = run.batch_shape
  x = rng.normal(size=shapes.x.shape).astype(np.float32)
  counts = [len(config.attributes[name]) for name in sorted(config.attributes)]
  labels = rng.integers(0, counts, (config.batch_size, len(counts))).astype(np.int32)
  return run, Examples(jnp.asarray(np.tanh(x)), jnp.asarray(labels))


# Partial FC: only the sampled rows move.


@pytest.mark.row(89)
@pytest.mark.parametrize('optimizer', ['adam', 'momentum'])
def test_unsampled_centres_and_their_moments_stay_bit_by_bit_under_decay_and_momentum(optimizer):
  config = points(partial_fc, **{'losses.partial_fc.rate': 0.05, 'optimizer.name': optimizer})
  config.optimizer.weight_decay = 0.1
  run, batch = batch_of(config)
  (phase,) = run.phases
  play = sharding.jit(
    lambda state, batch, key: step.play(phase, run.gan, run.optimizers, state, batch, key)[0], quick=True
  )
  before = run.create_state()
  first = play(before, batch, KEY)
  second = play(first, batch, jax.random.key(7))  # rows have moments by now
  ((path, old),) = first.params['centres'].items()
  new = second.params['centres'][path]
  moved = np.flatnonzero((np.asarray(old) != np.asarray(new)).any(1))
  assert len(moved) == 10, 'five in a hundred of 200 classes'
  assert set(np.asarray(batch.labels)[:, 0]) <= set(moved)
  untouched = np.setdiff1d(np.arange(200), moved)
  for a, b in zip(*(jax.tree.leaves(x.opt['centres']) for x in (first, second)), strict=True):
    if a.ndim == 2:
      assert np.asarray(a)[untouched].tobytes() == np.asarray(b)[untouched].tobytes()
      assert (np.asarray(a)[moved] != np.asarray(b)[moved]).any()
  was = np.flatnonzero((np.asarray(before.params['centres'][path]) != np.asarray(old)).any(1))
  assert set(was) - set(moved), 'rows with momentum of the step before stay all the same'


# The adversary.


@pytest.mark.row(81)
def test_the_adversary_stays_within_its_ball_and_raises_the_error_of_the_network_as_it_is():
  config = config_of('tiny', sovr, **{'losses.attack.random_start': False, 'model.backbone': 'convnet'})
  run, batch = batch_of(config)
  state = run.create_state()

  def look(gan, batch):
    moved = gan.attacked(batch.x, batch.labels, KEY, gan.adversary)
    pure = gan.pure()
    error = lambda x: method.cross_entropy(  # noqa: E731
      gan.loss.scores(pure(x)[1][0]), batch.labels[:, 0]
    ).mean()
    return moved, error(batch.x), error(moved)

  apply = sharding.jit(lambda v: run.gan.apply(v, batch, method=look), quick=True)
  moved, before, after = apply(state.variables())
  assert float(jnp.abs(moved - batch.x).max()) == pytest.approx(16 / 255, rel=1e-3)
  assert float(jnp.abs(moved).max()) <= 1
  assert after > before


@pytest.mark.row(81)
def test_the_adversary_leaves_running_averages_as_they_are():
  """Traced: they leave as the very variables that came, though the network has batch normalisation."""
  run, batch = batch_of(config_of('tiny', sovr))

  def attacked(state):
    return run.gan.apply(
      state.variables(), batch.x, batch.labels, KEY, run.gan.adversary,
      method='attacked', mutable=list(state.stats), rngs={'noise': KEY},
    )  # fmt: skip

  jaxpr, (_, stats) = jax.make_jaxpr(attacked, return_shape=True)(run.abstract_state())
  averages = jaxpr.jaxpr.outvars[1:]
  assert len(averages) == len(jax.tree.leaves(stats)) > 0
  assert all(var in jaxpr.jaxpr.invars for var in averages)


@pytest.mark.row(81)
def test_dropout_falls_in_training_and_not_where_the_adversary_looks():
  run, batch = batch_of(config_of('labelled_digits', **{'batch_size': 4, 'model.dropout': 0.5}))
  variables = run.create_state().variables()

  def twice(gan, x):
    learning = [gan.classifier(x)[1][0].features for _ in range(2)]
    looking = [gan.pure()(x)[1][0].features for _ in range(2)]
    return learning, looking

  learning, looking = run.gan.apply(variables, batch.x, method=twice, rngs={'noise': KEY})
  assert (learning[0] != learning[1]).any()
  np.testing.assert_array_equal(*looking)


# Label spaces.


@pytest.mark.row(69)
def test_classes_that_a_data_set_does_not_label_are_targets_of_minus_one():
  run, _ = batch_of(config_of('', uniseg, batch_size=2))
  labels = jnp.array([[5, 0], [10, 1]])
  asked = np.asarray(run.gan.asked(labels, 0))
  np.testing.assert_array_equal(asked[0], [0, 0, 0, 0, 0, 1, 0, -1, -1, -1, -1])
  np.testing.assert_array_equal(asked[1], [-1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 1])


# Centres that are an embedding.


@pytest.mark.row(104)
def test_tied_centres_are_the_trunks_embedding_and_no_head_has_others():
  config = config_of('modular31', harmonic, batch_size=4)
  run, batch = batch_of(config)
  variables = run.create_state().variables()
  assert set(variables['params']['classifier']) == {'trunk'}
  _, (answer,) = run.gan.apply(variables, batch.x, method=lambda gan, x: gan.classifier(x))
  np.testing.assert_array_equal(answer.centres, variables['params']['classifier']['trunk']['embedding'])
  assert answer.centres.shape == (31, 10)


# ED//GAN's attribute classifier takes any of the losses.


@pytest.mark.row(29, 69, 71, 81, 83, 89, 90, 100, 104, 113)
@pytest.mark.parametrize(
  'name',
  ['squentropy', 'null_bce', 'sphereface2', 'sovr', 'partial_fc', 'unpg', 'z_loss', 'harmonic',
   'encouraging', 'proto_triplet'],
)  # fmt: skip
def test_edgans_attribute_classifier_takes_any_loss_of_classes(name):
  """Each attribute has a head of its own, and the residual's images lead back to the residual."""
  from configs import utkface

  config = utkface.get_config('classified,tiny')
  config.losses.classify = name
  gan = edgan_labelled.build(config)
  batch = Examples(jnp.zeros((4, 16, 16, 3)), jnp.zeros((4, 2), jnp.int32))

  def recognise(gan, batch):
    return gan.recognise(batch.x, batch.labels)

  variables = jax.eval_shape(lambda: gan.init(KEY, batch, method=recognise))
  found = variables['params']['classifier']
  if gan.loss.has_classes:
    assert [len(found[f'heads_{k}']['centres'].shape) for k in (0, 1)] == [2, 2]
    assert [found[f'heads_{k}']['centres'].shape[0] for k in (0, 1)] == [10, 2]
  value = jax.eval_shape(lambda v: gan.apply(v, batch, method=recognise, rngs={'noise': KEY}), variables)
  assert value.shape == ()


# A run, from training to numbers.


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """The workdir of a classifier of digits after a few steps against an adversary."""
  config = config_of(
    'labelled_digits', sovr, **{'model.width': 4, 'model.features': 8, 'num_steps': 30, 'batch_size':
    32, 'losses.attack.steps': 1,
       'checkpoint_every_steps': 30, 'sample_every_steps': 30, 'optimizer.learning_rate': 1e-2,
       'evaluation.attack_steps': 2, 'data.num_threads': 1},
  )  # fmt: skip
  workdir = Workdir(tmp_path_factory.mktemp('classifier'))
  assert train.train(config, workdir)
  return workdir


@pytest.mark.row('classifier')
def test_a_run_is_scored_on_test_examples_as_they_are_and_attacked(trained, capsys):
  evaluate.evaluate_run(trained, asked='accuracy,top3,calibration_error,verification_auc')
  rows = [json.loads(line) for line in (trained.path / 'evaluations.jsonl').read_text().splitlines()]
  found = {(row['task'], row['metric']): row for row in rows}
  clean, attacked = found['digit', 'accuracy'], found['digit attacked', 'accuracy']
  assert clean['count'] == 359
  assert 0.15 < clean['value'] < 1
  assert attacked['value'] < clean['value']
  assert found['digit', 'top3']['value'] > clean['value']
  assert (trained.samples / '00000030.png').exists()


def test_a_classifier_is_measured_by_accuracy_and_calibration_if_nothing_is_asked(trained):
  run = experiment.build(trained.load_config(), train=False)
  dataset = data.load(run.config, Examples)
  (task, _) = tasks_of(run, dataset)
  asked = requests.requested('', run.config, None, task)
  assert [request.metric.name for request in asked] == ['accuracy', 'calibration_error']


@pytest.mark.parametrize(
  ('asked', 'message'),
  [
    ('kid', r'kid is of images, and digit is told by a classifier: ask for accuracy, '),
    ('fd@own', r'fd is of images, and digit is told by a classifier'),
  ],
)
def test_metrics_of_images_are_refused_for_a_classifier(trained, asked, message):
  with pytest.raises(UserError, match=message):
    evaluate.evaluate_run(trained, asked=asked)


# The same run as the feature network `own`.


@pytest.fixture
def digits(tmp_path, monkeypatch):
  """Folders of digits: fours, other fours, sevens; and a cache of the test's own."""
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path / 'cache'))
  dataset = data.load(config_of(), Examples)
  images, labels = dataset.train.x.array, dataset.train.labels[:, 0]
  fours, sevens = images[labels == 4], images[labels == 7]
  for name, chosen in {'four': fours[::2], 'more': fours[1::2], 'seven': sevens[::2]}.items():
    (tmp_path / name).mkdir()
    for i, image in enumerate(chosen[:60]):
      Image.fromarray(image).save(tmp_path / name / f'{name}{i}.png')
  return tmp_path


@pytest.mark.row('fd')
def test_a_classifier_is_the_feature_network_own_whose_frechet_distance_is_called_fd(trained, digits):
  found = {}
  for name in ('more', 'seven'):
    output = digits / f'{name}.jsonl'
    asked = 'fd@own,inception_score@own'
    evaluate.evaluate_folders(
      str(digits / 'four'), str(digits / name), asked, 'cleanfid', output, own=str(trained.path)
    )
    found[name] = {row['metric']: row for row in map(json.loads, output.read_text().splitlines())}
  (near, far), key = (found[name] for name in ('more', 'seven')), 'fd_60@own'
  assert far[key]['value'] > 3 * near[key]['value']
  assert near[key]['network'] == 'own'
  assert len(near[key]['sha256']) == 64
  assert far['inception_score_60@own']['value'] >= 1


def test_own_has_the_features_and_logits_that_the_run_answers(trained):
  network = own.network_of(str(trained.path))
  images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
  found = features.extract(network, np.repeat(images, 3, -1).astype(np.float32))
  answered = inference.load(trained).compiled(method.classify)(images)['digit']
  np.testing.assert_allclose(found['features'], answered.features, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(found['logits'], answered.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
  ('where', 'message'),
  [
    ('', r'the feature network `own` is a classifier of yours: train one .*--own=runs/classifier'),
    ('nowhere', r'own=nowhere: .* holds no run'),
  ],
)
def test_own_without_a_classifier_is_told(digits, where, message):
  with pytest.raises(UserError, match=message):
    evaluate.evaluate_folders(
      str(digits / 'four'), str(digits / 'more'), 'fd@own', '', digits / 'out.jsonl', own=where
    )


def test_folders_have_no_answers_to_measure(digits):
  with pytest.raises(UserError, match=r'accuracy is of what a classifier answers to labelled examples'):
    evaluate.evaluate_folders(
      str(digits / 'four'), str(digits / 'more'), 'accuracy', '', digits / 'out.jsonl'
    )


# What does not fit.


@pytest.mark.parametrize(
  ('words', 'fields', 'message'),
  [
    ('', {}, r'a classifier needs an attribute with two values or more: .* labelled_digits'),
    ('labelled_digits', {'losses.classify': 'l2'}, r"losses.classify='l2' is unknown"),
    (
      'labelled_digits',
      {'model.backbone': 'vgg'},
      r"model.backbone='vgg' is no trunk .* convnet, conv4",
    ),
    (
      'sphere200',
      {'model.backbone': 'conv4'},
      r"model.backbone='conv4' is for images; for points .* mlp",
    ),
    ('labelled_digits', {'model.label_space': 'space'}, r"model.label_space='space' is no attribute"),
    ('labelled_digits', {'model.backbone': 'pairs'}, r"'pairs' is for points; for images"),
    ('labelled_digits', {'model.tied': True}, r'model.tied makes the embedding .* such as harmonic'),
    (
      'labelled_digits',
      {'routes.learn': {'robust': {'classifier': 1.0}}},
      r'routes.learn.robust needs an adversary: losses.attack.steps is 0',
    ),
    (
      'labelled_digits',
      {'losses.classify': 'prototypical', 'losses.attack.steps': 3},
      r"losses.classify='prototypical' has no classes of its own that an adversary could confuse",
    ),
    (
      'digit_spaces',
      {'model.known': {'a': ('0', 'x')}},
      r"model.known.a has to name the classes that space 'a' labels, among 0, 1, .*; it has 0, x",
    ),
  ],
)
def test_what_does_not_fit_is_told(words, fields, message):
  config = classifier.get_config(words)
  with config.unlocked(), config.ignore_type():
    for name, value in fields.items():
      config.update_from_flattened_dict({name: value})
  with pytest.raises(UserError, match=message):
    experiment.build(config)
