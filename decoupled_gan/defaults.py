"""Fields that every run has, with their defaults. Recipes start from here and change what differs.

A run that was trained by an earlier version lacks the fields that came later: `complete` gives them
their defaults, in this one place, so that no other module asks whether a field exists.
"""

import traceback

from ml_collections import ConfigDict, config_dict

from decoupled_gan.errors import UserError


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.method = ''
  config.seed = 0
  # px: a number for squares, or (height, width)
  config.image_size = config_dict.FieldReference(256, field_type=object)
  config.image_channels = 3  # or 1, grey
  config.vector_size = 0  # of points and features: examples are vectors rather than images if not 0
  config.batch_size = 1  # global: over all devices and hosts
  config.steps_per_call = 1  # steps that the device does as one program, see run/calls.py
  config.seeds = 1  # runs that are trained at once, from config.seed on, see run/members.py
  config.num_steps = config_dict.FieldReference(100_000)
  config.compute_dtype = 'float32'  # or bfloat16; parameters, statistics and losses stay float32

  config.compilation_cache = '.jax_cache'  # compiled programs, beside the workdir; '': not kept

  # .<attribute> = names of its values, labels are their numbers; or () where labels are quantities
  config.attributes = ConfigDict()

  config.log_every_steps = 100
  config.trackers = ('tensorboard',)  # beside metrics.jsonl: tensorboard, wandb, mlflow
  config.sample_every_steps = 1000
  config.sample_count = 4  # test images of each domain in a sample grid
  config.checkpoint_every_steps = 1000
  config.checkpoints_to_keep = 3
  config.nonfinite_patience = 10  # steps in a row with NaN or infinite losses before the run stops

  config.evaluate_every_steps = 0  # while it trains; 0: never
  config.evaluation = ConfigDict()
  config.evaluation.protocol = 'nice_gan'  # see decoupled_gan.evaluation.metrics.protocols
  config.evaluation.metrics = ()  # (): mae and psnr where there is ground truth, else the protocol's
  config.evaluation.best_metric = ''  # whose best checkpoint is kept; '': the first one evaluated
  config.evaluation.images = 256  # generated of each task while it trains
  config.evaluation.attack_steps = 20  # of the adversary of a classifier that is trained against one
  config.evaluation.own = ''  # the workdir of a classifier, which is then the feature network `own`

  config.data = ConfigDict()
  config.data.source = ''  # see decoupled_gan.data.SOURCES
  config.data.path = ''
  config.data.a = ''
  config.data.b = ''
  config.data.direction = 'a_to_b'  # or b_to_a: the domains (of pairs: input and target) exchanged
  config.data.augment = True
  config.data.range = ()  # (low, high): the values of files that become 0 and 255; (): all that fit
  config.data.stretch = False  # each image's values to 0..255 first, as scipy's imresize did
  config.data.fit = 'resize'  # whatever the aspect; or crop (windows at the images' own scale), or pad
  config.data.center_crop = False  # to the aspect of image_size before all else
  config.data.interpolation = 'bilinear'  # or bicubic: how images are resized
  config.data.mirror = False  # train on left-right mirrored images as well: twice as many
  config.data.index = False  # batches say which examples they are of
  config.data.labels_per_class = 0  # known in training, others become -1; 0: all are known
  config.data.labelled_repeats = 1  # how often a labelled example comes for each time that others do
  config.data.limit = 0  # train on the first so many examples only; 0: all
  config.data.class_counts = ()  # train on so many examples of each class of the one attribute; (): all
  config.data.normal = ''  # train on these classes of the one attribute (3,5) only, test on all; '': all
  config.data.held_out = 0  # the last so many classes of the one attribute are for testing only
  config.data.episode = ConfigDict()  # batches are episodes of the one attribute, see data/episodes.py
  config.data.episode.ways = 0  # classes; 0: ordinary batches
  config.data.episode.shots = 5  # examples of each class that its prototype is made of
  config.data.episode.queries = 15  # and that are told by the prototypes
  config.data.clusters = 0  # labels are the numbers of so many clusters, which an event finds; 0: none
  config.data.clusters_from = 25_000  # by so many training examples
  config.data.features = ''  # 'pixels' or an .npy file [N, F]: by which neighbours are found; '': nobody
  config.data.features_size = 0  # F, which training finds: the file is of no use afterwards
  config.data.neighbours = 50  # of each training example
  config.data.instances = 1000  # training examples that a trained generator is conditioned on
  config.data.num_threads = 8  # of decoding and augmentation
  config.data.tile_size = 64  # px, edge of a tile of the built-in terrain

  config.optimizer = ConfigDict()  # of every parameter group; see core/optim.py
  config.optimizer.name = 'adam'  # adam, adamw, rmsprop, momentum or sgd
  config.optimizer.learning_rate = 1e-4
  config.optimizer.b1 = 0.5  # momentum, too
  config.optimizer.b2 = 0.999  # rmsprop's decay, too
  config.optimizer.eps = 1e-8
  config.optimizer.weight_decay = 0.0  # adam: coupled (L2 in the gradient, as torch's); adamw: not
  config.optimizer.lazy_correction = False  # rate and betas corrected for what lazy phases add
  config.optimizer.clean_gradients = False  # NaN becomes 0, infinity 1e5, before the optimizer
  config.optimizer.clip_gradient = 0.0  # the group's gradient is cut to this norm; 0: not
  config.optimizer.clip_gradient_each = 0.0  # the gradient of each array is
  config.optimizer.historical = 0.0  # weight of |p - mean of p so far|^2, the mean a constant
  # linear decay to 0 from there to decay_end_step; -1: none
  config.optimizer.decay_start_step = config_dict.FieldReference(-1)
  config.optimizer.decay_end_step = config_dict.FieldReference(-1)  # -1: num_steps
  config.optimizer.decay_every_steps = config_dict.FieldReference(1)  # it changes so often: an epoch
  config.optimizer.clip_weights = 0.0  # parameters stay within -+ this after the update; 0: anywhere
  config.optimizer.range = ()  # (low, high) that parameters are kept in
  config.optimizer.unit_norm = False  # vectors along the last axis keep length 1
  config.optimizer.unit_ball = False  # they keep at most length 1
  config.optimizer.positive_definite = False  # symmetric matrices stay covariances
  config.optimizer.rows = ()  # the only rows (of the first axis) that move; (): all
  config.optimizer.sparse_rows = False  # rows whose gradient is exactly 0 stay, and their moments
  config.optimizer_of = ConfigDict()  # .<group>: what differs for one group

  config.augment = ConfigDict()  # what a discriminator sees of examples, see decoupled_gan/augment
  config.augment.pipeline = ''  # ada, diffaugment or diffusion; several with commas; '': as they are
  config.augment.pseudo = False  # fakes stand in for real examples with probability p: APA
  config.augment.p = 0.0  # strength of ada, diffusion and pseudo, at first
  config.augment.target = 0.6  # of the mean sign of D on reals, which moves p; 0: p stays
  config.augment.interval = 4  # steps from one move of p to the next
  config.augment.kimg = 500.0  # thousands of images in which p can go from 0 to 1
  config.augment.groups = 'bgc'  # of ada's transforms
  config.augment.policy = ('color', 'translation', 'cutout')  # of diffaugment
  config.augment.t_min = 10  # of diffusion: steps of the chain at p = 0
  config.augment.t_max = 1000  # and at p = 1
  config.augment.noise = 0.05  # sigma
  config.augment.times = 'priority'  # or uniform
  config.augment.tell_time = True  # the discriminator is told how many steps

  config.model = ConfigDict()
  config.losses = ConfigDict()  # constants of losses, where a method has some to choose
  config.losses.classify = 'cross_entropy'  # what classifiers minimise, see losses/classification
  config.parts = ConfigDict()  # .<group> = pattern of parameters that are a group, see core/parts.py
  config.routes = ConfigDict()  # .<phase>.<loss>.<group> = weight
  config.play = ()  # order of phases where it is not the method's own
  config.every = ConfigDict()  # .<phase> = n: played at every n-th step
  config.window = ConfigDict()  # .<phase> = (first step, step after the last; 0: no end)
  config.round_steps = 0  # windows begin anew after so many steps; 0: never
  config.lazy = ConfigDict()  # .<phase>.<loss> = n: the row counts at every n-th step only
  config.anneal = ConfigDict()  # what changes with the step, see below
  config.copies = ConfigDict()  # .<name> = {of, halflife_kimg, rampup}: averages, see core/state.py
  config.events = ConfigDict()  # .<event> = n: before every n-th step; 0: never
  config.start = ConfigDict()  # networks of another run to begin with
  config.start.workdir = ''
  config.start.checkpoint = ''  # a step or 'best'; '': the latest
  config.start.groups = ()  # which; (): all that both have
  config.frozen = ()  # groups that nothing is meant to train

  # config.anneal.routes.<phase>.<loss> = (end factor, steps, 'cosine' or 'linear')
  # config.anneal.optimizer.<learning_rate or b2> = (end, steps, shape); .optimizer_of.<group>. too
  # config.anneal.copies.<name> = (end of halflife_kimg, steps, shape)
  return config


