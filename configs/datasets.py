"""Data sets by name: the fields of a config that each sets. Where to get them: docs/data.md."""


def folder(name, **fields):
  return {'data.source': 'folder', 'data.path': f'data/{name}', **fields}


def tfds(name, **fields):
  return {'data.source': f'tfds:{name}', 'data.path': '', **fields}


def built_in(source, a='', b='', **fields):
  return {'data.source': source, 'data.path': '', 'data.a': a, 'data.b': b, **fields}


DIGITS = {'image_size': 8, 'image_channels': 1, 'data.augment': False}

DATASETS = {
  # pairs of domains
  'selfie2anime': folder('selfie2anime'),
  'cat2dog': folder('cat2dog'),
  'horse2zebra': tfds('cycle_gan/horse2zebra'),
  'summer2winter': tfds('cycle_gan/summer2winter_yosemite'),
  'vangogh2photo': tfds('cycle_gan/vangogh2photo'),
  'terrain': built_in('terrain', 'etopo', 'relief'),
  'emoji_styles': built_in('emoji', 'twemoji', 'openmoji'),
  # pairs of images
  'facades': folder('facades', **{'data.direction': 'b_to_a'}),  # photographs from label maps
  # images
  'bedroom': folder('bedroom'),
  'church': folder('church'),
  'ffhq': folder('ffhq', **{'data.mirror': True}),
  'satellite': built_in('terrain', 'satellite', **{'data.mirror': True}),
  'fake': built_in('fake'),
  'digits': built_in('digits', **DIGITS),
  'labelled_digits': built_in('digits', **DIGITS, attributes={'digit': tuple('0123456789')}),
  # points
  'ring8': built_in('toy', 'ring8', vector_size=2),
  'grid25': built_in('toy', 'grid25', vector_size=2),
  'line1': built_in('toy', 'line1', vector_size=1),
  'line4': built_in('toy', 'line4', vector_size=1),
}
