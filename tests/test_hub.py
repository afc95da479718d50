"""Publishing and fetching, with the real client against a hub that runs here (stand_in_hub.py)."""

import importlib.util
import json
import shutil
import sys

import jax
import numpy as np
import pytest
import stand_in_hub
import yaml

import decoupled_gan as dg
from decoupled_gan import hub, methods
from decoupled_gan.errors import UserError
from decoupled_gan.exports import safetensors_file
from decoupled_gan.modes import report, train
from decoupled_gan.run import experiment
from decoupled_gan.run.start import begin
from decoupled_gan.run.workdir import Workdir

NAME = f'{stand_in_hub.OWNER}/toys'
IMAGE = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
pytestmark = pytest.mark.skipif(
  not importlib.util.find_spec('huggingface_hub'), reason="pip install '.[hub]' brings the client"
)


def row(**changed):
  """A line of evaluations.jsonl."""
  usual = dict(task='a_to_b', images='toy', metric='mae', value=0.0765, low=0.07, high=0.08, scale=1)
  usual |= dict(protocol='nice_gan', count=279, reference_count=280, network='', checkpoint=8)
  return usual | changed


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """A run of the toy with numbers, in folders that nobody should see."""
  import toy

  patch = pytest.MonkeyPatch()
  patch.setitem(methods.METHODS, 'toy', toy.METHOD)
  folder = tmp_path_factory.mktemp('secret') / 'run'
  config = toy.get_config()
  config.copies.maker = {'of': 'maker', 'halflife_kimg': 0.1}
  patch.setattr(sys, 'argv', ['main.py', f'--workdir={folder}', f'--config.data.path={folder}/photos'])
  train.train(config, Workdir(folder))
  rows = [row(value=0.3), row(images='identity', value=0.5), row(checkpoint=4, value=0.9)]
  rows += [row(), row(metric='psnr', value=None)]  # measured again; and never
  (folder / 'evaluations.jsonl').write_text(''.join(json.dumps(x) + '\n' for x in rows))
  saved = json.loads((folder / 'config.json').read_text())
  saved['data']['path'] = f'{folder}/photos'
  (folder / 'config.json').write_text(json.dumps(saved))
  (start,) = json.loads((folder / 'run.json').read_text())
  start['data'] = f'folder {folder}/photos: a 64 train, 16 test images\nleft out: a secret.jpg'
  (folder / 'run.json').write_text(json.dumps([start]))
  yield folder
  patch.undo()


@pytest.fixture
def run(trained, tmp_path):
  return shutil.copytree(trained, tmp_path / 'secret' / 'run')


@pytest.fixture
def server(monkeypatch, tmp_path):
  """The hub that the client speaks to, with a token."""
  from huggingface_hub import constants

  with stand_in_hub.served() as (server, url):
    monkeypatch.setattr(constants, 'ENDPOINT', url)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.partition('/{')
    monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', ''.join([url, *template[1:]]))
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_XET', True)
    monkeypatch.setenv('HF_TOKEN', stand_in_hub.TOKEN)
    yield server


def push(run, **changed):
  how = {'name': NAME, 'data_licence': 'CC BY 4.0, the tests'} | changed
  return dg.load(run).push(**how)


def test_what_is_published_is_what_the_run_was(run, server, tmp_path):
  address = push(run, licence='mit')
  assert '/commit/' in address
  wanted = dg.load(run).translate(IMAGE)
  assert np.array_equal(dg.load(f'hub:{NAME}').translate(IMAGE), wanted)
  pulled = Workdir(tmp_path / 'theirs')
  hub.pull(NAME, pulled)
  assert np.array_equal(dg.load(pulled.path).translate(IMAGE), wanted)
  assert dg.load(pulled.path).step == 8
  assert (pulled.path / 'README.md').read_bytes() == server.repositories[NAME][-1]['README.md']
  report.report(str(pulled.path), '', False)
  with pytest.raises(UserError, match='holds a run already'):
    hub.pull(NAME, pulled)


def test_a_pulled_run_begins_others_and_is_not_trained_itself(run, server, tmp_path, toy):
  push(run)
  pulled = Workdir(tmp_path / 'theirs')
  hub.pull(NAME, pulled)
  config = pulled.load_config()
  config.num_steps, config.data.path = 16, ''
  before = (pulled.path / 'config.json').read_bytes()
  with pytest.raises(UserError, match=r'optimizers: it is for use, .*config\.start\.workdir=.*theirs'):
    train.train(config, pulled)
  assert (pulled.path / 'config.json').read_bytes() == before
  toy.start.workdir, toy.num_steps = str(pulled.path), 2
  assert train.train(toy, Workdir(tmp_path / 'mine'))


