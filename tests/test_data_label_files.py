"""Files of labels as people write them: any spelling, any spreadsheet, mistakes by their line."""

import json
import os
import unicodedata
import zipfile

import numpy as np
import pytest
from test_data_files import picture
from test_data_labelled import load

from decoupled_gan.errors import UserError

GLASSES = {'glasses': ('no', 'yes')}


@pytest.fixture
def images(tmp_path):
  """Eight images in imgs/ and four in test/, of levels 0 to 11; returns a writer of a table of them."""
  for i in range(12):
    picture(tmp_path / ('imgs' if i < 8 else 'test') / f'{i}.png', i)

  def write(spell=str, encoding='utf-8', end='\n', separator=',', head='file,glasses'):
    lines = [head.replace(',', separator)]
    for i in range(12):
      name = spell(f'{"imgs" if i < 8 else "test"}/{i}.png')
      lines.append(f'{name}{separator}{("no", "yes")[i % 2]}')
    (tmp_path / 'attributes.csv').write_bytes(end.join([*lines, '']).encode(encoding))
    return tmp_path

  return write


def levels(images):
  return [int(images[i].mean()) for i in range(len(images))]


def labels_of(found):
  """{level: label} of all images."""
  halves = [found.train] if found.test is found.train else [found.train, found.test]
  return {
    level: int(y[0]) for half in halves for level, y in zip(levels(half.x), half.labels, strict=True)
  }


def is_right(path, **fields):
  found = load(path, attributes=GLASSES, **fields)
  assert levels(found.train.x) == list(range(8))
  assert levels(found.test.x) == list(range(8, 12))
  np.testing.assert_array_equal(found.train.labels[:, 0], np.arange(8) % 2)
  assert 'train, 4 test' in found.describe()


def upwards(name):
  folder, file = name.split('/')
  return f'imgs/../{folder}/{file}' if folder == 'test' else f'imgs//{file}'


@pytest.mark.parametrize(
  'spell',
  [
    str,
    lambda name: f'./{name}',
    lambda name: name.replace('/', '//'),
    upwards,
    lambda name: name.replace('/', '\\'),
    lambda name: f'.\\{name}'.replace('/', '\\'),
    lambda name: f'"{name}"',
    lambda name: f' {name} ',
  ],
  ids=['plain', 'dot', 'slashes', 'upwards', 'backslashes', 'dot backslash', 'quoted', 'blanks'],
)
def test_every_spelling_of_a_path_means_the_file_and_its_split(images, spell):
  is_right(images(spell))


def test_whole_paths_too(images, tmp_path):
  is_right(images(lambda name: str(tmp_path / name)))


@pytest.mark.parametrize('form', ['NFC', 'NFD'])
def test_letters_with_accents_are_one_letter_however_they_are_composed(tmp_path, form):
  names = [unicodedata.normalize('NFD', f'é{i}.png') for i in range(4)]
  for i, name in enumerate(names):
    picture(tmp_path / name, i)
  rows = [f'{unicodedata.normalize(form, name)},{("no", "yes")[i % 2]}' for i, name in enumerate(names)]
  (tmp_path / 'attributes.csv').write_text('\n'.join(['file,glasses', *rows]))
  assert labels_of(load(tmp_path, attributes=GLASSES)) == {0: 0, 1: 1, 2: 0, 3: 1}


def test_a_file_named_with_a_backslash_is_that_file(tmp_path):
  for i, name in enumerate(('a\\0.png', 'a/0.png', 'a/1.png')):
    picture(tmp_path / name, i)
  (tmp_path / 'attributes.csv').write_text('file,glasses,split\na\\0.png,no,train\na/1.png,yes,train\n')
  assert labels_of(load(tmp_path, attributes=GLASSES)) == {0: 0, 2: 1}


@pytest.mark.parametrize(
  'options',
  [
    {'encoding': 'utf-8-sig'},
    {'encoding': 'utf-16'},
    {'separator': ';'},
    {'separator': '\t', 'end': '\r\n', 'encoding': 'utf-16'},
    {'end': '\r'},
    {'end': '\r\n'},
    {'head': 'File, Glasses'},
    {'head': ' FILE ,GLASSES'},
    {'end': '\n\n'},
    {'end': '\n,\n'},
  ],
  ids=str,
)
def test_a_table_is_read_as_spreadsheets_write_it(images, options):
  is_right(images(**options))


