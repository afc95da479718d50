"""A classifier by cross-entropy, and where the recipes of other losses of classes start.

  python main.py --config=configs/classifier.py:labelled_digits
  python main.py --mode=evaluate --workdir=runs/classifier-labelled_digits
  python main.py --mode=evaluate --workdir=<a GAN of digits> --metrics=fd_359@own \\
      --own=runs/classifier-labelled_digits

The network is the one by which images of 8 px are measured (the feature network `own`,
docs/classify.md): two convolutions, 128 features, a ReLU, dropout 0.5, Adam at 1e-3; 700 steps are 31
epochs of the digits.

Expected: see docs/classify.md; 15 s on one core.
"""

from configs import base

DIGITS = ('labelled_digits', 'held_out_digits', 'few_shot_digits', 'imbalanced_digits', 'digit_spaces')


def get_config(words=''):
  config = base.get_config()
  config.method = 'classifier'
  config.image_size = 32
  config.batch_size = 64
  config.num_steps = 700
  config.model.backbone = 'convnet'  # see decoupled_gan/networks/classifier.py
  config.model.width = 32
  config.model.features = 128
  config.model.depth = 2  # of mlp
  config.model.activation = 'relu'  # of mlp
  config.model.frequencies = 0  # of mlp
  config.model.norm_discriminator = 'batch'  # of dcgan
  config.model.dropout = 0.5
  config.model.activate = True  # a ReLU between the features and a linear head
  config.model.tied = False  # the centres are the embedding of `pairs`
  config.model.label_space = ''  # the attribute that says which data set an example is from
  config.model.known = {}  # .<its value> = the classes that this data set labels
  config.losses.classify = 'cross_entropy'  # see decoupled_gan/losses/classification
  config.losses.attack = {  # the adversary of routes.learn.robust; sizes as for images in [0, 1]
    'norm': 'linf', 'eps': 8 / 255, 'step': 2 / 255, 'steps': 0, 'random_start': True,
  }  # fmt: skip
  config.optimizer.learning_rate = 1e-3
  config.optimizer.b1 = 0.9
  config.data.augment = False
  config.sample_count = 8
  config.routes.learn = {'classify': {'classifier': 1.0}}
  return base.apply(config, words, VARIANTS, ADJUST)


def mlp(config):
  """Two hidden layers of 256, without dropout."""
  config.model.backbone = 'mlp'
  config.model.norm_discriminator = 'none'
  config.model.width = 256
  config.model.dropout = 0.0


def linear(config):
  """No hidden layer: the head looks at pixels."""
  config.model.backbone = 'mlp'
  config.model.norm_discriminator = 'none'
  config.model.depth = 0
  config.model.dropout = 0.0
  config.model.activate = False
  config.num_steps = 5000


def tiny(config):
  base.tiny(config, 8)
  config.model.width = config.model.features = 8
  if not len(config.attributes):
    config.attributes.kind = ('a', 'b', 'c')


def sgd(config):
  """What residual networks are trained by: SGD with momentum 0.9 from 0.1, decay 5e-4."""
  config.optimizer.name = 'momentum'
  config.optimizer.learning_rate = 0.1
  config.optimizer.b1 = 0.9
  config.optimizer.weight_decay = 5e-4
  config.model.dropout = 0.0


def faces(config):
  """Of recipes for face recognition: ResNet-18 at 112 px on a labelled folder, batches of 512."""
  sgd(config)
  config.data.source = 'folder'
  config.data.augment = True
  config.image_size = 112
  config.batch_size = 512
  config.num_steps = 100_000
  config.model.backbone = 'resnet18'
  config.model.width = 64  # 512 features


def small(config):
  """For digits: the network and the optimizer of this recipe, whatever a paper's are."""
  config.model.backbone = 'convnet'
  config.model.width = 32
  config.batch_size = 64
  config.num_steps = 700
  config.optimizer.name = 'adam'
  config.optimizer.learning_rate = 1e-3
  config.optimizer.weight_decay = 0.0
  config.optimizer.decay_start_step = -1
  config.data.augment = False
  config.sample_every_steps = config.checkpoint_every_steps = 700


def spaces(config):
  """Two data sets of digits: `a` labels 0 to 6, `b` 7, 8, 9 and '5 or 6'."""
  small(config)
  config.model.label_space = 'space'
  config.model.known = {'a': tuple('0123456'), 'b': ('7', '8', '9', '5 or 6')}


def points(config):
  """Of the toy sets of points."""
  small(config)
  mlp(config)
  config.num_steps = 3000


def addition(config):
  """Of pairs of numbers; sizes as in scripts/modadd.py of KindXiaoming/grow-crystals."""
  small(config)
  config.model.backbone = 'pairs'
  config.model.width = 100
  config.model.features = 10
  config.model.dropout = 0.0
  config.model.activate = False
  config.batch_size = 128
  config.num_steps = 6000


def episodes(config):
  """Five classes to learn by episodes, five others to be told by five examples each."""
  small(config)
  config.data.episode.ways = 5
  config.batch_size = 5 * 20


VARIANTS = base.variants(mlp, linear, tiny)
ADJUST = dict.fromkeys(DIGITS, small) | {
  'digit_spaces': spaces,
  'few_shot_digits': episodes,
  'modular31': addition,
  'sphere200': points,
}
