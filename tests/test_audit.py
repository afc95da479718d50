"""--mode=routes: it agrees with a true table and tells every way in which one can be false."""

import jax
import jax.numpy as jnp
import pytest
import toy as toy_method
from jax.lax import stop_gradient
from PIL import Image

from decoupled_gan.core.step import play
from decoupled_gan.core.types import Pair
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.losses.pixels import l1
from decoupled_gan.modes import routes
from decoupled_gan.run import experiment
from decoupled_gan.run.workdir import Workdir


def test_a_true_table_is_confirmed_printed_and_painted(toy, tmp_path, capsys):
  routes.audit(toy, Workdir(tmp_path))
  out = capsys.readouterr().out
  assert 'no other group moved by one bit' in out
  for cell in ('10 | ', 'not a bit', 'held back by the table'):
    assert cell in out
  picture = Image.open(tmp_path / 'routes.png')
  assert picture.size == (4 * routes.WIDTH, (1 + 5 + 1) * routes.HEIGHT)


def test_it_audits_the_checkpoint_of_a_run(toy, tmp_path, capsys):
  from decoupled_gan.modes import train

  train.train(toy, Workdir(tmp_path))
  routes.audit(toy, Workdir(tmp_path))
  assert 'no other group moved by one bit' in capsys.readouterr().out


def test_a_new_run_of_several_seeds_has_the_table_of_one_and_a_trained_one_is_taken_apart_first(
  toy, tmp_path, capsys, monkeypatch
):
  toy.seeds = 2
  routes.audit(toy, Workdir(tmp_path))
  assert 'no other group moved by one bit' in capsys.readouterr().out
  monkeypatch.setattr(Workdir, 'has_checkpoint', True)
  with pytest.raises(UserError, match='holds 2 seeds, 0, 1: take one out'):
    routes.audit(toy, Workdir(tmp_path))


def findings(config):
  run = experiment.build(config)
  real = Pair(*jnp.linspace(-1, 1, 2 * 2 * 4 * 4 * 3).reshape(2, 2, 4, 4, 3))
  return routes.examine(run, run.create_state(), real)


def test_norms_are_those_of_each_unweighted_loss_for_every_group(toy):
  judge, paint = findings(toy)
  assert judge.norms['adversarial']['critic'] > 0
  assert judge.norms['adversarial']['maker'] == 0, 'the fakes are detached'
  assert paint.norms['adversarial']['critic'] > 0, 'held back by the table, and shown'
  assert paint.norms['match']['critic'] == 0
  toy.routes.paint.match.maker = 1000.0
  assert findings(toy)[1].norms == paint.norms


def test_a_declared_route_that_the_objective_cuts_is_a_fault(toy, tmp_path, monkeypatch):
  def paint(gan, real):
    judged = gan.critic(gan.maker(real.a))
    return {'adversarial': (judged**2).mean(), 'match': l1(stop_gradient(real.a), real.b)}

  monkeypatch.setitem(toy_method.METHOD.objectives, 'paint', paint)
  with pytest.raises(RunError, match=r'paint/match is declared to train maker, but its gradient .* 0'):
    routes.audit(toy, Workdir(tmp_path))
  assert (tmp_path / 'routes.png').exists(), 'the picture shows the fault'


def test_a_group_that_moves_outside_the_table_is_a_fault_even_by_one_bit(toy, monkeypatch):
  def meddling(phase, gan, optimizers, state, batch, key):
    after, losses = play(phase, gan, optimizers, state, batch, key)
    critic = jax.tree.map(lambda x: jnp.nextafter(x, x + 1), state.params['critic'])
    if phase.name == 'paint':
      after = after.replace(params={**after.params, 'critic': critic})
    return after, losses

  monkeypatch.setattr(routes, 'play', meddling)
  judge, paint = findings(toy)
  assert judge.faults() == []
  assert paint.faults() == ['paint moved critic, which its table does not name.']


def test_a_group_whose_optimizer_state_alone_moves_is_a_fault(toy, monkeypatch):
  def meddling(phase, gan, optimizers, state, batch, key):
    after, losses = play(phase, gan, optimizers, state, batch, key)
    return after.replace(opt=jax.tree.map(lambda x: x + 1, after.opt)), losses

  monkeypatch.setattr(routes, 'play', meddling)
  assert 'judge moved maker, which its table does not name.' in findings(toy)[0].faults()


def test_a_routed_group_that_stays_is_a_fault(toy, monkeypatch):
  monkeypatch.setattr(routes, 'play', lambda phase, gan, optimizers, state, *_: (state, {}))
  assert 'judge did not move critic, which its table names.' in findings(toy)[0].faults()
