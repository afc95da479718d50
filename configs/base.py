"""Fields that every run has, with their defaults. Recipes start from here and change what differs."""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.method = ''
  config.seed = 0
  config.image_size = 256  # px, square
  config.image_channels = 3  # 1 or 3
  config.batch_size = 1  # global: over all devices and hosts
  config.num_steps = config_dict.FieldReference(100_000)
  config.compute_dtype = 'float32'  # or bfloat16; parameters, statistics and losses stay float32

  config.compilation_cache = '.jax_cache'  # compiled programs, beside the workdir; '': not kept

  config.attributes = ConfigDict()  # .<attribute> = names of its values; labels are their numbers

  config.log_every_steps = 100
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

  config.data = ConfigDict()
  config.data.source = ''  # see decoupled_gan.data.SOURCES
  config.data.path = ''
  config.data.a = ''
  config.data.b = ''
  config.data.direction = 'a_to_b'  # of side-by-side pairs: which half is the input
  config.data.augment = True
  config.data.stretch = False  # each image's values to 0..255 first, as scipy's imresize did
  config.data.center_crop = False  # to a square before resizing, which otherwise ignores the aspect
  config.data.mirror = False  # train on left-right mirrored images as well: twice as many
  config.data.num_threads = 8  # of decoding and augmentation
  config.data.tile_size = 64  # px, edge of a tile of the built-in terrain

  config.optimizer = ConfigDict()  # of every parameter group
  config.optimizer.name = 'adam'
  config.optimizer.learning_rate = 1e-4
  config.optimizer.b1 = 0.5
  config.optimizer.b2 = 0.999
  config.optimizer.eps = 1e-8
  config.optimizer.weight_decay = 0.0  # coupled (L2 in the gradient, as torch's Adam has it)
  config.optimizer.lazy_correction = False  # rate and betas corrected for what lazy phases add
  config.optimizer.clean_gradients = False  # NaN becomes 0, infinity 1e5, before the optimizer
  # optimizer.decay_start_step, where a recipe sets it: linear decay to 0 from there to num_steps
  config.optimizer_of = ConfigDict()  # .<group>: what differs for one group

  config.model = ConfigDict()
  config.routes = ConfigDict()  # .<phase>.<loss>.<group> = weight
  config.play = ()  # order of phases where it is not the method's own
  config.every = ConfigDict()  # .<phase> = n: played at every n-th step
  config.ema_halflife_kimg = ConfigDict()  # .<group>: groups to average, by half-life
  config.ema_rampup = 0.0  # half-lives are at most this share of the steps done; 0: no limit
  config.frozen = ()  # groups that nothing is meant to train
  return config
