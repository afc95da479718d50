"""Official NICE-GAN checkpoints: fixtures as real .pt files, imported, used, exported."""

from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from configs import nice
from decoupled_gan.core import routing
from decoupled_gan.core.types import Pair
from decoupled_gan.errors import UserError
from decoupled_gan.interop import nice_checkpoint
from decoupled_gan.interop import nice_official as official
from decoupled_gan.machine import pytorch_file
from decoupled_gan.run import experiment, inference
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

torch = pytest.importorskip('torch', reason='the extra `interop` is not installed')

FIXTURES = Path(__file__).parent / 'fixtures'


def official_file(form: str, path: Path, when='before') -> Path:
  """The fixture as the official code would have saved it, profile counters included."""
  numbers = np.load(FIXTURES / f'nice_{form}.npz')
  content = {'start_iter': 2}
  for network in official.NETWORKS:
    prefix = f'{when}/{network}/'
    content[network] = {k.removeprefix(prefix): numbers[k] for k in numbers if k.startswith(prefix)}
  for name, members in nice_checkpoint.OPTIMIZERS.items():
    keys = [
      (n, e.key) for n in members for e in official.entries(n, 6, 2, form == 'full') if e.is_parameter
    ]
    states = [
      {k: numbers[f'{when}/{name}/{i}/{k}'] for k in ('step', 'exp_avg', 'exp_avg_sq')}
      for i in range(len(keys))
    ]
    shapes = [content[n][k].shape for n, k in keys]
    settings = {'lr': 1e-4, 'betas': (0.5, 0.999), 'eps': 1e-8, 'weight_decay': 1e-4}
    content[name] = pytorch_file.adam_state(shapes, states, settings)
  content['disA']['model.total_ops'] = np.zeros(1)
  content['gen2B']['UpBlock0.1.total_params'] = np.zeros(1)
  pytorch_file.write(path, content)
  return path


def recipe():
  config = nice.get_config()
  config.image_size = 48
  config.batch_size = 2
  config.data.source = 'fake'
  return config


@pytest.fixture(scope='module', params=['light', 'full'])
def imported(request, tmp_path_factory):
  """(form, workdir of the import)."""
  folder = tmp_path_factory.mktemp(request.param)
  workdir = Workdir(folder / 'run')
  nice_checkpoint.import_checkpoint(official_file(request.param, folder / 'x.pt'), recipe(), workdir)
  return request.param, workdir


def tensors(content):
  """{path: tensor} of a read .pt file, without profile counters."""
  flat, _ = jax.tree_util.tree_flatten_with_path(content)
  named = {jax.tree_util.keystr(path): np.asarray(x) for path, x in flat}
  return {k: v for k, v in named.items() if 'total_' not in k}


def test_the_architecture_is_read_off_the_shapes(imported):
  form, workdir = imported
  config = workdir.load_config()
  model = config.model
  assert (model.width, model.depth, model.blocks) == (4, 6, 2)
  assert model.full == (form == 'full')
  assert (config.image_size, config.image_channels) == (48, 3)


@pytest.mark.parametrize('depth, trunks', [(6, 0), (7, 1), (8, 2)])
@pytest.mark.parametrize('width, channels', [(4, 1), (6, 3)])
def test_depths_and_widths_are_read_off_what_is_exported(depth, trunks, width, channels):
  config = nice.get_config()
  config.image_size, config.image_channels = 192, channels
  config.model.width, config.model.depth, config.model.blocks = width, depth, 3
  run = experiment.build(config, train=False)
  state = jax.tree.map(lambda x: np.zeros(x.shape), run.abstract_state())
  networks = official.write_networks({'params': state.params, **state.stats}, depth, 3, False)
  assert f'Dis0_0.{3 * trunks - 2}.bias' in networks['disA'] or not trunks
  found = nice_checkpoint.Architecture.of(networks)
  assert (found.width, found.depth, found.blocks) == (width, depth, 3)
  assert (found.channels, found.full, found.image_size) == (channels, False, None)


def test_translations_are_within_one_level_of_the_official_ones(imported):
  form, workdir = imported
  numbers = np.load(FIXTURES / f'nice_{form}.npz')
  trained = inference.load(workdir)
  for direction, source in (('a_to_b', 'a_uint8'), ('b_to_a', 'b_uint8')):
    made = trained.translator(direction)(numbers[source]).astype(int)
    expected = (numbers[f'eval/{direction}'].transpose(0, 2, 3, 1) * 0.5 + 0.5) * 255
    assert np.abs(made - np.rint(expected)).max() <= 1


@pytest.mark.slow
def test_one_more_training_step_has_the_official_losses(imported):
  form, workdir = imported
  numbers = np.load(FIXTURES / f'nice_{form}.npz')
  run = experiment.build(workdir.load_config())
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    state = checkpoints.restore(run.abstract_state())
  batch = Pair(numbers['a_uint8'], numbers['b_uint8'])
  _, losses = run.train_step()(state, batch, routing.active(run.phases, 0))
  names = ['discriminate/adversarial']
  names += [f'translate/{loss}' for loss in ('adversarial', 'cycle', 'reconstruct')]
  np.testing.assert_allclose([losses[n] for n in names], numbers['losses'][0, :4], rtol=1e-5)


