"""Where images go: never over what was read or among it, in the format asked for."""

import contextlib
import errno
import hashlib
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_data_files import picture, zipped

from decoupled_gan import methods
from decoupled_gan.data import results
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.machine import paths
from decoupled_gan.modes import train, translate
from decoupled_gan.run.workdir import Workdir


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """A run of the toy, of two folders."""
  import toy

  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(methods.METHODS, 'toy', toy.METHOD)
    folder = tmp_path_factory.mktemp('trained')
    for split in ('trainA', 'trainB', 'testA', 'testB'):
      for i in range(2):
        picture(folder / 'data' / split / f'{i}.png', 40 * i + 20)
    config = toy.get_config()
    config.num_steps, config.checkpoint_every_steps = 1, 1
    config.data.source, config.data.path = 'folder', str(folder / 'data')
    workdir = Workdir(folder / 'run')
    train.train(config, workdir)
    yield workdir


@pytest.fixture
def photos(tmp_path):
  for i in range(4):
    picture(tmp_path / 'X' / f'{i}.png', 30 * i + 20)
  picture(tmp_path / 'X' / 'sub' / 'deep.jpg', 90)
  return tmp_path / 'X'


def run(trained, source, output, form=''):
  translate.translate(trained, str(source), str(output), 'a_to_b', 'square', None, form)


def state_of(folder):
  """Every file below, by its content."""
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in folder.rglob('*')
    if path.is_file()
  }


def names(folder):
  return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


# An output may never destroy or become an input.


def linked(photos):
  (photos.parent / 'link').symlink_to(photos)
  return photos.parent / 'link'


@pytest.mark.parametrize(
  ('place', 'told'),
  [
    (lambda x: x, 'is the folder of the inputs: its images would be overwritten'),
    (lambda x: f'{x}/.', 'is the folder of the inputs'),
    (lambda x: f'{x}/sub/..', 'is the folder of the inputs'),
    (linked, 'is the folder of the inputs'),
    (lambda x: x / 'out', 'lies in the folder of the inputs: its images would be taken for inputs'),
    (lambda x: x / 'sub', 'lies in the folder of the inputs'),
    (lambda x: linked(x) / 'out', 'lies in the folder of the inputs'),
  ],
  ids=['same', 'dot', 'upwards', 'link', 'inside', 'its own folder', 'inside by a link'],
)
def test_results_do_not_go_to_the_inputs(trained, photos, place, told):
  output = place(photos)
  before = state_of(photos.parent)
  for _ in range(2):
    with pytest.raises(UserError, match=told):
      run(trained, photos, output)
  assert state_of(photos.parent) == before


def test_one_file_does_not_go_over_itself_but_may_go_beside(trained, photos):
  before = state_of(photos)
  for output in (photos, photos / '0.png', f'{photos}/../X/0.png'):
    with pytest.raises(UserError, match=r'is the input .*0\.png, which would be overwritten'):
      run(trained, photos / '0.png', output)
  assert state_of(photos) == before
  run(trained, photos / '0.png', photos, 'webp')
  assert state_of(photos).items() > before.items()


@pytest.mark.parametrize('link', [os.link, os.symlink])
def test_a_file_that_leads_to_an_input_is_not_written_over(trained, photos, link):
  out = photos.parent / 'out'
  out.mkdir()
  link(photos / '3.png', out / '3.png')
  before = state_of(photos.parent)
  with pytest.raises(UserError, match='which would be overwritten'):
    run(trained, photos, out)
  assert state_of(photos.parent) == before


def test_a_subfolder_whose_results_would_fall_on_it_is_told(trained, tmp_path):
  picture(tmp_path / 'a' / 'a' / '0.png')  # --input=a --output=. writes a/0.png
  picture(tmp_path / 'a' / '0.png')
  before = state_of(tmp_path)
  with pytest.raises(UserError, match='which would be overwritten'):
    run(trained, tmp_path / 'a', tmp_path)
  assert state_of(tmp_path) == before


@pytest.mark.parametrize('place', ['testB', 'trainA', 'trainA/new'])
def test_results_do_not_go_among_the_runs_data(trained, photos, place):
  root = trained.path.parent / 'data'
  before = state_of(root)
  with pytest.raises(UserError, match=r"lies in the run's data .*would be taken for data"):
    run(trained, photos, root / place)
  assert state_of(root) == before
  run(trained, photos, root / 'results')  # which nothing reads


