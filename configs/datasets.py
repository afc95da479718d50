"""Data sets by name: the fields of a config that each sets. Where to get them: docs/data.md."""


def folder(name, **fields):
  return {'data.source': 'folder', 'data.path': f'data/{name}', **fields}


def tfds(name, **fields):
  return {'data.source': f'tfds:{name}', 'data.path': '', **fields}


def built_in(source, a='', b='', **fields):
  return {'data.source': source, 'data.path': '', 'data.a': a, 'data.b': b, **fields}


def numbered(attribute, count):
  return {attribute: tuple(map(str, range(count)))}


CIFAR10 = {'image_size': 32, 'data.augment': False}
CIFAR10_CLASSES = (
  'airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck',
)  # fmt: skip
IMAGENET = {
  'data.center_crop': True,
  'data.augment': False,
  'attributes': {'label': tuple(map(str, range(1000)))},
}
DIGITS = {'image_size': 8, 'image_channels': 1, 'data.augment': False}
NAMES = tuple('0123456789')
LABELLED_DIGITS = DIGITS | {'attributes': {'digit': NAMES}}

DATASETS = {
  # pairs of domains
  'selfie2anime': folder('selfie2anime'),
  'cat2dog': folder('cat2dog'),
  'horse2zebra': tfds('cycle_gan/horse2zebra'),
  'summer2winter': tfds('cycle_gan/summer2winter_yosemite'),
  'vangogh2photo': tfds('cycle_gan/vangogh2photo'),
  'terrain': built_in('terrain', 'etopo', 'relief'),
  'emoji_styles': built_in('emoji', 'twemoji', 'openmoji'),
  'inverted_digits': built_in('inverted_digits', **DIGITS),
  # pairs of images
  'facades': folder('facades', **{'data.direction': 'b_to_a'}),  # photographs from label maps
  # images
  'bedroom': folder('bedroom'),
  'church': folder('church'),
  'ffhq': folder('ffhq', **{'data.mirror': True}),
  'satellite': built_in('terrain', 'satellite', **{'data.mirror': True}),
  'cifar10': tfds('cifar10', **CIFAR10),
  'labelled_cifar10': tfds('cifar10', **CIFAR10, attributes={'label': CIFAR10_CLASSES}),
  'imagenet32': tfds('imagenet2012', image_size=32, **IMAGENET),
  'imagenet64': tfds('imagenet2012', image_size=64, **IMAGENET),
  'imagenet128': tfds('imagenet2012', image_size=128, **IMAGENET),
  'mnist': tfds('mnist', **{'image_size': 32, 'image_channels': 1, 'data.augment': False}),
  'fake': built_in('fake'),
  'polygons': built_in('polygons', **{'image_size': 28, 'image_channels': 1, 'data.augment': False}),
  'digits': built_in('digits', **DIGITS),
  'stacked_digits': built_in(
    'stacked_digits', **{'image_size': 8, 'image_channels': 3, 'data.augment': False}
  ),
  'labelled_digits': built_in('digits', **LABELLED_DIGITS),
  'held_out_digits': built_in('digits', **LABELLED_DIGITS, **{'data.held_out': 2}),
  'few_shot_digits': built_in('digits', **LABELLED_DIGITS, **{'data.held_out': 5}),
  'imbalanced_digits': built_in(
    'digits', **LABELLED_DIGITS, **{'data.class_counts': (100,) * 5 + (10,) * 5}
  ),
  'digits7to3': built_in('digits7to3', **DIGITS, attributes={'set': tuple('ABC')}),
  'digit_spaces': built_in(
    'digit_spaces', **DIGITS, attributes={'digit': (*NAMES, '5 or 6'), 'space': ('a', 'b')}
  ),
  # points
  'ring8': built_in('toy', 'ring8', vector_size=2),
  'grid25': built_in('toy', 'grid25', vector_size=2),
  'unequal8': built_in('toy', 'unequal8', vector_size=2),
  'line1': built_in('toy', 'line1', vector_size=1),
  'line4': built_in('toy', 'line4', vector_size=1),
  'sphere200': built_in('sphere', vector_size=32, attributes=numbered('class', 200)),
  'overlapping3': built_in('overlapping', vector_size=1, attributes=numbered('class', 3)),
  'circle6': built_in('circle', vector_size=2, attributes={'angle': ()}),
  'modular31': built_in('modular', vector_size=62, attributes=numbered('sum', 31)),
}