@pytest.mark.parametrize('prefix', ['', 'data/faces/'])
@pytest.mark.parametrize('word', ['test', 'Test', 'val'])
def test_the_folder_for_testing_is_known_below_what_all_names_have_in_common(tmp_path, prefix, word):
  rows = []
  for i in range(6):
    name = f'{prefix}{word if i > 3 else "train"}/{i}.png'
    picture(tmp_path / name, i)
    rows.append(f'{name},{i % 2}')
  (tmp_path / 'attributes.csv').write_text('\n'.join(['file,glasses', *rows]))
  found = load(tmp_path, attributes=GLASSES)
  assert (levels(found.train.x), levels(found.test.x)) == ([0, 1, 2, 3], [4, 5])


def test_a_column_split_is_the_split(tmp_path):
  rows, words = [], ['train', 'Test', 'train', 'val', 'train', 'test', 'validation', 'train']
  for i, word in enumerate(words):
    picture(tmp_path / f'{i}.png', i)
    rows.append(f'{i}.png,{i // 2 % 2},{word}')
  (tmp_path / 'attributes.csv').write_text('\n'.join(['file,glasses,split', *rows]))
  found = load(tmp_path, attributes=GLASSES)
  assert (levels(found.train.x), levels(found.test.x)) == ([0, 2, 4, 7], [1, 5])
  assert 'what the column split says; 2 images of val are not used' in found.describe()


def test_a_folder_for_testing_that_no_line_names_is_told(images, tmp_path):
  images()
  text = (tmp_path / 'attributes.csv').read_text().splitlines()
  (tmp_path / 'attributes.csv').write_text('\n'.join(text[:9]))
  assert 'there is a folder test/ with images, and no label names any' in (
    load(tmp_path, attributes=GLASSES).describe()
  )


@pytest.mark.parametrize('link', [os.symlink, os.link])
def test_an_image_that_is_a_test_image_by_another_name_is_not_trained_on(images, tmp_path, link):
  path = images()
  link(tmp_path / 'test/8.png', tmp_path / 'imgs/again.png')
  with (path / 'attributes.csv').open('a') as file:
    file.write('imgs/again.png,no\n')
  is_right(path)
  assert 'not trained on, for they are test images under another name: imgs/again.png' in (
    load(path, attributes=GLASSES).describe()
  )


def test_a_file_that_is_listed_twice_counts_once_unless_its_labels_differ(images):
  path = images()
  with (path / 'attributes.csv').open('a') as file:
    file.write('./imgs/0.png,no\n')
  is_right(path)
  with (path / 'attributes.csv').open('a') as file:
    file.write('imgs//0.png,yes\n')
  with pytest.raises(
    UserError, match=r'has imgs/0\.png twice with different labels: line 2 and line 15'
  ):
    is_right(path)


@pytest.mark.parametrize(
  ('text', 'told'),
  [
    ('glasses,file\nno,imgs/0.png\nyes\n', r'csv, line 3: its header has 2 cells, this line 1\.'),
    ('file,glasses\nimgs/0.png\n', r'csv, line 2: its header has 2 cells, this line 1\.'),
    ('file,glasses\nimgs/0.png,no,5,6\n', r'csv, line 2: its header has 2 cells, this line 4\.'),
    ('file,glasses\nimgs/0.png,maybe\n', r"line 2: glasses='maybe' is out of range"),
    ('file,glasses\nimgs/0.png,\n', r"line 2: glasses='' is out of range"),
    ('file,glasses\n,no\n', r'attributes\.csv, line 2: names no file\.'),
    ('file,glasses\n', r'attributes\.csv lists no images: each has a line'),
    ('file,glasses\n\nimgs/99.png,no\n', r'names files that are not there: imgs/99\.png \(line 3\)\.'),
    (
      'file,glasses\nimgs\\99.png,no\n',
      r'not there \(their backslashes are read as slashes\): imgs\\99',
    ),
    ('file,glasses\n"imgs/0.png,no\n', r'line 2: its header has 2 cells, this line 1'),
    ('', r'attributes\.csv is empty: its first line names the columns'),
    ('\n\n', r'attributes\.csv is empty'),
    ('file,glasses,glasses\nimgs/0.png,no,yes\n', r"has the column 'glasses' twice"),
    ('name,glasses\nimgs/0.png,no\n', r"has no column 'file'; its columns are name, glasses"),
    ('file,hat\nimgs/0.png,no\n', r"has no attribute 'glasses'; its columns are file, hat"),
    (b'file,glasses\nimgs/0.png,no\n\xe9.png,no\n', r'attributes\.csv, line 3: is not UTF-8; save the'),
    ('file,glasses,split\nimgs/0.png,no,later\n', r"line 2: split='later' is unknown; there are train,"),
  ],
)
def test_a_malformed_table_is_told_with_file_line_and_reason(images, tmp_path, text, told):
  images()
  (tmp_path / 'attributes.csv').write_bytes(text if isinstance(text, bytes) else text.encode())
  with pytest.raises(UserError, match=told):
    load(tmp_path, attributes=GLASSES)


