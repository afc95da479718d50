"""Cartoon faces with attribute labels, drawn by a program, so that every edit has an exact truth.

Source: DiceBear 10 (Python, MIT), its style `avataaars` by Pablo Stanley ("free for personal and
commercial use", https://avataaars.com), drawn by resvg. The three packages are pinned, and unlike the
other built-in sets' their code is run: they must be installed (extra `avatars`), which pip does with
its own checks. Pictures are built once and cached, see `packages`.

It is drawn art, composed by a program, frontal and aligned: not photographs, and far easier.

Each face has a seed, which decides skin, eyes, brows, hair style and clothes, and four labels, drawn
independently of them and of one another:

  beard     no, yes     one beard, in the colour of the hair
  glasses   no, yes     one model of glasses
  hair      four colours; hats and other things that hide hair are left out
  mouth     three mouths

Two faces of one seed differ in their labels only, pixel by pixel.
"""

import io
import json
from collections.abc import Mapping
from importlib import metadata, resources

import numpy as np
from PIL import Image

from decoupled_gan.core.types import Examples
from decoupled_gan.data.dataset import ArrayImages, Dataset
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine.cache import cached

PACKAGES = {'dicebear-core': '10.7.0', 'dicebear-styles': '10.6.0', 'resvg-py': '0.5.0'}
FORMAT = 1
SIZE = 64  # px, box-reduced from twice as many
TRAIN, TEST = 4000, 250

GROUND = '#b6e3f4'  # light blue: white is where tanh saturates, and grey hair needs a contrast
HAIR = {'black': '#2c1b18', 'brown': '#a55728', 'blond': '#d6b370', 'grey': '#e8e1e1'}
MOUTHS = {'serious': 'serious', 'smile': 'smile', 'open': 'screamOpen'}
ATTRIBUTES = {
  'beard': ('no', 'yes'),
  'glasses': ('no', 'yes'),
  'hair': tuple(HAIR),
  'mouth': tuple(MOUTHS),
}
HIDING = ('hat', 'hijab', 'turban', 'winterHat1', 'winterHat02', 'winterHat03', 'winterHat04', 'frida')


def load(config) -> Dataset:
  """4,000 faces to train, 250 of other seeds to test, 64 x 64, with the labels of config.attributes.

  `edits` of the dataset has each test face at each value of each attribute.

  Raises:
    UserError: an attribute or values that the faces do not have; the packages are not there.
  """
  columns = [_column(name, tuple(values)) for name, values in sorted(config.attributes.items())]
  images, labels, edits = _arrays(config.image_channels)
  edits = {
    (name, number): edits[name, number] for name in config.attributes for number in _range(name)
  }
  return Dataset(
    name=f'avatars ({listing(sorted(config.attributes))})',
    train=Examples(images['train'], labels['train'][:, columns]),
    test=Examples(images['test'], labels['test'][:, columns]),
    edits=edits,
    notes=('faces drawn by a program: every edit of a test face has an exact truth',),
  )


def load_plain(config) -> Dataset:
  """The same faces without labels."""
  images, _, _ = _arrays(config.image_channels)
  return Dataset('avatars', Examples(images['train']), Examples(images['test']))


def build() -> dict[str, np.ndarray]:
  """`train`, `test` uint8 [N, 64, 64, 3]; `<split>_labels` int32 [N, 4], the attributes sorted;
  `<attribute>_<number>` uint8 [TEST, 64, 64, 3], the test faces at that value."""
  draw, arrays = _artist(), {}
  for split, count in (('train', TRAIN), ('test', TEST)):
    counts = [len(values) for values in ATTRIBUTES.values()]
    rng = np.random.default_rng(len(split))
    labels = np.stack([rng.integers(0, n, count, dtype=np.int32) for n in counts], -1)
    seeds = [f'{split}{i}' for i in range(count)]
    arrays[split] = np.stack([draw(*face) for face in zip(seeds, labels, strict=True)])
    arrays[f'{split}_labels'] = labels
  for column, name in enumerate(ATTRIBUTES):
    for number in _range(name):
      edited = labels.copy()
      edited[:, column] = number
      arrays[f'{name}_{number}'] = np.stack([draw(*face) for face in zip(seeds, edited, strict=True)])
  return arrays


def options(seed: str, labels: Mapping[str, str]) -> dict:
  """DiceBear's options for a face; `labels` has a value's name for each attribute."""
  colour = HAIR[labels['hair']]
  return {
    'seed': seed,
    'facialHairProbability': 100 * (labels['beard'] == 'yes'),
    'facialHairVariant': ['beardMedium'],
    'facialHairColor': [colour],
    'accessoriesProbability': 100 * (labels['glasses'] == 'yes'),
    'accessoriesVariant': ['prescription02'],
    'accessoriesColor': ['#262e33'],
    'hairColor': [colour],
    'mouthVariant': [MOUTHS[labels['mouth']]],
    'backgroundColor': [GROUND],
  }


def _artist():
  """draw(seed, labels [4]) -> uint8 [64, 64, 3]."""
  _check_packages()
  import dicebear
  import resvg_py

  definition = resources.files('dicebear_styles') / 'avataaars.json'
  definition = json.loads(definition.read_text(encoding='utf-8'))
  tops = [top for top in definition['components']['top']['variants'] if top not in HIDING]
  style = dicebear.Style(definition)

  def draw(seed, labels):
    named = {a: values[n] for (a, values), n in zip(ATTRIBUTES.items(), labels, strict=True)}
    svg = str(dicebear.Avatar(style, options(seed, named) | {'topVariant': tops}))
    png = resvg_py.svg_to_bytes(svg_string=svg, width=2 * SIZE, background=GROUND)
    with Image.open(io.BytesIO(bytes(png))) as image:
      return np.asarray(image.convert('RGB').reduce(2))

  return draw


def _check_packages():
  """Raises UserError unless the packages are there in the versions that the pictures are made with."""
  for package, version in PACKAGES.items():
    try:
      found = metadata.version(package)
    except metadata.PackageNotFoundError:
      found = 'none'
    if found != version:
      needed = ' '.join(f'{name}=={number}' for name, number in PACKAGES.items())
      raise UserError(
        f"data.source='avatars' is drawn by {package} {version}, and {found} is installed: "
        f'run `pip install {needed}`'
      )


def _arrays(channels: int):
  """({split: Images}, {split: labels int32 [N, 4]}, {(attribute, number): Images})."""
  with cached('avatars', FORMAT, build) as arrays:

    def images(key, split):
      names = [f'{split}{i:04d}' for i in range(len(arrays[f'{split}_labels']))]
      return ArrayImages(arrays[key], names, channels)

    splits = ('train', 'test')
    edits = {(name, n): images(f'{name}_{n}', 'test') for name in ATTRIBUTES for n in _range(name)}
    labels = {split: arrays[f'{split}_labels'] for split in splits}
    return {split: images(split, split) for split in splits}, labels, edits


def _column(name: str, values: tuple[str, ...]) -> int:
  """The column of an attribute in the full labels."""
  if ATTRIBUTES.get(name) != values:
    raise UserError(
      f'attributes.{name}={values} is not what the avatars have: there are '
      f'{listing(f"{attribute}={names}" for attribute, names in ATTRIBUTES.items())}'
    )
  return list(ATTRIBUTES).index(name)


def _range(name: str) -> range:
  return range(len(ATTRIBUTES[name]))
