"""Class-conditional generation: losses of official code, the games of classes, their heads and rows."""

import functools
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import gan as recipe
from configs import ssgan_la, studiogan
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics import distribution, registry
from decoupled_gan.layers.named_norms import ConditionalBatchNorm
from decoupled_gan.losses import classification
from decoupled_gan.losses.classification import Answer
from decoupled_gan.machine import sharding
from decoupled_gan.networks import games, heads
from decoupled_gan.networks.games import Classifier
from decoupled_gan.run import experiment
from decoupled_gan.terms import TERMS
from decoupled_gan.terms import classes as rows

FIXTURES = Path(__file__).parent / 'fixtures'
OFFICIAL = np.load(FIXTURES / '15_class_losses.npz')
METRICS = np.load(FIXTURES / '28_metrics.npz')
KEY = jax.random.key(0)
EMBED = jnp.array([[1, 0], [0.6, 0.8], [0, 1], [-0.8, 0.6]])
PROXIES = jnp.array([[0.8, 0.6], [-0.6, 0.8], [-1, 0]])
LABELS = jnp.array([0, 0, 1, 2])


def chosen(name, **constants):
  return classification.choose(ConfigDict({'classify': name, name: constants}))


def official(name):
  return jnp.asarray(OFFICIAL[name], jnp.float32 if OFFICIAL[name].dtype.kind == 'f' else jnp.int32)


def value_and_gradients(function, *given):
  """One program, compiled with little effort."""
  numbers = tuple(range(len(given)))
  value, slopes = sharding.jit(jax.value_and_grad(function, numbers), quick=True)(*given)
  return float(value), slopes


def game_of(game, loss='cross_entropy', count=3):
  """The heads of a game, whose logits are the features themselves."""
  made = Classifier(game, (count,), chosen(loss))
  size = games.GAMES[game].outputs(count)
  head = {'classes': {'centres': jnp.eye(size), 'bias': jnp.zeros(size)}}
  params = {'heads_0': head} | ({'twins_0': head} if game == 'tac' else {})
  return lambda what, x, y: made.apply({'params': params}, x, y[:, None], KEY, method=what)


@pytest.mark.row('contragan', 'reacgan', 15)
@pytest.mark.parametrize(
  ('key', 'name', 'constants'),
  [
    ('contra_t1', 'contrastive', {}),
    ('d2dce_t05_m098', 'd2dce', {}),
    ('d2dce_t025_m095', 'd2dce', {'temperature': 0.25, 'margin': 0.95}),
  ],
)
def test_losses_of_pairs_have_studiogans_values_and_gradients(key, name, constants):
  loss, labels = chosen(name, **constants), official('labels')
  mean = lambda e, p: loss(Answer(e, p), labels).mean()  # noqa: E731
  value, (of_embedding, of_proxies) = value_and_gradients(mean, official('embed'), official('proxy'))
  assert value == pytest.approx(float(OFFICIAL[key]), rel=1e-5)
  np.testing.assert_allclose(of_embedding, OFFICIAL[f'{key}.grad_a'], atol=2e-6)
  np.testing.assert_allclose(of_proxies, OFFICIAL[f'{key}.grad_b'], atol=2e-6)


@pytest.mark.row('contragan', 'reacgan')
@pytest.mark.parametrize(
  ('name', 'constants', 'expected'),
  [
    ('contrastive', {}, 0.73528148),
    ('contrastive', {'temperature': 0.5}, 0.57531279),
    ('d2dce', {}, 0.99173377),
    ('d2dce', {'temperature': 0.25, 'margin': 0.95}, 0.88623946),
    ('d2dce', {'temperature': 1.0, 'margin': 1.0}, 1.09189160),
    ('d2dce', {'exact': True}, 2.01421477),  # the paper's formula is another loss than the code's
  ],
)
def test_losses_of_pairs_on_four_examples(name, constants, expected):
  loss = chosen(name, **constants)
  of = lambda e: float(loss(Answer(e, PROXIES), LABELS).mean())  # noqa: E731
  assert of(EMBED) == pytest.approx(expected, rel=2e-6)
  scaled = EMBED * jnp.array([[3.0], [0.1], [7.0], [1.0]])
  assert of(scaled) == pytest.approx(expected, rel=1e-5), 'lengths do not count'