def test_a_cell_may_be_long(images):
  path = images(head='file,glasses')
  text = (path / 'attributes.csv').read_text().splitlines()
  rows = [text[0] + ',note', *(f'{row},{"x" * 200_000}' for row in text[1:])]
  (path / 'attributes.csv').write_text('\n'.join(rows))
  is_right(path)


# dataset.json, as StyleGAN2's tools write it.


def stylegan2(folder, labels, count=6):
  for i in range(count):
    picture(folder / f'00000/img{i:08d}.png', i)
  (folder / 'dataset.json').write_text(json.dumps({'labels': labels}))
  return folder


def names(count=6):
  return [f'00000/img{i:08d}.png' for i in range(count)]


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize('one_hot', [False, True])
def test_dataset_json_labels_the_images_of_a_folder_or_a_zip(tmp_path, zipped, one_hot):
  values = [i % 3 for i in range(6)]
  labels = [[float(k == i) for k in range(3)] for i in values] if one_hot else values
  path = stylegan2(tmp_path / 'set', [list(row) for row in zip(names(), labels, strict=True)])
  if zipped:
    with zipfile.ZipFile(tmp_path / 'set.zip', 'w') as archive:
      for file in sorted(path.rglob('*.*')):
        archive.write(file, file.relative_to(path))
    path = tmp_path / 'set.zip'
  assert labels_of(load(path, attributes={'kind': ('a', 'b', 'c')})) == dict(enumerate(values))


def test_numbers_of_dataset_json_are_quantities_where_the_config_says_so(tmp_path):
  labels = [[name, [i / 2, -i]] for i, name in enumerate(names())]
  found = load(stylegan2(tmp_path, labels), attributes={'angle': (), 'size': ()})
  assert found.train.labels.dtype == np.float32
  for level, (angle, size) in zip(levels(found.train.x), found.train.labels, strict=True):
    assert (angle, size) == (level / 2, -level)


@pytest.mark.parametrize(
  ('content', 'told'),
  [
    ('{"labels": null}', r'has no labels \(they are null\), and config\.attributes asks for some'),
    ('{}', r'dataset\.json is no file of labels'),
    ('[', r'dataset\.json is no file of labels'),
    ('[' * 100_000, r'dataset\.json is no file of labels'),
    ('{"labels": [["00000/img00000000.png"]]}', r'label 0: .* is not \[file, label\]'),
    ('{"labels": [["00000/img00000000.png", "cat"]]}', r"label 0: 'cat' is no number and no list"),
    ('{"labels": [["00000/img00000000.png", 7]]}', r"label 0: kind='7' is out of range"),
    ('{"labels": [["00000/img00000000.png", [0.5, 0.5]]]}', r'label 0: has 2 numbers, and config\.attr'),
    ('{"labels": [["00000/other.png", 0]]}', r'names files that are not there: 00000/other\.png'),
  ],
)
def test_a_malformed_dataset_json_is_told(tmp_path, content, told):
  stylegan2(tmp_path, None)
  (tmp_path / 'dataset.json').write_text(content)
  with pytest.raises(UserError, match=told):
    load(tmp_path, attributes={'kind': ('a', 'b')})


# A folder for each class.


@pytest.mark.parametrize('split', [False, True])
def test_a_folder_for_each_class_labels_its_images(tmp_path, split):
  for i in range(8):
    half = ('test/' if i > 5 else 'train/') if split else ''
    picture(tmp_path / f'{half}{("cat", "dog")[i % 2]}/deep/{i}.png', i)
  found = load(tmp_path, attributes={'kind': ('cat', 'dog')})
  if split:
    assert sorted(levels(found.test.x)) == [6, 7]
  for half in (found.train, found.test):
    assert [level % 2 for level in levels(half.x)] == half.labels[:, 0].tolist()


@pytest.mark.parametrize(
  ('files', 'attributes', 'told'),
  [
    (['cat/0.png', 'dog/1.png'], {'kind': ('cat', 'cow')}, r"class: kind='dog' is out of range"),
    (['cat/0.png', '1.png'], {'kind': ('cat', 'dog')}, 'no folder for each value of one attribute'),
    (['cat/0.png', 'dog/1.png'], {'kind': ('cat', 'dog'), 'size': ()}, 'no folder for each value'),
    ([], {'kind': ('cat', 'dog')}, 'no folder for each value of one attribute: there are none'),
  ],
)
def test_folders_that_are_no_classes_are_told(tmp_path, files, attributes, told):
  for file in files:
    picture(tmp_path / file)
  with pytest.raises(UserError, match=told):
    load(tmp_path, attributes=attributes)
