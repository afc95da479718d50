"""Batches: order, epochs, resuming, sharing among processes, augmentation, threads."""

import subprocess
import sys
import threading

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from decoupled_gan import data, defaults
from decoupled_gan.core.types import Aligned, Examples, Pair, batch_shape, present
from decoupled_gan.data.transforms import augment, load_size, resize
from decoupled_gan.errors import UserError


def make_config(**fields) -> ConfigDict:
  """The fields that decoupled_gan.data reads; make_config(**{'data.source': 'terrain'})."""
  config = defaults.get_config().copy_and_resolve_references()
  config.batch_size, config.image_size = 4, 8
  config.data.update({'source': 'fake', 'augment': False, 'num_threads': 2})
  config.update_from_flattened_dict(fields)
  return config


def numbered(count_a: int, count_b: int) -> data.Dataset:
  """A dataset whose image number i has the value i everywhere."""

  def images(count):
    array = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 8, 8, 3))
    return data.ArrayImages(array, [str(i) for i in range(count)])

  pair = Pair(images(count_a), images(count_b))
  return data.Dataset('numbered', pair, pair, Pair('A', 'B'))


def take(dataset, config, count, **options) -> list[Pair]:
  iterator = data.train_batches(dataset, config, **options)
  try:
    return [next(iterator) for _ in range(count)]
  finally:
    iterator.close()


def order(batches) -> Pair:
  """Which images came, in which order, from batches of a numbered() dataset."""
  return Pair(*[np.concatenate([x[:, 0, 0, 0] for x in domain]) for domain in zip(*batches)])  # noqa: B905


def assert_equal(left, right):
  assert len(left) == len(right)
  for x, y in zip(left, right, strict=True):
    np.testing.assert_array_equal(x.a, y.a)
    np.testing.assert_array_equal(x.b, y.b)


def test_batch_is_a_pair_of_uint8_images_of_the_asked_size_and_channels():
  for channels in (1, 3):
    config = make_config(image_size=16, image_channels=channels, **{'data.augment': True})
    (batch,) = take(data.load(config), config, 1)
    assert isinstance(batch, Pair)
    for images in batch:
      assert images.shape == (4, 16, 16, channels)
      assert images.dtype == np.uint8


@pytest.mark.parametrize('counts', [(12, 12), (12, 7), (5, 30), (3, 1)])
def test_every_image_comes_exactly_once_an_epoch_in_each_domain(counts):
  config = make_config()
  seen = order(take(numbered(*counts), config, 30))
  for indices, count in zip(seen, counts, strict=True):
    epochs = indices[: len(indices) // count * count].reshape(-1, count)
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)


def test_every_epoch_has_another_order_and_so_has_each_domain_and_seed():
  config = make_config(batch_size=20)
  seen = order(take(numbered(20, 20), config, 10))
  config.seed = 1
  other = order(take(numbered(20, 20), config, 10))
  epochs = [tuple(x) for indices in (*seen, *other) for x in indices.reshape(-1, 20)]
  assert len(set(epochs)) == len(epochs)


def test_dataset_smaller_than_a_batch_fills_it_by_repeating():
  config = make_config(batch_size=16)
  (batch,) = take(numbered(3, 1), config, 1)
  assert batch.a.shape == batch.b.shape == (16, 8, 8, 3)
  assert np.bincount(batch.a[:, 0, 0, 0]).min() >= 5


@pytest.mark.parametrize('counts', [(12, 7), (3, 3)])
def test_batches_of_one_image_the_papers_own_are_made(counts):
  batches = take(numbered(*counts), make_config(batch_size=1), 24)
  assert all(batch.a.shape == (1, 8, 8, 3) for batch in batches)
  assert set(order(batches).a) == set(range(counts[0]))


@pytest.mark.parametrize('threads', [0, 1, 8])
@pytest.mark.parametrize('start', [1, 7, 50])
def test_run_resumed_at_step_k_gets_bit_equal_batches(threads, start):
  config = make_config(seed=5, **{'data.augment': True, 'data.num_threads': threads})
  dataset = data.load(config)
  whole = take(dataset, config, start + 3)
  assert_equal(take(dataset, config, 3, start_step=start), whole[start:])


def test_same_seed_gives_same_batches_and_another_seed_others():
  config = make_config(**{'data.augment': True})
  dataset = data.load(config)
  first = take(dataset, config, 3)
  assert_equal(take(dataset, config, 3), first)
  config.seed = 1
  assert all((x.a != y.a).any() for x, y in zip(take(dataset, config, 3), first, strict=True))


@pytest.mark.parametrize('processes', [2, 4])
@pytest.mark.parametrize('start', [0, 9])
def test_chunks_of_several_processes_concatenate_to_the_batch_of_one(processes, start):
  config = make_config(batch_size=8, **{'data.augment': True})
  dataset = data.load(config)
  whole = take(dataset, config, 4, start_step=start)
  parts = [
    take(dataset, config, 4, start_step=start, process_index=p, process_count=processes)
    for p in range(processes)
  ]
  joined = [
    Pair(*map(np.concatenate, zip(*step, strict=True))) for step in zip(*parts, strict=True)
  ]
  assert_equal(joined, whole)