@pytest.mark.row('contragan', 'reacgan')
@pytest.mark.parametrize('name', ['contrastive', 'd2dce'])
def test_a_batch_of_one_class_is_lost_on_losses_of_pairs(name):
  loss = chosen(name)
  one = lambda e, p: loss(Answer(e, p), jnp.zeros(4, jnp.int32)).mean()  # noqa: E731
  value, slopes = value_and_gradients(one, EMBED, PROXIES)
  assert value == 0
  assert not any(np.abs(x).max() > 1e-7 for x in slopes)


@pytest.mark.row('mhgan', 15)
@pytest.mark.parametrize('key', ['multihinge_real', 'multihinge_fake'])
def test_the_multi_hinge_is_studiogans(key):
  labels = official('labels') if key.endswith('real') else jnp.full(12, 4)
  mean = lambda z: chosen('multi_hinge').each(z, labels).mean()  # noqa: E731
  value, (slope,) = value_and_gradients(mean, official('logits_k1'))
  assert value == pytest.approx(float(OFFICIAL[key]), rel=1e-6)
  np.testing.assert_allclose(slope, OFFICIAL[f'{key}.grad_a'], atol=1e-7)


@pytest.mark.row('mhgan', 53)
def test_two_hinges_of_classes_are_two_losses_and_a_generators_has_no_bound():
  z, y = jnp.array([[2, 0.5, -1, 0], [0.2, 0.1, 0.3, 1.5]]), jnp.array([0, 2])
  crammer, mean = chosen('multi_hinge'), chosen('class_hinge')
  assert float(crammer.each(z, y).mean()) == pytest.approx(1.1, rel=1e-6)
  assert float(crammer.each(z, jnp.array([3, 3])).mean()) == pytest.approx(1.5, rel=1e-6)
  assert float(mean.each(z, y).mean()) == pytest.approx(0.65, rel=1e-6)
  answer = Answer(z, jnp.eye(4), jnp.zeros(4))
  assert float(mean.rising(answer, y).mean()) == pytest.approx(-0.93333333, rel=1e-6)


@pytest.mark.row(67, 15)
def test_adcs_generator_sees_two_logits_only_and_the_official_gradient():
  ask, z, y = game_of('adc', count=4), official('logits_2k'), official('labels')
  opposed = lambda z: ask('rising', z, y) - ask('rising_as_fakes', z, y)  # noqa: E731
  value, (slope,) = value_and_gradients(opposed, z)
  assert value == pytest.approx(float(OFFICIAL['adc_g']), rel=1e-5)
  np.testing.assert_allclose(slope, OFFICIAL['adc_g.grad_a'], atol=1e-7)
  assert (np.abs(slope) > 1e-6).sum(1).max() == 2, "the softmax's denominator cancels"


@pytest.mark.row(67)
def test_adc_on_two_examples():
  ask, y = game_of('adc'), jnp.array([1, 2])
  z = jnp.array([[1, 0, 2, -1, 0.5, 0], [0, 0.3, 0.1, 0.2, 1.5, -0.5]])
  assert float(ask('error', z, y)) == pytest.approx(0.71332004, rel=1e-6)
  assert float(ask('error_on_fakes', z, y)) == pytest.approx(3.21332004, rel=1e-6)
  assert float(ask('rising', z, y) - ask('rising_as_fakes', z, y)) == pytest.approx(-2.5, rel=1e-6)


@pytest.mark.row(53, 15)
def test_label_augmentation_by_hinges_is_the_official_one():
  ask, z, r = game_of('adc', 'class_hinge', 4), official('logits_2k'), official('labels')
  both = lambda z: ask('error', z[::-1], r) + ask('error_on_fakes', z, r)  # noqa: E731
  opposed = lambda z: ask('rising', z, r) - ask('rising_as_fakes', z, r)  # noqa: E731
  for key, function in (('la_mh_d_real_plus_fake', both), ('la_mh_g', opposed)):
    value, (slope,) = value_and_gradients(function, z)
    assert value == pytest.approx(float(OFFICIAL[key]), rel=1e-5), key
    np.testing.assert_allclose(slope, OFFICIAL[f'{key}.grad_a'], atol=1e-6)


@pytest.mark.row(53)
def test_label_augmentation_on_two_examples():
  ask, r = game_of('adc', 'class_hinge'), jnp.array([1, 2])
  z = jnp.array([[1, 0, 2, -1, 0.5, 0], [0, 0.3, 0.1, 0.2, 1.5, -0.5]])
  d = ask('error', z[::-1], r) + ask('error_on_fakes', z, r)
  assert float(d) == pytest.approx(3.41, rel=1e-6)
  assert float(ask('rising', z, r) - ask('rising_as_fakes', z, r)) == pytest.approx(-3, rel=1e-6)