def test_two_inputs_do_not_become_one_file(trained, tmp_path):
  for name in ('p.png', 'p.jpg'):
    picture(tmp_path / 'X' / name)
  with pytest.raises(UserError, match=r'p\.jpg and p\.png would both become .*p\.png: rename one'):
    run(trained, tmp_path / 'X', tmp_path / 'out', 'png')
  run(trained, tmp_path / 'X', tmp_path / 'out')
  assert names(tmp_path / 'out') == ['p.jpg', 'p.png']


def test_a_run_does_not_write_its_samples_among_its_data(toy, tmp_path):
  """They would be trained on when it goes on."""
  picture(tmp_path / 'data/trainA/0.png')
  picture(tmp_path / 'data/trainB/0.png')
  toy.data.source, toy.data.path = 'folder', str(tmp_path / 'data')
  with pytest.raises(UserError, match=r"--workdir=.* lies in the run's data"):
    train.train(toy, Workdir(tmp_path / 'data/trainA/run'))
  assert names(tmp_path / 'data') == ['trainA/0.png', 'trainB/0.png']


@pytest.mark.parametrize(
  ('files', 'labelled', 'refused'),
  [
    (('cat', 'dog'), True, True),
    (('train/cat', 'val/cat'), True, True),  # a folder beside them would be a class
    (('train/cat', 'val/cat'), False, False),  # images outside of train and val are not read
    (('train',), False, True),  # without test all that lies below is read
    (('trainA', 'trainB'), False, False),
  ],
)
def test_what_all_images_below_a_folder_are_read_of_is_not_written_into(
  toy, tmp_path, files, labelled, refused
):
  for name in files:
    picture(tmp_path / name / '0.png')
  toy.data.source, toy.data.path = 'folder', str(tmp_path)
  toy.attributes = {'kind': ('cat', 'dog')} if labelled else {}
  with pytest.raises(UserError, match='would be taken') if refused else contextlib.nullcontext():
    results.check_not_data(tmp_path / 'run/samples', toy, '--workdir')


# Names and formats.


def test_names_are_kept_and_a_zip_is_a_folder(trained, photos, tmp_path):
  run(trained, photos, tmp_path / 'out')
  run(trained, zipped(photos, tmp_path / 'x.zip'), tmp_path / 'out2')
  assert names(tmp_path / 'out') == names(tmp_path / 'out2') == names(photos)
  assert state_of(tmp_path / 'out') == state_of(tmp_path / 'out2')


@pytest.mark.parametrize('name', ['result.png', 'new/result.jpg'])
def test_one_image_may_go_to_a_file(trained, photos, tmp_path, name):
  run(trained, photos / '0.png', tmp_path / name)
  with Image.open(tmp_path / name) as image:
    assert image.format == {'png': 'PNG', 'jpg': 'JPEG'}[name[-3:]]


def test_several_images_do_not_go_to_a_file(trained, photos, tmp_path):
  with pytest.raises(UserError, match=r'result\.png names one image, and there are 5'):
    run(trained, photos, tmp_path / 'result.png')


@pytest.mark.parametrize('form', results.FORMATS)
def test_results_have_the_format_that_is_asked_for(trained, photos, tmp_path, form, capsys):
  run(trained, photos, tmp_path, form)
  assert {path.suffix for path in tmp_path.rglob('0.*') if path.parent == tmp_path} == {f'.{form}'}
  told = (
    'files lose a little of each image, and scores see that; --format=png' in capsys.readouterr().out
  )
  assert told == (form in ('jpg', 'jpeg', 'webp'))


def test_png_results_of_jpg_inputs_are_those_of_png_inputs(trained, tmp_path):
  """Numbers of two of its own commands differ by what the files lose, unless asked not to."""
  pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
  (tmp_path / 'X').mkdir()
  Image.fromarray(pixels).save(tmp_path / 'X/a.jpg')
  Image.open(tmp_path / 'X/a.jpg').save(tmp_path / 'X/b.png')
  run(trained, tmp_path / 'X', tmp_path / 'out', 'png')
  a, b = (np.asarray(Image.open(tmp_path / 'out' / name)) for name in ('a.png', 'b.png'))
  np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
  ('name', 'form', 'told'),
  [
    ('out', 'gif', r'--format=gif is unknown; there are png'),
    ('out', 'pytorch', r'--format=pytorch is unknown'),
    ('x.png', 'jpg', r'name two formats: leave one out'),
    ('', '', r'--output=<folder> is missing'),
    ('file/out', '', r'cannot be made \(Not a directory\)'),
  ],
)
def test_what_cannot_be_written_so_is_told_before_any_work(trained, photos, tmp_path, name, form, told):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match=told):
    run(trained, photos / '0.png', tmp_path / name if name else '', form)
  assert not (tmp_path / 'out').exists()