def test_batch_that_processes_cannot_share_is_refused():
  config = make_config(batch_size=3)
  with pytest.raises(UserError, match=r'batch_size=3 .* 2 processes: make it a multiple of 2'):
    data.train_batches(data.load(config), config, process_count=2)


def test_closing_the_iterator_ends_its_threads():
  config = make_config(**{'data.num_threads': 4})
  before = threading.active_count()
  iterator = data.train_batches(data.load(config), config)
  next(iterator)
  assert threading.active_count() > before
  iterator.close()
  for thread in threading.enumerate():
    if 'grain' in thread.name:
      thread.join(timeout=5)
  assert threading.active_count() <= before


def test_program_that_leaves_without_closing_does_not_hang():
  script = (
    'from test_data import make_config\n'
    'from decoupled_gan import data\n'
    'config = make_config(image_size=64, batch_size=64)\n'
    'iterator = data.train_batches(data.load(config), config)\n'
    'next(iterator)\n'
    'raise SystemExit(7)\n'
  )
  code = 'import sys; sys.path[:0] = sys.argv[1:3]\n' + script
  folders = [__file__.rpartition('/')[0], data.__file__.rsplit('/', 3)[0]]
  ran = subprocess.run([sys.executable, '-c', code, *folders], timeout=60)
  assert ran.returncode == 7


def test_user_error_from_a_thread_arrives_as_it_is():
  class Broken:
    names = ('x',)

    def __len__(self):
      return 1

    def __getitem__(self, index):
      raise UserError('the image x is broken')

  pair = Pair(Broken(), Broken())
  iterator = data.train_batches(data.Dataset('broken', pair, pair), make_config())
  with pytest.raises(UserError) as caught:
    next(iterator)
  iterator.close()
  assert str(caught.value) == 'the image x is broken'


def test_load_size_is_286_at_256_and_keeps_the_ratio():
  assert [load_size(size) for size in (256, 128, 64, 32)] == [286, 143, 72, 36]


def test_augment_crops_every_offset_and_flips_half_of_the_time():
  rows, columns = np.mgrid[:72, :72].astype(np.uint8)  # has the load size: crops are readable
  image = np.stack([rows, columns, rows], -1)
  rng = np.random.default_rng(0)
  crops = [augment(image, rng, 64) for _ in range(2000)]
  flipped = np.array([crop[0, 0, 1] > crop[0, 1, 1] for crop in crops])
  assert abs(flipped.mean() - 0.5) < 0.05
  for tops in ([crop[0, 0, 0] for crop in crops], [crop[..., 1].min() for crop in crops]):
    counts = np.bincount(tops)
    assert len(counts) == 9  # 72 - 64 + 1 offsets
    assert counts.min() > 2000 / 9 / 2
  straight = crops[int(np.argmin(flipped))]
  assert (np.diff(straight[..., 1].astype(int), axis=1) == 1).all()


def test_augment_takes_any_shape_and_channel_count():
  rng = np.random.default_rng(0)
  for shape in [(100, 40, 3), (9, 300, 1), (64, 64, 3), (8, 8, 3)]:
    out = augment(rng.integers(0, 256, shape, dtype=np.uint8), rng, 64)
    assert out.shape == (64, 64, shape[-1])
    assert out.dtype == np.uint8


def test_resize_leaves_an_image_of_the_right_size_alone_and_is_pillow_bilinear_otherwise():
  image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
  assert resize(image, 32) is image
  ramp = np.repeat(np.arange(0, 64, 4, dtype=np.uint8)[None, :, None], 16, 0)
  # Halving an even ramp with a triangle filter: the inner values are the means of neighbours.
  np.testing.assert_array_equal(resize(ramp, 8)[0, 1:-1, 0], np.arange(10, 58, 8)[:6])


def test_without_augmentation_a_batch_holds_the_resized_images_themselves():
  config = make_config(batch_size=64, image_size=8)
  dataset = data.load(config)
  (batch,) = take(dataset, config, 1)
  for images, source in zip(batch, dataset.train, strict=True):
    assert {x.tobytes() for x in images} == {source[i].tobytes() for i in range(len(source))}


def test_test_images_come_in_order_by_limit_by_indices_or_all():
  config = make_config()
  images = numbered(9, 9).test.a
  for which, expected in [(None, range(9)), (4, range(4)), (99, range(9)), ([7, 2], [7, 2])]:
    assert list(data.test_images(images, which, config)[:, 0, 0, 0]) == list(expected)
  assert data.test_images(images, 0, config).shape == (0, 8, 8, 3)


def test_fake_domains_differ_visibly_and_test_scenes_are_aligned():
  config = make_config(image_size=32)
  dataset = data.load(config)
  a, b = (data.test_images(images, None, config).astype(float) for images in dataset.test)
  assert dataset.aligned_test
  assert abs(a.mean() - b.mean()) > 50
  inside_a, inside_b = a[..., 2] < 100, b[..., 2] > 100  # warm shapes; cool shapes
  overlap = (inside_a & inside_b).sum((1, 2)) / inside_a.sum((1, 2))
  assert overlap.min() > 0.95  # the disc lies within the square
  assert set(dataset.train.a.names).isdisjoint(dataset.train.b.names)