@pytest.mark.row(1, 15)
def test_ams_generator_raises_one_real_class_and_the_argmax_is_of_real_classes_only():
  ask, y = game_of('am_dynamic'), jnp.array([0, 0])
  z = jnp.array([[1.0, 3, 0, 2], [0.5, 0, -0.5, 1]])  # the second's likeliest class is 'fake'
  value, (slope,) = value_and_gradients(lambda z: ask('rising', z, y), z)
  assert value == pytest.approx(0.86376419, rel=1e-6)
  np.testing.assert_allclose(
    slope,
    [
      [0.04357216, -0.17804287, 0.01602930, 0.11844141],
      [-0.36199783, 0.08370255, 0.05076816, 0.22752712],
    ],
    atol=1e-7,
  )
  assert float(ask('error_on_fakes', z, y)) == pytest.approx(1.11376419, rel=1e-6)
  sums = lambda z: (jax.nn.logsumexp(z, -1) - jax.nn.logsumexp(z[:, :3], -1)).mean()  # noqa: E731
  label_gan, (other,) = value_and_gradients(sums, z)
  assert label_gan == pytest.approx(0.43870634, rel=1e-6)
  np.testing.assert_allclose(other[:, 3], slope[:, 3], atol=1e-7), 'the fake logit pulls alike in both'
  assert np.abs(other[:, :3] - slope[:, :3]).max() > 0.05


@pytest.mark.row(1, 15)
def test_am_is_the_official_one():
  ask, labels = game_of('am_dynamic', count=4), jnp.zeros(12, jnp.int32)
  value, (slope,) = value_and_gradients(lambda z: ask('rising', z, labels), official('logits_k1'))
  assert value == pytest.approx(float(OFFICIAL['am_g_dynamic']), rel=1e-6)
  np.testing.assert_allclose(slope, OFFICIAL['am_g_dynamic.grad_a'], atol=1e-7)


@pytest.mark.row('acgan', 'tac')
def test_ac_and_tac_on_two_examples():
  z, y = jnp.array([[1, 2, -1], [0, 0.5, 0.5]]), jnp.array([1, 2])
  assert float(game_of('ac')('error', z, y)) == pytest.approx(0.65351615, rel=1e-6)
  ask, twins = game_of('tac'), jnp.array([[0.5, 0.5, 0], [0, 1, -1]])
  opposed = ask('rising', z, y) - ask('rising_as_fakes', twins, y)
  assert float(opposed) == pytest.approx(-1.02929687, rel=1e-6)


@pytest.mark.row('tac')
def test_a_twin_is_a_head_of_its_own_and_no_other_game_has_one():
  def both(classifier, x, y):
    return classifier.error(x, y, KEY), classifier.error_on_fakes(x, y, KEY)

  given = jnp.zeros((2, 5)), jnp.zeros((2, 1), jnp.int32)
  for game, count in (('tac', 2), ('ac', 1), ('adc', 1)):
    made = Classifier(game, (3,), chosen('cross_entropy'))
    params = jax.eval_shape(functools.partial(made.init, method=both), KEY, *given)
    assert len(params['params']) == count, game


@pytest.mark.row('projection', 'multi_discriminator')
def test_heads_of_labels_on_two_examples():
  h, y = jnp.array([[0.5, 1, 0], [0, 2, 1]]), jnp.array([[1], [0]])
  weights = {'kernel': jnp.array([[0.2], [-0.1], [0.3]]), 'bias': jnp.array([0.05])}
  table = jnp.array([[1.0, 0, 0], [0, 1, -1]])
  params = {'linear': weights, 'embed_0': {'embedding': table}}
  found = heads.Projection(1, (2,)).apply({'params': params}, h, y)
  np.testing.assert_allclose(found[:, 0], [1.05, 0.15], atol=1e-6)
  each = {'linear': {'kernel': jnp.eye(3), 'bias': jnp.zeros(3)}}
  z = jnp.array([[1.0, 2, 3], [0, -1, 1]])
  found = heads.OfEachClass(1, (3,)).apply({'params': each}, z, jnp.array([[2], [1]]))
  np.testing.assert_array_equal(found, [[3], [-1]])