ADDED = {
  'nice': {'spectral_updates': 'forward'},
  'cyclegan': {'downs': 2, 'bottleneck': 0, 'residual': False},
  'gan': {
    'spectral_updates': 'forward', 'norm_momentum': 0.9, 'width_discriminator': 0, 'hidden': 'input',
    'pool': 'sum', 'gain': 2**0.5, 'head_bias': False, 'attention_size': 0, 'widths': (64, 64),
    'groups': (8, 8), 'blocks': (1, 1), 'float32_upto': 4, 'activation': 'relu', 'frequencies': 0,
    'scene': 'plain', 'conditional': True, 'fakes_per_real': 1, 'classes': 'ac', 'classes_of': 'labels',
    'embed_size': 0, 'label_waves': 0, 'noise': (0.6, 0.5),
  },
}  # fmt: skip
"""Fields of a method's `config.model` that came later, with what runs did before there was a choice."""


def complete(found: ConfigDict) -> ConfigDict:
  """A run's saved config with the defaults of what it lacks, and old spellings brought up to date.

  Raises UserError where a field is of another kind than its default: somebody wrote it by hand.
  """
  _check_kinds(get_config().copy_and_resolve_references(), found)
  config = get_config().copy_and_resolve_references()
  with config.unlocked(), config.ignore_type():
    _lay_over(config, _renamed(found))
    for name, value in ADDED.get(config.method, {}).items():
      if name not in config.model:
        config.model[name] = value
  return config