def test_describe_tells_the_counts_the_truth_and_the_notes():
  text = data.load(make_config()).describe()
  assert 'disc 64 train, 16 test; square 64 train, 16 test' in text
  assert 'ground truth exists' in text


@pytest.mark.parametrize('source', ['folders', 'fake:x', ''])
def test_unknown_source_lists_what_exists(source):
  message = (
    f'data.source={source!r} does not exist for batches of Pair, which the method wants: there '
    'are folder, tfds, terrain, emoji, inverted_digits, fake; tfds takes a name'
  )
  with pytest.raises(UserError, match=message):
    data.load(make_config(**{'data.source': source}))


# Kinds of batches other than unpaired ones.


NUMBERS = np.arange(12)
IMAGES = data.ArrayImages(np.tile(NUMBERS.astype(np.uint8)[:, None, None, None], (1, 8, 8, 3)), 'x' * 12)
LABELS = np.stack([NUMBERS, NUMBERS]).T.astype(np.int32)
KINDS = {
  'aligned': Aligned(IMAGES, IMAGES),
  'images': Examples(IMAGES),
  'labelled images': Examples(IMAGES, LABELS),
  'labelled points': Examples(LABELS.astype(np.float32), LABELS.astype(np.float32)),
}


def joint(kind, **options) -> list:
  """Batches of a dataset of 12 examples whose fields are made from their numbers."""
  return take(data.Dataset('joint', KINDS[kind], KINDS[kind]), make_config(**options), 6)


@pytest.mark.parametrize('augmented', [False, True])
@pytest.mark.parametrize('kind', KINDS)
def test_fields_of_an_example_stay_together_and_come_once_an_epoch(kind, augmented):
  batches = joint(kind, **{'data.augment': augmented, 'data.index': True})
  assert {type(batch) for batch in batches} == {type(KINDS[kind])}
  fields = present(batches[0])
  assert ('index' in fields) == (kind != 'aligned'), 'pairs have no numbers'
  columns = [
    np.concatenate([getattr(batch, name).reshape(4, -1)[:, 0] for batch in batches]) for name in fields
  ]
  for column in columns:
    np.testing.assert_array_equal(column, columns[0])
    assert sorted(column[:12]) == sorted(column[12:]) == list(range(12))


def test_labels_and_points_keep_their_types_and_are_never_touched():
  batch = joint('labelled images', **{'data.augment': True})[0]
  assert (batch.labels.dtype, batch.labels.shape, batch.index) == (np.int32, (4, 2), None)
  batch = joint('labelled points', **{'data.augment': True})[0]
  assert (batch.x.dtype, batch.x.shape, batch.labels.dtype) == (np.float32, (4, 2), np.float32)


def test_a_limit_takes_the_first_training_examples_only():
  dataset = data.load(make_config(**{'data.limit': 5}))
  assert (len(dataset.train.a), len(dataset.train.b), len(dataset.test.a)) == (5, 5, 16)
  assert dataset.train.a.names == data.load(make_config()).train.a.names[:5]


def test_aligned_images_are_cropped_and_flipped_alike():
  noise = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), dtype=np.uint8)
  images = data.ArrayImages(noise, list('abcde'))
  dataset = data.Dataset('noise', Aligned(images, images), Aligned(images, images))
  config = make_config(image_size=32, **{'data.augment': True})
  batches = take(dataset, config, 3)
  for batch in batches:
    np.testing.assert_array_equal(batch.input, batch.target)
  assert not np.array_equal(batches[0].input[0], batches[0].input[1])


@pytest.mark.parametrize('labelled', [False, True])
@pytest.mark.parametrize('kind', [Pair, Aligned, Examples])
def test_batches_have_the_shapes_and_types_that_their_kind_declares(kind, labelled):
  attributes = {'beard': ('no', 'yes'), 'age': ('young', 'old')} if labelled else {}
  config = make_config(attributes=attributes)
  dataset = data.load(config, kind)
  declared = batch_shape(config, kind)
  assert (kind is Examples and declared.labels is not None) == (kind is Examples and labelled)
  for batch in (data.test_batch(dataset, 4, config), *take(dataset, config, 1)):
    assert type(batch) is kind
    assert jax.tree.map(lambda x: (x.shape, x.dtype), batch) == jax.tree.map(
      lambda x: (x.shape, x.dtype), declared
    )


def test_images_where_points_are_wanted_are_told():
  with pytest.raises(UserError, match=r"gives images, and the config asks for points of 2"):
    data.load(make_config(vector_size=2), Examples)


def test_a_source_that_cannot_give_what_the_method_wants_is_told():
  with pytest.raises(UserError, match="'emoji' does not exist for batches of Examples with labels"):
    data.load(make_config(attributes={'a': ('x', 'y')}, **{'data.source': 'emoji'}), Examples)