@pytest.mark.row('conditional_batch_norm')
def test_conditional_batch_norm_scales_by_one_and_the_classs_offset():
  x = jnp.array([[[[1.0], [2]], [[3], [4]]], [[[0], [-1]], [[2], [1]]]])
  tables = {'scale_0': jnp.array([[0.5], [-0.25]]), 'shift_0': jnp.array([[0.1], [0.2]])}
  norm, labels = ConditionalBatchNorm((2,), 1e-4), jnp.array([[0], [1]])
  start = norm.init(KEY, x, labels)
  found, _ = norm.apply({**start, 'params': tables}, x, labels, mutable=['batch_stats'])
  expected = [
    [-0.39998889, 0.59998889, 1.59996667, 2.59994445],
    [-0.54998333, -1.04997222, 0.44999444, -0.04999444],
  ]
  np.testing.assert_allclose(found.reshape(2, 4), expected, atol=1e-6)


@pytest.mark.row(15, 'conditional_batch_norm', 'projection')
def test_networks_have_as_many_parameters_as_studiogans_resnet():
  run = experiment.build(studiogan.get_config('labelled_cifar10'))
  count = lambda tree: sum(x.size for x in jax.tree.leaves(tree))  # noqa: E731
  params = run.abstract_state().params
  assert count(params['generator']) == 4_304_387
  assert count(params['discriminator']) == 1_055_105


@pytest.mark.row(53)
def test_rotations_are_numpys_and_the_label_follows_the_block():
  x = jnp.arange(8.0).reshape(2, 2, 2, 1) + 1
  turned, which = rows.rotations(x)
  np.testing.assert_array_equal(which, [0, 0, 1, 1, 2, 2, 3, 3])
  np.testing.assert_array_equal(turned[2, ..., 0], [[2, 4], [1, 3]])
  for image, r, original in zip(turned, which, [*x] * 4, strict=True):
    np.testing.assert_array_equal(image, np.rot90(original, int(r)))
  some, which = rows.quarters(jnp.concatenate([x, x]))
  np.testing.assert_array_equal(which, [0, 1, 2, 3])
  np.testing.assert_array_equal(some[2], np.rot90(x[0], 2))


@pytest.mark.row(53)
def test_what_cannot_be_turned_says_so():
  for turn, x, message in (
    (rows.quarters, jnp.zeros((6, 2, 2, 1)), 'divisible by 4'),
    (rows.rotations, jnp.zeros((4, 2)), 'square images'),
    (rows.shifts, jnp.zeros((4, 2, 2, 1)), 'points'),
  ):
    with pytest.raises(UserError, match=message):
      turn(x)


LEARNED = ConfigDict({'discriminator': 1.0})


@pytest.mark.parametrize(
  ('words', 'fields', 'message'),
  [
    ('ac,tiny', {'model.classes': 'acdc'}, "model.classes='acdc' is unknown; there are ac, tac"),
    ('ac,tiny', {'model.classes_of': 'hues'}, "model.classes_of='hues' is unknown; there are labels"),
    ('ac,tiny', {'attributes': {}}, 'name some of the data in config.attributes'),
    ('ac,tiny', {'losses.classify': 'prototypical'}, 'no classes of its own'),
    ('ac,tiny', {'model.head': 'none'}, "model.head='none' has no output"),
    ('am,tiny', {'routes.discriminate.lecam': LEARNED}, "model.head='none' has no output"),
    ('am,tiny', {'routes.discriminate.consistency': LEARNED}, "model.head='none' has no output"),
    ('am,tiny', {'routes.regularise.r1': LEARNED}, 'or says nothing of them: choose another model.head'),
    ('multi_discriminator,tiny', {'attributes': {}}, 'needs labels'),
  ],
)
def test_a_mistake_gets_a_sentence(words, fields, message):
  config = studiogan.get_config(words)
  with config.unlocked():
    for name, value in fields.items():
      if name == 'attributes':
        config.attributes = ConfigDict(value)
        config.model.norm_generator = 'none'
        config.model.head = config.model.head if 'multi' in words else 'linear'
      else:
        config.update_from_flattened_dict({name: value})
  with pytest.raises(UserError, match=message):
    experiment.build(config)


def test_nothing_is_built_for_rows_that_nobody_asks():
  run = experiment.build(recipe.get_config('tiny'))
  assert run.gan.classifier is None
  assert run.groups == ['discriminator', 'generator']