def test_a_gif_is_translated_by_its_first_frame_into_a_png(trained, tmp_path, capsys):
  frames = [Image.new('RGB', (16, 16), (level,) * 3) for level in (200, 100)]
  frames[0].save(tmp_path / 'a.gif', save_all=True, append_images=frames[1:])
  run(trained, tmp_path / 'a.gif', tmp_path / 'out')
  assert names(tmp_path / 'out') == ['a.png']
  assert 'only the first frame is used of' in capsys.readouterr().out


def test_what_is_left_out_of_the_inputs_is_told(trained, photos, tmp_path, capsys):
  (photos / 'x.heic').write_bytes(b'1')
  run(trained, photos, tmp_path / 'out')
  assert capsys.readouterr().out.count('left out') == 1


# What goes wrong on the way.


def test_an_image_that_breaks_on_the_way_is_named_in_the_end_and_the_others_are_done(trained, tmp_path):
  rng = np.random.default_rng(0)
  (tmp_path / 'X').mkdir()
  for i in range(12):
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / 'X' / f'{i:02d}.png')
  for i in (3, 10):
    content = bytearray((tmp_path / 'X' / f'{i:02d}.png').read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    (tmp_path / 'X' / f'{i:02d}.png').write_bytes(content)
  with pytest.raises(RunError, match=r'2 of 12 images could not be read, .*03\.png.*10\.png'):
    run(trained, tmp_path / 'X', tmp_path / 'out')
  assert names(tmp_path / 'out') == [f'{i:02d}.png' for i in range(12) if i not in (3, 10)]


def test_a_full_disk_is_one_sentence_with_what_is_there_and_leaves_nothing_half(
  trained, photos, tmp_path, monkeypatch
):
  write, done = Path.write_bytes, []

  def until_full(path, content):
    if len(done) == 2:
      write(path, content[: len(content) // 2])
      raise OSError(errno.ENOSPC, 'No space left on device')
    done.append(path)
    return write(path, content)

  monkeypatch.setattr(Path, 'write_bytes', until_full)
  with pytest.raises(
    RunError, match=r'could not be written \(No space left on device\)\. 2 of 5 images'
  ):
    run(trained, photos, tmp_path / 'out')
  assert len(names(tmp_path / 'out')) == 2


@pytest.mark.parametrize('write', [paths.write, paths.append])
def test_every_writer_tells_the_reason_and_leaves_the_file_as_it_was(tmp_path, write):
  for name in ('file', 'x' * 255):
    paths.write(tmp_path / name, 'before\n')
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
  try:
    with pytest.raises(RunError, match=r'file could not be written \(File too large\)\.'):
      write(tmp_path / 'file', 'x' * 100)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  with pytest.raises(RunError, match=r'below could not be written \(File exists\)\.'):
    write(tmp_path / 'file' / 'below', 'x')
  assert state_of(tmp_path).keys() == {'file', 'x' * 255}
  assert (tmp_path / 'file').read_text() == 'before\n'


def test_an_image_that_its_format_cannot_hold_is_told(tmp_path):
  with pytest.raises(RunError, match=r'WEBP cannot hold 16384 x 1 px .*; ask for --format=png'):
    results.write_image(np.zeros((1, 16384, 3), np.uint8), tmp_path / 'a.webp')
  assert names(tmp_path) == []


@pytest.mark.parametrize('content', [b'\x89PNG', b'{"seed": 0}', b'def get_config():'])
def test_a_file_of_something_else_is_not_taken_for_ones_own_earlier_results(tmp_path, content):
  (tmp_path / 'x').write_bytes(content)
  with pytest.raises(UserError, match='is a file of something else, and would be overwritten'):
    paths.check_ours(tmp_path / 'x', '--output', (b'{"task"',))
  (tmp_path / 'x').write_bytes(b'{"task": 1}')
  paths.check_ours(tmp_path / 'x', '--output', (b'{"task"',))
  with pytest.raises(UserError, match='is a folder: name a file'):
    paths.check_ours(tmp_path, '--output', (b'{"task"',))
