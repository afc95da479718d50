"""NRDS: the authors' four numbers from their curves, and the whole procedure on made-up folders."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from decoupled_gan.core import state
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics import nrds
from decoupled_gan.modes import nrds as mode

# The classifier's mean outputs over 20 epochs in the authors' saved files: adversarial weights 1,
# 1e-2, 1e-3, 1e-4 (ZZUTK/Decoupled-Learning-Conditional-GAN, NRDS/save/mat).
PUBLISHED = np.array(
  [
    [0.489168, 0.489024, 0.490253, 0.489206],
    [0.528869, 0.527487, 0.526418, 0.530133],
    [0.552349, 0.551434, 0.548586, 0.551306],
    [0.493428, 0.495345, 0.493432, 0.492472],
    [0.535546, 0.535570, 0.495881, 0.490560],
    [0.520914, 0.524500, 0.525261, 0.523303],
    [0.505077, 0.510974, 0.510539, 0.508657],
    [0.434543, 0.436969, 0.435980, 0.434762],
    [0.184546, 0.200323, 0.182004, 0.185716],
    [0.667437, 0.692865, 0.678347, 0.682895],
    [0.479267, 0.509058, 0.511360, 0.513389],
    [0.404321, 0.389126, 0.428925, 0.425563],
    [0.063523, 0.041459, 0.063099, 0.071833],
    [0.186539, 0.188467, 0.247608, 0.205330],
    [0.013997, 0.044235, 0.060786, 0.062548],
    [0.029448, 0.072735, 0.099493, 0.095298],
    [0.004960, 0.027960, 0.043134, 0.049221],
    [0.000059, 0.000471, 0.000934, 0.000653],
    [0.066485, 0.075632, 0.091447, 0.077690],
    [0.026992, 0.044724, 0.054476, 0.044666],
  ]
).T
NAMES = ('adv1', 'adv1e2', 'adv1e3', 'adv1e4')
TINY = nrds.Setting(image_size=16, width=4, batch_size=2, epochs=3, learning_rate=1e-3)


@pytest.mark.row('nrds')
def test_the_authors_scores_follow_from_their_curves():
  found = nrds.scores(dict(zip(NAMES, PUBLISHED, strict=True)))
  assert list(found) == list(NAMES)
  expected = [0.242961, 0.249603, 0.254688, 0.252749]
  np.testing.assert_allclose(list(found.values()), expected, atol=1e-6)


def test_equal_curves_score_par_and_scores_sum_to_one():
  assert nrds.scores({name: [0.5, 0.2, 0.1] for name in 'abcde'}) == dict.fromkeys('abcde', 0.2)
  rng = np.random.default_rng(0)
  assert sum(nrds.scores({str(i): rng.random(9) for i in range(7)}).values()) == pytest.approx(1)


@pytest.mark.parametrize('curves', [{}, {'alone': [0.5, 0.4]}])
def test_fewer_than_two_methods_are_told(curves):
  with pytest.raises(UserError, match='NRDS compares methods: it needs two or more'):
    nrds.scores(curves)


@pytest.mark.parametrize('curves', [{'a': [1, 1], 'b': [1, 1, 1]}, {'a': [1], 'b': [1]}])
def test_curves_without_a_common_area_are_told(curves):
  with pytest.raises(UserError, match='curves of one length, of two epochs or more'):
    nrds.scores(curves)


def test_the_classifier_is_as_large_as_the_published_one():
  images = jnp.zeros((1, 128, 128, 3))
  params = jax.eval_shape(nrds.Classifier().init, jax.random.key(0), images)['params']
  assert state.count(params) == 37_863_041


def noise(count, level, seed):
  """Images of noise around a level."""
  rng = np.random.default_rng(seed)
  return np.clip(rng.normal(level, 20, (count, 16, 16, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def found():
  setting = TINY._replace(epochs=8)
  fakes = {'near': noise(12, 140, 1), 'far': noise(20, 60, 2)}
  return [nrds.curves(noise(16, 150, 0), fakes, setting, seed) for seed in (0, 0, 1)]


def test_what_is_nearer_to_real_scores_higher_and_real_rises_above_both(found):
  curves = found[0]
  result = nrds.scores({name: curves[name] for name in ('near', 'far')})
  assert result['near'] > 0.52
  assert curves['real'][-1] > max(curves['near'][-1], curves['far'][-1])
  assert abs(curves['real'][0] - 0.5) < 0.2


def test_a_seed_gives_the_same_curves_and_another_seed_others(found):
  for name in found[0]:
    np.testing.assert_array_equal(found[0][name], found[1][name])
    assert (found[0][name] != found[2][name]).any()


def shares(counts, setting):
  """How many fakes each method gave to an epoch of 30 real images; fakes are of level i."""
  fakes = {str(i): np.full((n, 1, 1, 1), i, np.uint8) for i, n in enumerate(counts)}
  real = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1)
  batches = list(nrds.epoch(real, fakes, setting, np.random.default_rng(0)))
  assert len({int(x) for batch, _ in batches for x in batch.ravel()}) == len(batches) * 2
  return np.bincount([int(x) for _, batch in batches for x in batch.ravel()], minlength=len(counts))


def test_a_large_folder_has_no_larger_part_of_a_balanced_epoch():
  np.testing.assert_array_equal(shares([100, 10, 10], TINY), [10, 10, 10])
  assert shares([100, 10, 10], TINY._replace(balanced=False))[0] > 20


def test_an_epoch_ends_with_the_smaller_of_real_and_pooled_fakes():
  assert shares([4, 5], TINY).sum() == 8
  assert shares([400, 500], TINY).sum() == 30


def write(folder, images):
  folder.mkdir(parents=True)
  for i, image in enumerate(images):
    Image.fromarray(image).save(folder / f'{i}.png')
  return str(folder)


def test_folders_in_scores_spread_and_picture_out(tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(nrds.CLASSIFIERS, 'small', TINY)
  real = write(tmp_path / 'real', noise(6, 150, 0))
  fakes = [write(tmp_path / name, noise(6, 100, i)) for i, name in enumerate('ab')]
  out = tmp_path / 'out'
  asked = f'a={fakes[0]},b={fakes[1]}'
  mean = mode.measure(real, asked, str(out), 'small', epochs=2, seeds=2)
  told = json.loads((out / 'nrds.json').read_text())
  assert told['nrds'] == mean
  assert sum(mean.values()) == pytest.approx(1)
  assert set(told['spread_over_seeds']) == {'a', 'b'}
  assert [set(run) for run in told['curves']] == [{'real', 'a', 'b'}] * 2
  assert Image.open(out / 'nrds.png').size == (720, 480)
  assert 'par is 0.5000' in capsys.readouterr().out


@pytest.mark.parametrize(
  ('fakes', 'message'),
  [
    ('one=DIR', 'needs two folders or more'),
    ('one=DIR,two', "'two' is not <name>=<folder>"),
    ('one=DIR,one=DIR', 'a name of its own'),
    ('real=DIR,one=DIR', "not 'real'"),
    ('one=DIR,two=nowhere', "'nowhere' is no folder that has images"),
  ],
)
def test_mistakes_about_folders_are_told(tmp_path, fakes, message):
  folder = write(tmp_path / 'real', noise(3, 150, 0))
  with pytest.raises(UserError, match=message):
    mode.measure(folder, fakes.replace('DIR', folder), str(tmp_path))


def test_mistakes_about_the_classifier_are_told(tmp_path):
  with pytest.raises(UserError, match='--classifier=big is unknown; there are published, small'):
    mode.measure('', '', str(tmp_path), 'big')
  with pytest.raises(UserError, match='--epochs=1 must be at least 2'):
    mode.measure('', '', str(tmp_path), epochs=1)
  with pytest.raises(UserError, match='--mode=nrds needs --workdir=<folder>'):
    mode.measure('', '', '')