def scene_of(frozen, classes_of='labels'):
  """A scene that notes what its classifier is asked, and of what."""
  asked, made = [], {}

  def judge(x, name):
    asked.append(f'judged {len(x)}')
    return types.SimpleNamespace(features='turned')

  def once(name, make):
    if name not in made:
      made[name] = make()
    return made[name]

  tells = {
    name: lambda features, labels, key, name=name: asked.append(f'{name} {features}')
    for name in ('error', 'error_on_fakes', 'rising', 'rising_as_fakes')
  }
  judged = {f'judged_{kind}': types.SimpleNamespace(features=kind) for kind in ('real', 'fake')}
  return types.SimpleNamespace(
    gan=types.SimpleNamespace(classifier=types.SimpleNamespace(**tells), classes_of=classes_of),
    real=jnp.zeros((2, 1)), fake=jnp.ones((2, 1)), frozen=frozen, asked=asked, key=lambda name: None,
    told_to=lambda x: (None, None), judge=judge, once=once, **judged,
  )  # fmt: skip


def ask(scene, phase, *names):
  for name in names:
    TERMS[phase][name](scene)
  return scene.asked


@pytest.mark.row('acgan', 1, 67)
def test_a_discriminator_is_asked_of_both_and_a_generator_of_fakes_alone():
  both = ('classify', 'classify_fake')
  assert ask(scene_of(True), 'discriminate', *both) == ['error real', 'error_on_fakes fake']
  assert ask(scene_of(False), 'generate', *both) == ['rising fake', 'rising_as_fakes fake']


@pytest.mark.row(53)
def test_turned_fakes_are_judged_once_for_both_rows():
  asked = ask(scene_of(False, 'shifts'), 'generate', 'classify', 'classify_fake')
  assert asked == ['judged 8', 'rising turned', 'rising_as_fakes turned']


@pytest.mark.row(1, 53)
def test_a_table_without_an_adversarial_row_has_no_head_for_one():
  run = experiment.build(ssgan_la.get_config('digits,tiny'))
  params = run.abstract_state().params
  assert set(params) == {'discriminator', 'generator', 'classifier'}
  assert set(params['discriminator']) == {'backbone'}


@pytest.mark.row(53)
@pytest.mark.parametrize(
  ('words', 'steps', 'every', 'weights'),
  [
    ('', 200_000, 4, (1, -1)),  # 400 and 200 epochs of 500 updates: launch_cifar10_ema_ssgan*.sh
    ('plus', 100_000, 2, (1, -1)),
    ('ss', 100_000, 2, (0.2,)),
    ('ms', 100_000, 2, (0.2, -0.2)),
    ('line1,ms', 5000, 2, (0.2, -0.2)),
  ],
)
def test_lengths_and_weights_of_self_supervision_are_the_official_scripts(words, steps, every, weights):
  config = ssgan_la.get_config(words)
  rows = config.routes.generate
  names = [name for name in ('classify', 'classify_fake') if name in rows]
  assert (config.num_steps, config.every.generate) == (steps, every)
  assert tuple(rows[name].generator for name in names) == weights


@pytest.mark.row(1)
def test_am_score_is_the_official_one_and_is_the_entropy_where_shares_agree():
  fake, shares = METRICS['am_preds'], METRICS['am_ref'].mean(0)
  assert distribution.am(METRICS['am_ref'], fake) == pytest.approx(float(METRICS['am']), rel=1e-9)
  assert float(METRICS['am']) == pytest.approx(0.97660844, rel=1e-6)
  np.testing.assert_allclose(shares, [0.25, 0.25, 0.5])
  assert distribution.am(np.eye(10), np.eye(10)) == pytest.approx(0, abs=1e-12)
  uniform = np.full((3, 10), 0.1)
  assert distribution.am(uniform, uniform) == pytest.approx(np.log(10))
  half = np.repeat([[0.198] * 5 + [0.002] * 5], 4, 0)
  assert distribution.am(uniform, half) > distribution.am(uniform, uniform), 'classes that are missing'
  none = np.array([[1.0, 0, 0]])
  assert np.isfinite(distribution.am(none, fake)), 'a class that the data has not'


@pytest.mark.row(1)
def test_am_score_wants_a_network_by_name_and_classes():
  with pytest.raises(UserError, match='am_score@own'):
    registry.parse('am_score')
  request = registry.parse('am_score_1k@own')
  features = {'features': np.zeros((9, 2))}
  with pytest.raises(UserError, match='network with classes'):
    request.metric.function(features, features, None, np.random.default_rng(0))
