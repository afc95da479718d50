"""GAN-EM: its losses on literal numbers, its rounds, and who learns of what."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import gan_em as recipe
from decoupled_gan import data
from decoupled_gan.core import routing
from decoupled_gan.core.images import to_float
from decoupled_gan.core.state import inference_variables
from decoupled_gan.core.step import forward
from decoupled_gan.core.types import Examples
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import tasks
from decoupled_gan.evaluation.metrics import METRICS, untold
from decoupled_gan.evaluation.metrics.classification import Response
from decoupled_gan.methods.noise import gan_em
from decoupled_gan.modes import plan, train
from decoupled_gan.run import experiment
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

D = jnp.array([[1, -0.5, 0.2, -1], [0, 0.3, -0.2, 0.5]])
SHARES = jax.nn.softmax(jnp.array([[2.0, 0, -1], [0, 0, 0]]))


@pytest.mark.row(48)
def test_losses_are_the_official_codes():
  np.testing.assert_allclose(SHARES[0], [0.84379473, 0.11419520, 0.04201007], rtol=1e-6)
  np.testing.assert_allclose(gan_em.on_real(D, SHARES), 0.45715614, rtol=1e-6)
  np.testing.assert_allclose(gan_em.on_fake(D), 0.81480719, rtol=1e-6)
  np.testing.assert_allclose(gan_em.of_cluster(D, jnp.array([1, 2])), 0.83980719, rtol=1e-6)


@pytest.mark.row(48)
def test_the_output_for_fakes_weighs_two_on_real_examples_and_shares_are_no_targets():
  for k, expected in ((0, 0.25 * SHARES[0, 0]), (3, 0.25 * 2)):
    logits = jnp.zeros((1, 4)).at[0, k].set(100.0 if k == 3 else -100.0)
    rest = gan_em.on_real(jnp.zeros((1, 4)), SHARES[:1])
    slope = (gan_em.on_real(logits, SHARES[:1]) - rest) / 100
    np.testing.assert_allclose(slope, expected, atol=0.005)


@pytest.mark.row(48)
@pytest.mark.parametrize(
  ('count', 'clusters', 'expected'),
  [(70, 10, [7] * 10), (200, 10, [20] * 10), (7, 3, [2, 2, 3]), (2, 3, [1, 1, 0])],
)
def test_clusters_come_in_equal_numbers_and_in_their_order(count, clusters, expected):
  found = gan_em.in_order(count, clusters)
  np.testing.assert_array_equal(np.bincount(found, minlength=clusters), expected)
  assert (np.diff(found) >= 0).all()


@pytest.mark.row(48)
def test_each_cluster_is_one_class_at_most():
  """The official accuracy gives each class its most frequent cluster: 0.8667 here."""
  truth, found = np.repeat([0, 1, 2], 5), np.array([0] * 5 + [0] * 3 + [1] * 2 + [2] * 5)
  assert untold.matched_share(found, truth) == pytest.approx(0.8)
  logits = np.eye(4)[(found + 1) % 3]  # other numbers, and a cluster that nothing is in
  answers = Response(logits, logits, truth)
  rng = np.random.default_rng(0)
  assert METRICS['cluster_accuracy'].function(answers, rng).value == pytest.approx(0.8)
  sure = Response(np.eye(3)[truth], np.eye(3)[truth], truth)
  assert METRICS['cluster_nmi'].function(sure, rng).value == pytest.approx(1)
  with pytest.raises(UserError, match='this one finds none'):
    METRICS['cluster_nmi'].function(answers._replace(logits=None), rng)


@pytest.mark.row(48)
def test_windows_begin_anew_with_each_round():
  config = recipe.get_config('tiny')
  phases = experiment.build(config).phases
  played = [routing.played(phases, routing.active(phases, step)) for step in range(8)]
  names = [[phase.name for _, phase in found] for found in played]
  em = [['discriminate', 'generate']] * 2 + [['assign']] * 2
  assert names == em + em
  assert 'discriminate 0..2 of 4' in routing.describe(phases, ('assigner', 'discriminator', 'generator'))
  with pytest.raises(UserError, match=r'window.assign begins at step 4 of a round of round_steps=4'):
    config.window.assign = (4, 0)
    routing.make_phases(
      gan_em.METHOD.objectives, config.routes.to_dict(), window=config.window.to_dict(), round_steps=4
    )
  assert plan._played(phases, 4000) == {((0, ()), (1, ())): 2, ((2, ()),): 2}


def config_of(**fields):
  config = recipe.get_config('tiny')
  config.num_steps, config.checkpoint_every_steps, config.sample_every_steps = 7, 7, 7
  config.update_from_flattened_dict(fields)
  return config


def losses(workdir):
  rows = map(json.loads, workdir.metrics_file.read_text().splitlines())
  return [{k: v for k, v in row.items() if not k.startswith('time/')} for row in rows]


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  """(run, its state after seven steps: a round of four, and two of M and one of E), and its workdir."""
  workdir = Workdir(tmp_path_factory.mktemp('straight'))
  assert train.train(config_of(), workdir)
  run = experiment.build(config_of())
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    return run, checkpoints.restore(run.abstract_state()), workdir


@pytest.mark.row(48)
def test_a_run_that_is_resumed_where_a_round_begins_ends_as_the_straight_one(straight, tmp_path):
  _, expected, workdir = straight
  resumed = Workdir(tmp_path)
  for steps in (4, 7):
    assert train.train(config_of(num_steps=steps), resumed)
  assert losses(resumed) == losses(workdir)
  run = experiment.build(config_of())
  with Checkpoints(resumed.checkpoints, read_only=True) as checkpoints:
    found = checkpoints.restore(run.abstract_state())
  jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.row(48)
def test_a_round_begins_without_moments(straight):
  _, state, _ = straight
  counts = {
    group: [int(x) for x in jax.tree.leaves(opt) if x.shape == () and x.dtype == jnp.int32]
    for group, opt in state.opt.items()
  }
  assert counts == {'assigner': [1], 'discriminator': [2], 'generator': [2]}


@pytest.mark.row(48)
def test_rates_fall_from_round_to_round():
  config = recipe.get_config()
  assert config.round_steps == 6000
  run = experiment.build(recipe.get_config('tiny'))
  gradient = jax.tree.map(jnp.ones_like, run.create_state().params['generator'])
  step = lambda n: run.optimizers['generator'].update(  # noqa: E731
    gradient, run.optimizers['generator'].init(gradient), gradient, step=n
  )[0]
  first, last, second = (jax.tree.leaves(step(n))[0].ravel()[0] for n in (0, 3, 4))
  np.testing.assert_allclose([first, last, second], [-6e-4, -6e-4, -6e-4 * 0.98], rtol=1e-4)


@pytest.mark.row(48)
def test_shares_are_equal_in_the_first_round_and_the_assigners_afterwards(straight):
  run, state, _ = straight
  x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 1)), jnp.float32)
  look = lambda gan, x: (gan.shares(x), jax.nn.softmax(gan.assigner(x)))  # noqa: E731
  variables = inference_variables(state)
  for step, first in ((3, True), (4, False)):
    shares, own = run.gan.apply({**variables, 'clock': {'step': step}}, x, method=look)
    np.testing.assert_allclose(shares, jnp.full((5, 3), 1 / 3) if first else own, rtol=1e-6)
    assert float(jnp.abs(own - 1 / 3).max()) > 1e-5


@pytest.mark.row(48)
def test_the_assigner_learns_by_the_generators_running_averages_and_moves_neither(straight):
  run, state, _ = straight
  phase = next(phase for phase in run.phases if phase.name == 'assign')
  batch = to_float(Examples(np.zeros((2, 8, 8, 1), np.uint8)))

  @jax.jit
  def played(state):
    _, pullback, stats = forward(phase, run.gan, state, run.groups, batch, jax.random.key(0))
    return pullback({'classify': 1.0}), stats

  grown, stats = played(state)
  for group, reached in (('generator', False), ('discriminator', False), ('assigner', True)):
    assert (max(np.abs(x).max() for x in jax.tree.leaves(grown[group])) > 0) == reached, group
  jax.tree.map(np.testing.assert_array_equal, stats['batch_stats'], state.stats['batch_stats'])
  assert 'assigner' not in stats['batch_stats']


@pytest.mark.row(48)
def test_a_seed_draws_of_one_cluster_and_all_latents_are_uniform(straight):
  run, state, _ = straight
  z = jax.random.normal(jax.random.key(0), (3000, 4))
  codes = run.gan.apply(inference_variables(state), z, 1.0, method=gan_em.style)
  np.testing.assert_allclose(codes[:, :3].sum(1), 1)
  np.testing.assert_allclose(codes[:, :3].mean(0), 1 / 3, atol=0.03)
  latents, cluster = codes[:, 3:], codes[:, :3].argmax(1)
  for k in range(3):
    np.testing.assert_allclose(latents[cluster == k].mean(0), 0.5, atol=0.04)
  assert 0 <= float(latents.min()) < float(latents.max()) <= 1


@pytest.mark.row(48)
def test_clusters_are_measured_where_the_data_have_labels():
  config = recipe.get_config('labelled_digits,tiny')
  config.data.source = 'digits'
  run = experiment.build(config)
  dataset = data.load(config, run.method.batch)
  (task,) = tasks.of_assigner(run, dataset)
  answers = task.generate(inference_variables(run.create_state()), np.arange(4))
  assert [x.label for x in answers] == dataset.test.labels[:4, 0].tolist()
  assert answers[0].logits.shape == (3,)
  unlabelled = experiment.build(recipe.get_config('tiny'))
  assert not tasks.of_assigner(unlabelled, data.load(unlabelled.config, Examples))


@pytest.mark.row(48)
@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'model.clusters': 1}, 'there have to be two at least'),
    ({'image_size': 12}, 'edges that 8 divides'),
    ({'events.renew': 0}, 'plays in rounds: round_steps and events.renew are their length'),
    ({'round_steps': 0}, 'plays in rounds'),
  ],
)
def test_what_it_cannot_do_is_told(fields, message):
  with pytest.raises(UserError, match=message):
    gan_em.build(config_of(**fields))