def test_the_card_tells_what_was_measured_and_no_more(run, server):
  push(run, licence='mit')
  _, head, text = server.repositories[NAME][-1]['README.md'].decode().split('---\n', 2)
  head = yaml.safe_load(head)
  told = head['license'], head['pipeline_tag'], head['library_name']
  assert told == ('mit', 'image-to-image', 'decoupled_gan')
  (result,) = head['model-index'][0]['results']
  (metric,) = result['metrics']  # the model's own, of this checkpoint; not the baseline's
  assert metric['value'] == 0.0765
  assert metric['name'] == 'mae (95 % 0.07 to 0.08, 279 images against 280, protocol nice_gan)'
  table = [line for line in text.splitlines() if line.startswith('| a_to_b')]
  assert [line.split(' | ')[1:4:2] for line in table] == [['this model', '0.0765'], ['identity', '0.5']]
  assert 'Licence of the data, as published: CC BY 4.0, the tests.' in text
  assert "model = dg.load('hub:somebody/toys')\nmodel.translate('photo.png')" in text
  assert 'Data: fake, a 64 train, 16 test images.' in text
  assert 'python main.py --workdir=run --config.data.path=photos' in text
  assert '](samples/00000008.png)' in text
  assert 'paint  ' in text  # the routing table


def test_a_run_that_nobody_evaluated_says_so(run, server):
  (run / 'evaluations.jsonl').unlink()
  push(run)
  card = server.repositories[NAME][-1]['README.md'].decode()
  assert 'was not evaluated' in card
  assert 'model-index' not in card
  assert 'license:' not in card  # it is not guessed either


def test_nothing_of_this_machines_folders_is_published(run, server):
  push(run)
  files = server.repositories[NAME][-1]
  assert sorted(files) == ['README.md', 'config.json', 'model.safetensors', 'samples/00000008.png']
  assert not [path for path, content in files.items() if b'secret' in content]
  assert json.loads(files['config.json'])['data']['path'] == 'photos'


def test_a_dry_run_asks_nobody_and_its_folder_is_the_model(run, server, monkeypatch, tmp_path):
  monkeypatch.delenv('HF_TOKEN')
  folder = push(run, dry_run=True)
  assert not server.asked
  wanted = dg.load(run).translate(IMAGE)
  for path in (folder, f'hub:{folder}'):
    assert np.array_equal(dg.load(path).translate(IMAGE), wanted)
  hub.pull(folder, Workdir(tmp_path / 'theirs'))
  assert np.array_equal(dg.load(tmp_path / 'theirs').translate(IMAGE), wanted)


def test_a_slim_model_has_what_it_can_do_and_says_what_it_lacks(run, server, tmp_path, toy, capsys):
  push(run, slim=True)
  files = server.repositories[NAME][-1]
  assert 'Nor is what only training needs: critic.' in files['README.md'].decode()
  assert len(files['model.safetensors']) < len(safetensors_file.content(dg.load(run)._trained, toy))
  wanted = dg.load(run).translate(IMAGE)
  hub.pull(NAME, Workdir(tmp_path / 'theirs'))
  for path in (f'hub:{NAME}', tmp_path / 'theirs'):
    assert np.array_equal(dg.load(path).translate(IMAGE), wanted)
  dg.load(tmp_path / 'theirs').save(tmp_path / 'again.safetensors')
  assert safetensors_file.without(tmp_path / 'again.safetensors') == ['critic'], 'zeros are no network'
  toy.start.workdir = str(tmp_path / 'theirs')
  begun = experiment.build(toy)
  fresh = begun.create_state()
  state = begin(begun, fresh)
  assert f'begins with maker of {tmp_path / "theirs"}' in capsys.readouterr().out
  critics = jax.tree.map(np.array_equal, state.params['critic'], fresh.params['critic'])
  assert all(jax.tree.leaves(critics)), 'it begins as any does, not at 0'
  toy.start.groups = ('critic',)
  with pytest.raises(UserError, match=r"has no group 'critic'; it has maker"):
    begin(begun, fresh)


def test_a_revision_can_be_pinned_and_pushing_again_adds_one(run, server):
  first = push(run).rpartition('/')[2]
  again = dg.load(run)
  again._trained.variables['params']['maker']['bias'] += 0.5
  again.push(NAME, 'mine')
  assert len(server.repositories[NAME]) == 3  # the empty one, and two
  wanted = dg.load(run).translate(IMAGE)
  assert np.array_equal(dg.load(f'hub:{NAME}@{first}').translate(IMAGE), wanted)
  assert np.array_equal(dg.load(f'hub:{NAME}').translate(IMAGE), again.translate(IMAGE))
  assert not np.array_equal(again.translate(IMAGE), wanted)


