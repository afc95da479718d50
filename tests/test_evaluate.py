"""Evaluation of runs and of folders, in process, on a method and a network that compile at once."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest
from PIL import Image

from decoupled_gan import data, defaults, methods
from decoupled_gan.errors import UserError
from decoupled_gan.evaluation import metrics, requests, scoring
from decoupled_gan.evaluation.metrics import paired, protocols
from decoupled_gan.evaluation.tasks import Task
from decoupled_gan.modes import evaluate, train
from decoupled_gan.pretrained import features
from decoupled_gan.run.workdir import Workdir

HERE = Path(__file__).parent


class Means(nn.Module):
  """The mean colours of the quarters of an image, through one dense layer."""

  @nn.compact
  def __call__(self, images):
    quarters = images.reshape(len(images), 2, 4, 2, 4, 3).mean((2, 4)).reshape(len(images), 12)
    return {'features': nn.Dense(12, name='fc')(quarters / 255), 'logits': quarters / 50}


@pytest.fixture(autouse=True)
def network(monkeypatch, tmp_path):
  """A feature network of 8 px that counts how many images it sees, and a cache of the test's own."""
  seen = []

  def load():
    return jax.jit(Means().init)(jax.random.key(0), np.zeros((1, 8, 8, 3), np.float32))

  def extract(network, images):
    images = list(images)
    seen.append(len(images))
    return original(network, images)

  original = features.extract
  module = types.SimpleNamespace(
    NAME='means', INPUT_SIZE=8, SHA256='5ea', FILE='means.pth', build=Means, load=load
  )
  monkeypatch.setitem(features.NETWORKS, 'means', module)
  monkeypatch.setattr(features, 'extract', extract)
  monkeypatch.setenv('DECOUPLED_GAN_CACHE', str(tmp_path / 'cache'))
  features.published.cache_clear()
  return seen


@pytest.fixture(scope='module')
def original(tmp_path_factory):
  """The folder of a run with checkpoints of steps 4 and 8."""
  import toy

  config = toy.get_config()
  config.checkpoints_to_keep = 5
  path = tmp_path_factory.mktemp('original')
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(methods.METHODS, 'toy', toy.METHOD)
    train.train(config, Workdir(path))
  return path


@pytest.fixture
def trained(toy, original, tmp_path):
  """The workdir of a copy of it."""
  return Workdir(shutil.copytree(original, tmp_path / 'run'))