def test_exporting_what_was_imported_is_the_identity_bit_for_bit(imported, tmp_path):
  form, workdir = imported
  nice_checkpoint.export_checkpoint(workdir, str(tmp_path / 'back.pt'))
  before = pytorch_file.read(official_file(form, tmp_path / 'x.pt'))
  after = pytorch_file.read(tmp_path / 'back.pt')
  assert list(after['gen2B']) == [k for k in before['gen2B'] if 'total_' not in k]
  assert list(after['disA']) == [k for k in before['disA'] if 'total_' not in k]
  before, after = tensors(before), tensors(after)
  assert before.keys() == after.keys()
  for name in before:
    np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    assert before[name].dtype == after[name].dtype or before[name].dtype.kind in 'if'


def test_missing_surplus_and_misshapen_tensors_are_listed_in_one_error(tmp_path):
  content = pytorch_file.read(official_file('light', tmp_path / 'x.pt'))
  del content['disB']['lamda']
  content['gen2A']['UpBlock9.weight'] = np.zeros(3, np.float32)
  content['gen2B']['gamma.weight'] = np.zeros((2, 2), np.float32)
  pytorch_file.write(tmp_path / 'bad.pt', content)
  with pytest.raises(UserError) as error:
    nice_checkpoint.import_checkpoint(tmp_path / 'bad.pt', recipe(), Workdir(tmp_path / 'run'))
  for told in (
    'disB.lamda is missing', 'gen2A.UpBlock9.weight is surplus',
    'gen2B.gamma.weight is (2, 2), not (16, 16)',
  ):  # fmt: skip
    assert told in str(error.value)
  assert not (tmp_path / 'run').exists()


class Evil:
  def __reduce__(self):
    return (open, ('/should-not-be-opened', 'w'))


def test_a_file_that_needs_unpickling_is_refused(tmp_path):
  torch.save({'gen2B': Evil()}, tmp_path / 'evil.pt')
  with pytest.raises(UserError, match='not a PyTorch file of tensors'):
    pytorch_file.read(tmp_path / 'evil.pt')


def test_other_files_are_told_from_checkpoints(tmp_path):
  (tmp_path / 'text.pt').write_text('hello')
  with pytest.raises(UserError, match=r'text\.pt is not a PyTorch file'):
    pytorch_file.read(tmp_path / 'text.pt')
  with pytest.raises(UserError, match='is not a file'):
    pytorch_file.read(tmp_path / 'none.pt')
  torch.save({'model': {}}, tmp_path / 'other.pt')
  with pytest.raises(UserError, match=r'not an official NICE-GAN checkpoint.* has none'):
    nice_checkpoint.import_checkpoint(tmp_path / 'other.pt', recipe(), Workdir(tmp_path / 'run'))


def test_a_workdir_with_a_run_is_not_overwritten(imported, tmp_path):
  form, workdir = imported
  with pytest.raises(UserError, match='holds a run already: name a new folder'):
    nice_checkpoint.import_checkpoint(official_file(form, tmp_path / 'x.pt'), recipe(), workdir)


def test_without_torch_the_message_says_what_to_install(monkeypatch, tmp_path):
  import sys

  monkeypatch.setitem(sys.modules, 'torch', None)
  with pytest.raises(UserError, match=r"needs torch, .*pip install 'decoupled_gan\[interop\]'"):
    pytorch_file.read(tmp_path / 'x.pt')


def test_a_model_without_a_head_cannot_be_exported(tmp_path):
  config = nice.get_config('no_c2')
  config.image_size, config.model.depth, config.model.width, config.model.blocks = 48, 6, 2, 1
  workdir = Workdir(tmp_path)
  workdir.save_config(config)
  with pytest.raises(UserError, match='no place for a model without attention or a head'):
    nice_checkpoint.export_checkpoint(workdir, str(tmp_path / 'x.pt'))


def test_the_commands_import_and_translate_through_the_one_door(tmp_path):
  import test_end_to_end as commands

  numbers = np.load(FIXTURES / 'nice_light.npz')
  pt = official_file('light', tmp_path / 'official.pt')
  code, out, err = commands.finish(commands.command(
    tmp_path, '--mode=import', f'--input={pt}', f'--workdir={tmp_path / "run"}',
    '--config.image_size=48', '--config.data.source=fake',
  ))  # fmt: skip
  assert code == 0, err
  assert 'step 2' in out
  (tmp_path / 'in').mkdir()
  for i, image in enumerate(numbers['a_uint8']):
    Image.fromarray(image).save(tmp_path / 'in' / f'{i}.png')
  code, _, err = commands.finish(commands.command(
    tmp_path, '--mode=translate', f'--workdir={tmp_path / "run"}', f'--input={tmp_path / "in"}',
    f'--output={tmp_path / "out"}',
  ))  # fmt: skip
  assert code == 0, err
  expected = np.rint((numbers['eval/a_to_b'].transpose(0, 2, 3, 1) * 0.5 + 0.5) * 255)
  for i in range(2):
    made = np.asarray(Image.open(tmp_path / 'out' / f'{i}.png')).astype(int)
    assert np.abs(made - expected[i]).max() <= 1