def test_private_repositories_are_made_and_read_with_the_token(run, server, monkeypatch):
  push(run, private=True)
  assert server.private == {NAME}
  assert dg.load(f'hub:{NAME}').step == 8
  monkeypatch.setenv('HF_TOKEN', 'hf_another')
  monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(run.parent / 'another'))
  with pytest.raises(UserError, match=r'\(Repository not found; a private one needs'):
    hub.pull(NAME, Workdir(run.parent / 'theirs'))
  assert not (run.parent / 'theirs').exists()


@pytest.mark.parametrize(
  ('changed', 'sentence'),
  [
    ({'name': '../x'}, r'--hub=\.\./x: .*alphanumeric'),
    ({'name': 'a/b/c'}, "must be in the form 'repo_name' or 'namespace/repo_name'"),
    ({'name': ''}, '--hub=<owner>/<name> is missing'),
    ({'name': 'toys'}, 'published as <owner>/<name>, without a revision'),
    ({'name': f'{NAME}@main'}, 'published as <owner>/<name>, without a revision'),
    ({'data_licence': ''}, "--data_licence='<words>' is missing: .* 'unknown'"),
    ({'name': 'others/toys'}, 'do not have the rights to create a model under others/toys'),
  ],
)
def test_what_cannot_be_published_is_told(run, server, changed, sentence):
  with pytest.raises(UserError, match=sentence):
    push(run, **changed)
  assert not server.repositories


def test_without_a_token_it_says_how_to_get_one(run, server, monkeypatch):
  monkeypatch.setattr('huggingface_hub.get_token', lambda: None)
  with pytest.raises(UserError, match='type `hf auth login` once, or set HF_TOKEN'):
    push(run)
  assert not server.asked


def test_what_is_not_there_is_told(server, tmp_path):
  server.repositories['somebody/else'] = [{'README.md': b'a language model'}]
  for name, sentence in {
    'somebody/nothing': r'\(Repository not found; a private one needs',
    'somebody/else@abc': r'\(Invalid rev id: abc\)',
    'somebody/else': r'has no model\.safetensors, .*it has README\.md',
    str(tmp_path / 'nowhere'): r'has no model\.safetensors, .*it has none',
  }.items():
    with pytest.raises(UserError, match=sentence):
      dg.load(f'hub:{name}')


def test_a_hub_that_cannot_be_reached_is_told(run, server, monkeypatch):
  monkeypatch.setattr('huggingface_hub.constants.ENDPOINT', 'http://127.0.0.1:9')
  with pytest.raises(UserError, match=f'--hub={NAME}: the hub did not take or give that'):
    push(run)
  with pytest.raises(UserError, match=f'--hub=hub:{NAME}: the hub did not take or give that'):
    dg.load(f'hub:{NAME}')


def test_a_strangers_config_makes_no_traceback_and_reaches_no_folder(run, server, tmp_path):
  from safetensors.numpy import load_file, save_file

  folder = tmp_path / 'release'
  shutil.copytree(push(run, dry_run=True), folder)
  config = json.loads((folder / 'config.json').read_text())
  config['start']['workdir'], config['compilation_cache'] = '/etc', '/etc'
  metadata = {'program': 'decoupled_gan', 'step': '8', 'config': json.dumps(config)}
  arrays = load_file(folder / 'model.safetensors')
  save_file(arrays, folder / 'model.safetensors', metadata)
  hub.pull(str(folder), Workdir(tmp_path / 'theirs'))
  pulled = Workdir(tmp_path / 'theirs').load_config()
  assert (pulled.start.workdir, pulled.compilation_cache) != ('/etc', '/etc')
  assert '/etc' not in (pulled.start.workdir, pulled.compilation_cache)
  config['image_size'] = -8
  save_file(arrays, folder / 'model.safetensors', metadata | {'config': json.dumps(config)})
  with pytest.raises(UserError):
    hub.pull(str(folder), Workdir(tmp_path / 'third'))
  assert not (tmp_path / 'third').exists()


def test_without_the_client_it_says_what_to_install(run, monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(UserError, match=r"not installed: pip install 'decoupled_gan\[hub\]'"):
    hub.check_push(NAME, hub.Licences('mine'), dry_run=True)