def rows(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def scores(workdir, **options):
  evaluate.evaluate_run(workdir, **options)
  return rows(workdir.path / 'evaluations.jsonl')


def write(folder, images, suffix='.png'):
  folder.mkdir()
  for i, image in enumerate(images):
    Image.fromarray(image).save(folder / f'{i}{suffix}')


def noise(count, seed, low=0, size=24):
  return np.random.default_rng(seed).integers(low, 256, (count, size, size, 3), dtype=np.uint8)


def test_a_run_with_ground_truth_is_scored_by_it_beside_baselines(trained, capsys, network):
  found = scores(trained)
  assert {(r['task'], r['images'], r['metric']) for r in found} == {
    (task, images, metric)
    for task in ('a_to_b', 'b_to_a')
    for images in ('identity', 'mean and variance', 'toy')
    for metric in ('mae', 'psnr')
  }
  assert not network  # fast: no features unless they are asked for
  told = capsys.readouterr().out
  assert 'fake, step 8' in told and 'Protocol nice_gan' in told
  dataset = evaluate.data.load(trained.load_config(), methods.METHODS['toy'].batch)
  test = [np.stack([x[i] for i in range(16)]) for x in dataset.test]
  identity = next(r for r in found if (r['images'], r['metric']) == ('identity', 'mae'))
  np.testing.assert_allclose(identity['value'], paired.mae(*test), rtol=1e-6)


def test_a_line_has_all_that_a_number_needs_to_be_compared(trained):
  found = scores(trained, asked='kid@means,psnr', protocol='nice_gan')
  line = next(r for r in found if r['metric'] == 'kid_16@means' and r['images'] == 'toy')
  assert line['low'] < line['value'] < line['high']
  told = {k: line[k] for k in line if k not in ('value', 'low', 'high', 'versions')}
  assert told == {
    'task': 'a_to_b', 'images': 'toy', 'metric': 'kid_16@means', 'interval': '20 subsamples',
    'scale': 100, 'better': 'lower', 'protocol': 'nice_gan', 'resize': 'bilinear', 'count': 16,
    'reference_count': 16, 'network': 'means', 'sha256': '5ea', 'checkpoint': 8, 'seed': 0,
  }  # fmt: skip
  assert set(line['versions']) == {'decoupled_gan', 'jax'}


def test_the_same_evaluation_twice_gives_the_same_numbers(trained):
  scores(trained, asked='kid@means,sliced_wasserstein')
  found = scores(trained, asked='kid@means,sliced_wasserstein')
  half = len(found) // 2
  assert found[:half] == found[half:]


def test_the_protocol_chooses_the_reference_and_the_resize(trained):
  found = scores(trained, asked='kid@means', protocol='cleanfid')
  assert {(r['reference_count'], r['resize'], r['scale']) for r in found} == {(64, 'antialiased', 1)}


def test_real_images_are_brought_to_the_size_of_training_as_training_does():
  config = defaults.get_config()
  config.image_size, config.data.interpolation, config.data.stretch = 8, 'bicubic', True
  rng = np.random.default_rng(0)
  images = data.ArrayImages(rng.integers(50, 200, (2, 16, 16, 3), np.uint8), ['0', '1'])
  task = Task('x', None, None, {'test': images})
  found = {}
  for size in ('training', 'own'):
    protocol = dataclasses.replace(protocols.get('nice_gan'), reference='test', reference_size=size)
    found[size] = requests.real_images(task, protocol, config).read(np.arange(2))
  wanted = data.test_images(images, None, config)
  for image in found['training']:
    assert any((image == x).all() for x in wanted)
  assert {(x.shape, x.min(), x.max()) for x in found['own']} == {((16, 16, 3), 0, 255)}


def test_features_of_real_images_are_cached_by_content(trained, network):
  scores(trained, asked='kid@means')
  first, network[:] = list(network), []
  scores(trained, asked='kid@means')
  assert len(first) == 8 and len(network) == 6  # of 2 directions: 3 sets made; once also the real
  features.load('means')
  network.clear()
  scores(trained, asked='kid@means', protocol='cleanfid')  # other images and another resize
  assert len(network) == 8


def test_all_checkpoints_can_be_scored_and_baselines_are_once(trained):
  found = scores(trained, checkpoint='all')
  assert [r['checkpoint'] for r in found if r['images'] == 'toy'] == [4] * 4 + [8] * 4
  assert {r['checkpoint'] for r in found if r['images'] == 'identity'} == {4}
  assert scores(trained, checkpoint=4)[-1]['checkpoint'] == 4


def test_a_count_takes_a_fixed_sample(trained):
  found = scores(trained, asked='kid_8@means,kid_12@means')
  assert {r['metric']: r['count'] for r in found} == {'kid_8@means': 8, 'kid_12@means': 12}


@pytest.mark.parametrize(
  ('options', 'told'),
  [
    ({'asked': 'kid_1k@means'}, 'kid_1k needs 1,000 images, and there are 16 .*: ask for kid, which'),
    ({'asked': 'beauty'}, "no metric 'beauty'; there are .*coverage"),
    ({'asked': 'kid@resnet'}, "no feature network 'resnet'; there are inception"),
    ({'protocol': 'mine'}, "no protocol 'mine'; there are nice_gan, stylegan, cleanfid"),
    ({'checkpoint': 5}, r'no checkpoint of step 5; it has \[4, 8\]'),
    ({'checkpoint': 'best'}, 'no best checkpoint, for none was scored: train with --config.evaluate_ev'),
    ({'asked': 'inception_score_5@means'}, 'at least 10 images; there are 5'),
  ],
)
def test_what_cannot_be_evaluated_is_told(trained, options, told):
  with pytest.raises(UserError, match=told):
    scores(trained, **options)


def test_a_method_without_tasks_is_told(trained, monkeypatch):
  idle = dataclasses.replace(methods.METHODS['toy'], translate=None)
  monkeypatch.setitem(methods.METHODS, 'toy', idle)
  with pytest.raises(UserError, match="method='toy' makes nothing to evaluate: it has none of transl"):
    scores(trained)


def test_missing_weights_are_stood_in_for_only_where_nothing_was_asked():
  standing_in = requests.available(protocols.PROTOCOLS['nice_gan'].metrics)
  assert [r.title(100) for r in standing_in] == [
    'kid_100@efficientnet_lite0', 'fd_100@efficientnet_lite0',
  ]  # fmt: skip


def folders(tmp_path, real, fake, asked, **options):
  evaluate.evaluate_folders(
    str(real), str(fake), asked, options.get('protocol', ''), tmp_path / 'out.jsonl'
  )
  return {row['metric']: row for row in rows(tmp_path / 'out.jsonl')}


def test_two_folders_of_the_same_kind_are_near_and_of_another_kind_far(tmp_path, capsys):
  for name, images in {'real': noise(40, 0), 'same': noise(40, 1), 'other': noise(40, 2, 128)}.items():
    write(tmp_path / name, images)
  asked = 'fd@means,kid@means,coverage@means'
  near = folders(tmp_path, tmp_path / 'real', tmp_path / 'same', asked)
  far = folders(tmp_path, tmp_path / 'real', tmp_path / 'other', asked)
  assert near['kid_40@means']['low'] < 0 < near['kid_40@means']['high']
  assert far['kid_40@means']['low'] > near['kid_40@means']['high']
  assert far['fd_40@means']['value'] > near['fd_40@means']['value']
  assert far['coverage_40@means']['value'] < near['coverage_40@means']['value']
  told = capsys.readouterr().out
  assert told.index('kid_40') < told.index('fd_40')  # KID first, whatever was asked first
  assert 'FD of fewer than 2,000 images (40 here) is mostly bias' in told
  assert 'Features of means: not comparable with published numbers, which are made with ince' in told


def test_folders_of_equal_names_are_pairs(tmp_path):
  write(tmp_path / 'real', noise(5, 0))
  write(tmp_path / 'same', noise(5, 0))
  found = folders(tmp_path, tmp_path / 'real', tmp_path / 'same', 'mae,ssim,psnr')
  assert found['mae']['value'] == 0
  assert found['ssim']['value'] == pytest.approx(1)


def test_pairs_are_joined_by_name_wherever_their_endings_sort_them(tmp_path):
  for folder, ending in (('real', 'tif'), ('fake', 'png')):
    (tmp_path / folder).mkdir()
    for level, stem in enumerate(('p', 'p.left', 'p-2', 'p_3')):
      pixels = np.full((24, 24, 3), 60 * level, np.uint8)
      Image.fromarray(pixels).save(tmp_path / folder / f'{stem}.{ending if level else "tif"}')
  assert folders(tmp_path, tmp_path / 'real', tmp_path / 'fake', 'mae')['mae']['value'] == 0


def test_pairs_of_two_sizes_are_told(tmp_path):
  write(tmp_path / 'real', noise(3, 0, size=32))
  write(tmp_path / 'fake', noise(3, 0))
  with pytest.raises(UserError, match='must be of one size: fake has 24x24x3, real has 32x32x3'):
    folders(tmp_path, tmp_path / 'real', tmp_path / 'fake', 'mae')


def test_what_a_reader_of_a_score_should_know_of_the_files_is_told(tmp_path, capsys):
  write(tmp_path / 'real', [*noise(5, 0), *noise(5, 0)])
  write(tmp_path / 'fake', noise(10, 1))
  for i in range(10):
    path = tmp_path / 'fake' / f'{i}.png'
    Image.open(path).save(path.with_suffix('.jpg'))
    path.unlink()
  (tmp_path / 'fake' / 'animation.gif').write_bytes(b'1')
  folders(tmp_path, tmp_path / 'real', tmp_path / 'fake', 'kid@means')
  told = capsys.readouterr().out
  assert '--real: 5 of 10 images are copies of others; each counts' in told
  assert '--fake: .jpg files lose a little of each image, and scores see that' in told
  assert '--fake: left out, for they end in none of' in told


def test_a_folder_inside_the_other_is_not_counted_twice_unseen(tmp_path):
  write(tmp_path / 'real', noise(5, 0))
  write(tmp_path / 'real' / 'out', noise(5, 1))
  with pytest.raises(UserError, match=r'--fake=.*real/out lies in --real=.*would be counted with it'):
    folders(tmp_path, tmp_path / 'real', tmp_path / 'real' / 'out', 'kid@means')


def test_numbers_are_not_appended_to_a_file_of_something_else(tmp_path):
  write(tmp_path / 'real', noise(5, 0))
  folder, image = str(tmp_path / 'real'), tmp_path / 'real' / '0.png'
  before = image.read_bytes()
  with pytest.raises(UserError, match=r'0\.png is a file of something else, and would be overwritten'):
    evaluate.evaluate_folders(folder, folder, 'kid@means', '', image)
  assert image.read_bytes() == before


def test_images_of_mixed_sizes_do_for_features_and_are_told_elsewhere(tmp_path):
  write(tmp_path / 'real', [*noise(3, 0), *noise(3, 1, size=32)])
  write(tmp_path / 'fake', noise(7, 2))
  assert 'kid_7@means' in folders(tmp_path, tmp_path / 'real', tmp_path / 'fake', 'kid@means')
  with pytest.raises(UserError, match=r'real: images of one size .* 2 sizes \(24x24x3, 32x32x3\)'):
    folders(tmp_path, tmp_path / 'real', tmp_path / 'fake', 'sliced_wasserstein')


def test_folders_that_cannot_be_evaluated_are_told(tmp_path):
  write(tmp_path / 'real', noise(3, 0))
  write(tmp_path / 'one', noise(1, 0))
  (tmp_path / 'empty').mkdir()
  real, one = tmp_path / 'real', tmp_path / 'one'
  with pytest.raises(UserError, match=r'--fake=.*/empty holds no images'):
    folders(tmp_path, real, tmp_path / 'empty', 'kid@means')
  with pytest.raises(UserError, match='needs at least 2 images on both sides; there are 3 real and 1'):
    folders(tmp_path, real, one, 'kid@means')
  with pytest.raises(UserError, match='psnr needs the truth of each generated image'):
    folders(tmp_path, real, one, 'psnr')
  (one / '1.png').write_bytes((one / '0.png').read_bytes()[:200])
  with pytest.raises(UserError, match=r'1 of 2 images cannot be used, .*1\.png'):
    folders(tmp_path, real, one, 'kid@means')


def test_samples_without_end_need_a_number_and_are_made_in_calls_of_one_size():
  calls = []

  def generate(variables, indices):
    calls.append(len(indices))
    return np.stack([np.full((16, 16, 3), variables + i % 200, np.uint8) for i in indices])

  task = evaluate.Task('samples', generate, None, {})
  config = types.SimpleNamespace(seed=0)
  made = requests.generated_images(task, 1, config)
  assert made.images(70)[:, 0, 0, 0].tolist() == list(range(1, 71))  # the index is the seed
  assert len({*calls}) == 1
  with pytest.raises(UserError, match='kid: say of how many images, as in kid_10k'):
    scoring.score([metrics.parse('kid@means')], made, made, protocols.PROTOCOLS['stylegan'], 0)
  found = scoring.score(
    [metrics.parse('kid_20@means'), metrics.parse('kid_30@means')],
    scoring.of_images('real', noise(25, 0)), made, protocols.PROTOCOLS['stylegan'], 0,
  )  # fmt: skip
  assert [(s.title, s.count, s.reference_count) for s in found] == [
    ('kid_20@means', 20, 25), ('kid_30@means', 30, 25),
  ]  # fmt: skip


def test_while_it_trains_the_best_checkpoint_is_kept_and_the_curve_drawn(toy, tmp_path, monkeypatch):
  toy.evaluate_every_steps = 2
  toy.num_steps = 8
  toy.checkpoints_to_keep = 1
  toy.evaluation.metrics = ('psnr', 'kid@means')
  toy.evaluation.best_metric = 'kid@means'
  toy.evaluation.images = 6
  kids, real_score = [3.0, 3.0, 1.0, 1.0, 4.0, 4.0, 2.0, 2.0], scoring.score

  def score(*arguments):
    """With KIDs whose order is known, for two directions at each of four steps."""
    found, made = real_score(*arguments), kids.pop(0)
    return [
      dataclasses.replace(s, estimate=s.estimate._replace(value=made * s.scale))
      if s.metric.name == 'kid'
      else s
      for s in found
    ]

  monkeypatch.setattr(scoring, 'score', score)
  workdir = Workdir(tmp_path / 'run')
  train.train(toy, workdir)
  written = [r for r in rows(workdir.metrics_file) if 'evaluate/a_to_b/psnr' in r]
  assert [r['evaluate/b_to_a/kid_6@means'] for r in written] == [3, 1, 4, 2]
  assert {p.name for p in workdir.checkpoints.iterdir()} == {'4', '8'}  # the best, the latest
  assert Image.open(workdir.path / 'evaluations.png').size[0] > 300
  monkeypatch.setattr(scoring, 'score', real_score)
  assert {r['checkpoint'] for r in scores(workdir, checkpoint='best')} == {4}


def test_training_with_a_best_metric_that_is_not_measured_is_told_before_it_starts(toy, tmp_path):
  toy.evaluate_every_steps = 2
  toy.evaluation.best_metric = 'fd@means'
  with pytest.raises(UserError, match=r"best_metric='fd@means' is not measured .* are mae, psnr"):
    train.train(toy, Workdir(tmp_path / 'run'))


DEVICES = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import toy
from decoupled_gan import methods
from decoupled_gan.modes import train
from decoupled_gan.run.workdir import Workdir

methods.METHODS['toy'] = toy.METHOD
config = toy.get_config()
config.batch_size = 2
config.num_steps = config.evaluate_every_steps = 2
config.evaluation.metrics = ('psnr', 'kid@efficientnet_lite0')
config.evaluation.images = 7
train.train(config, Workdir(sys.argv[1]))
"""


@pytest.mark.slow
def test_two_devices_evaluate_as_one_does(tmp_path, monkeypatch):
  monkeypatch.delenv('DECOUPLED_GAN_CACHE')  # the weights of efficientnet_lite0 are in the user's
  script, found = DEVICES.format(tests=str(HERE), root=str(HERE.parent)), []
  for devices in (1, 2):
    done = subprocess.run(
      [sys.executable, '-c', script, tmp_path / f'{devices}'],
      env=os.environ | {'XLA_FLAGS': f'--xla_force_host_platform_device_count={devices}'},
      capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert f'devices   {devices} x' in done.stdout
    last = rows(tmp_path / f'{devices}' / 'metrics.jsonl')[-1]
    found.append({k: v for k, v in last.items() if k.startswith('evaluate/')})
  assert len(found[0]) == 4
  assert found[1] == pytest.approx(found[0], rel=1e-3)
