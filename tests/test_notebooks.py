"""The notebooks: made of their sources, and executed from their first cell to their last."""

import base64
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location('build', ROOT / 'notebooks' / 'build.py')
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)
PAIRS = {'sample_every_steps': 2, 'checkpoint_every_steps': 2}  # of terrain_pairs:tiny
SMALL = {
  'data.source': 'fake', 'image_size': 48, 'batch_size': 2, 'model.width': 4, 'model.blocks': 1,
  'sample_every_steps': 2, 'checkpoint_every_steps': 2, 'sample_count': 2, 'data.num_threads': 2,
  'optimizer.decay_start_step': -1,  # one program for whatever number of steps
}  # fmt: skip


def stems():
  return [source.stem for source in build.sources()]


def tagged(notebook, tag):
  """The one cell with a tag."""
  (cell,) = [x for x in notebook.cells if tag in x.metadata.get('tags', ())]
  return cell


def executed(stem, folder, **parameters):
  """The notebook after its cells ran in `folder`, with other values of its parameters."""
  notebook = nbformat.read(ROOT / 'notebooks' / f'{stem}.ipynb', 4)
  cell = tagged(notebook, 'parameters')
  for name in parameters:
    assert f'\n{name} = ' in f'\n{cell.source}', f'{name} is no parameter'
  cell.source += ''.join(f'\n{name} = {value!r}' for name, value in parameters.items())
  folder.mkdir(exist_ok=True)
  environment = {
    'PYTHONPATH': str(ROOT), 'JAX_PLATFORMS': 'cpu', 'IPYTHONDIR': str(folder / '.ipython'),
  }  # fmt: skip
  client = nbclient.NotebookClient(notebook, timeout=1200, resources={'metadata': {'path': str(folder)}})
  return client.execute(env=os.environ | environment)


def pictures(cell):
  """The pictures that a cell shows."""
  return [x['data']['image/png'] for x in cell.outputs if 'image/png' in x.get('data', {})]


def printed(cell):
  return ''.join(x.get('text', '') for x in cell.outputs if x.output_type == 'stream')


def test_there_are_four_in_order():
  assert [stem[0] for stem in stems()] == ['1', '2', '3', '4']


@pytest.mark.parametrize('stem', stems())
def test_a_notebook_is_what_its_source_makes_and_has_no_outputs(stem):
  path = ROOT / 'notebooks' / f'{stem}.ipynb'
  assert path.read_text() == build.made(path.with_suffix('.py')), 'python notebooks/build.py'
  notebook = nbformat.read(path, 4)
  nbformat.validate(notebook)
  assert not any(cell.get('outputs') for cell in notebook.cells)
  assert 'SOURCE' in tagged(notebook, 'parameters').source


def test_a_badge_opens_the_notebook_in_colab_once_the_project_has_an_address():
  first = json.loads(build.made(build.sources()[0], 'somebody/somewhere'))['cells'][0]['source']
  address = (
    'colab.research.google.com/github/somebody/somewhere/blob/main/notebooks/1_first_translation.ipynb'
  )
  assert address in ''.join(first)


@pytest.mark.parametrize('stem', stems())
def test_a_notebook_has_no_networks_of_its_own_and_asks_for_no_secret(stem):
  code = '\n'.join(
    x.source for x in jupytext.read(ROOT / 'notebooks' / f'{stem}.py').cells if x.cell_type == 'code'
  )
  for word in ('flax', 'optax', 'nn.', 'token', 'password', '!pip', 'tf.'):
    assert word not in code, word


def test_the_sources_are_python():
  files = [str(source) for source in build.sources()]
  subprocess.run([sys.executable, '-m', 'py_compile', *files], check=True)


@pytest.mark.slow
def test_the_first_notebook_trains_translates_and_shows_the_page(tmp_path):
  done = executed('1_first_translation', tmp_path, RECIPE='terrain_pairs:tiny', STEPS=2, CHANGES=PAIRS)
  assert len(pictures(tagged(done, 'train'))) == 1
  assert 'edgan_aligned, step 2; translate' in str(tagged(done, 'train').outputs)
  assert pictures(tagged(done, 'translate'))
  assert 'srcdoc' in str(tagged(done, 'report').outputs)
  again = executed('1_first_translation', tmp_path, RECIPE='terrain_pairs:tiny', STEPS=4, CHANGES=PAIRS)
  assert 'start     step 2' in printed(tagged(again, 'train')), 'the run was not resumed'


@pytest.mark.slow
def test_the_second_notebook_trains_on_photos_and_goes_on(tmp_path):
  draw = np.random.default_rng(0)
  for split in ('trainA', 'trainB', 'testA', 'testB'):
    (tmp_path / 'photos' / split).mkdir(parents=True)
    for i in range(2):
      image = Image.fromarray(draw.integers(0, 256, (50, 60, 3), np.uint8))
      image.save(tmp_path / 'photos' / split / f'{i}.png')
  small = {name: x for name, x in SMALL.items() if name != 'data.source'}
  for steps, began in ((2, 'start     from nothing'), (4, 'start     step 2')):
    done = executed('2_your_photos', tmp_path, STEPS=steps, RECIPE='quickstart', CHANGES=small)
    assert began in printed(tagged(done, 'train'))
    assert pictures(tagged(done, 'train'))
    assert pictures(tagged(done, 'translate'))


@pytest.mark.slow
def test_the_third_notebook_edits_faces(tmp_path):
  small = PAIRS | {'data.source': 'fake', 'image_size': 16, 'batch_size': 2, 'model.width': 4}
  done = executed('3_edit_faces', tmp_path, STEPS=2, CHANGES=small)
  shown = pictures(tagged(done, 'edit'))
  assert len(shown) == 4, 'beard, glasses, hair, mouth'
  assert base64.b64decode(shown[0]).startswith(b'\x89PNG')
  assert 'glasses : ' in printed(tagged(done, 'edit'))


@pytest.mark.slow
def test_the_fourth_notebook_exports_what_others_read(tmp_path):
  done = executed('4_export_and_share', tmp_path, RECIPE='terrain_pairs:tiny', STEPS=2, CHANGES=PAIRS)
  assert 'holds no run' in printed(tagged(done, 'open'))
  for tag, package, made, missing in [
    ('tflite', 'tensorflow', 'LiteRT', "'decoupled_gan[tflite]'"),
    ('hub', 'huggingface_hub', 'hub/README.md', "'decoupled_gan[hub]'"),
  ]:
    assert (made if importlib.util.find_spec(package) else missing) in printed(tagged(done, tag))
  assert 'a page, translate a_to_b' in printed(tagged(done, 'page'))
  told = printed(tagged(done, 'files'))
  assert 'onnxruntime' in told
  assert 'model.safetensors translate.onnx translate.stablehlo' in told
  assert pictures(tagged(done, 'onnx'))