def lacking(error: Exception) -> UserError | None:
  """What an error says in a sentence, if it comes from a config without a field that is asked for."""
  frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
  asked = next((f for f in reversed(frames) if isinstance(f.f_locals.get('self'), ConfigDict)), None)
  if not isinstance(error, AttributeError | KeyError) or asked is None:
    return None
  part = asked.f_locals['self']
  name = str(error.args[0].args[0] if isinstance(error.args[0], Exception) else error.args[0])
  field = name.splitlines()[0].strip("'")
  seen = [x for f in frames for x in f.f_locals.values() if isinstance(x, ConfigDict)]
  wholes = [x for x in seen if 'method' in x]
  path = next((p for whole in wholes for p in _places(whole, part)), '')
  return UserError(
    f'config.json (or the recipe) lacks {path}{field}: the run is of an older version, which says '
    'nothing of it. Write the field into the file, with what the run was trained with.'
  )


def _places(config: ConfigDict, part: ConfigDict, prefix: str = ''):
  """'model.' where `part` is `config.model`."""
  if config is part:
    yield prefix
  for name in config:
    if isinstance(value := config[name], ConfigDict):
      yield from _places(value, part, f'{prefix}{name}.')


def _check_kinds(known: ConfigDict, found: ConfigDict, prefix: str = ''):
  for name, default in known.items():
    if name not in found or name == 'image_size':
      continue
    value = found[name]
    if isinstance(default, ConfigDict) and isinstance(value, ConfigDict):
      _check_kinds(default, value, f'{prefix}{name}.')
      continue
    kinds = {float: (int, float), tuple: (list, tuple), ConfigDict: ConfigDict}
    wanted = kinds.get(type(default), type(default))
    if not isinstance(value, wanted) or (isinstance(value, bool) and type(default) is not bool):
      raise UserError(
        f'config.json has {prefix}{name}={str(value)[:60]!r}, which is no '
        f'{"group of fields" if wanted is ConfigDict else type(default).__name__}: mend it there.'
      )


def _lay_over(config: ConfigDict, found: ConfigDict):
  for name, value in found.items():
    known = config.get(name)
    if isinstance(value, ConfigDict) and isinstance(known, ConfigDict):
      _lay_over(known, value)
    else:
      config[name] = _tuples(value)


def _tuples(value):
  """JSON has lists where the config has tuples."""
  if isinstance(value, ConfigDict):
    return ConfigDict({name: _tuples(x) for name, x in value.items()})
  return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _renamed(found: ConfigDict) -> ConfigDict:
  """`found` in today's words."""
  found = found.copy_and_resolve_references()
  with found.unlocked():
    if 'ema_halflife_kimg' in found:  # until 0.1: averages were no copies
      rampup = found.get('ema_rampup', 0.0)
      ramped = {'rampup': rampup} if rampup else {}
      found.copies = ConfigDict(
        {group: {'halflife_kimg': x} | ramped for group, x in found.ema_halflife_kimg.items()}
      )
      del found.ema_halflife_kimg
      if 'ema_rampup' in found:
        del found.ema_rampup
    if 'identity' in found.get('model', {}):  # until 0.1: a flag beside the row
      del found.model.identity
    model, refine = found.get('model'), found.get('routes', ConfigDict()).get('refine', {})
    if found.get('method', '').startswith('edgan') and model is not None and 'residual' not in model:
      model.residual = 'adversarial' in refine  # until 0.1: guessed from the table
  return found
