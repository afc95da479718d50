"""The command line: flags to a mode's function, mistakes to one sentence and exit code 2."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from decoupled_gan.errors import RunError, UserError, listing
from decoupled_gan.machine import paths
from decoupled_gan.run.workdir import Workdir

MODES: dict[str, Callable] = {}
"""Mode -> function of nothing, which reads FLAGS. Each imports what it needs when it is called."""

FLAGS = flags.FLAGS
_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'The recipe, configs/<name>.py[:variant]; any field by --config.<field>=value.'
)
flags.DEFINE_string(
  'mode',
  'train',
  'train, translate, generate, reconstruct, evaluate, nrds, routes, plan, import or export.',
)
flags.DEFINE_string(
  'workdir', '', "The run's folder, local or gs://...; runs/<config name> when left out."
)
flags.DEFINE_string(
  'input', '', 'translate: an image or a folder of images; generate: an image; import: a checkpoint.'
)
flags.DEFINE_string(
  'output',
  '',
  'translate: the folder for the results, names are kept; generate, export, plan (JSON): the file.',
)
flags.DEFINE_string('format', 'pytorch', 'export: the layout; pytorch is the official code\'s.')
flags.DEFINE_string('direction', 'a_to_b', 'translate: a_to_b or b_to_a.')
flags.DEFINE_string(
  'resize', 'square', "translate: 'square' (the size of training, as in the paper) or 'keep'."
)
flags.DEFINE_string('topology', 'local', "plan: 'local', or a slice of TPU chips such as v5e:2x4.")
flags.DEFINE_bool('fast', False, 'plan: compile with little effort; memory is then no real figure.')
flags.DEFINE_bool('largest_batch', False, 'plan: find the largest batch per chip that fits.')
flags.DEFINE_string(
  'checkpoint', '', "The checkpoint to use: its step, or 'best', or for evaluate 'all'; else the latest."
)
flags.DEFINE_string('metrics', '', 'evaluate: what to measure, e.g. kid_1k,fid,psnr; see the README.')
flags.DEFINE_string('protocol', '', "evaluate: whose numbers; the config's when left out.")
flags.DEFINE_string('real', '', 'evaluate, without a run, and nrds: the folder of real images.')
flags.DEFINE_string('fake', '', 'evaluate, without a run: the folder of generated images.')
flags.DEFINE_string('fakes', '', 'nrds: <name>=<folder>,<name>=<folder>,...')
flags.DEFINE_string('classifier', 'published', 'nrds: published (128 px), or small (64 px).')
flags.DEFINE_integer('epochs', 20, 'nrds: how many epochs the classifier is trained.')
flags.DEFINE_bool('balanced', True, 'nrds: each method gives as many images to an epoch.')
flags.DEFINE_string(
  'attributes', '', 'generate: <name>=<value>,... or one <name>, for a strip of all its values.'
)
flags.DEFINE_string('seeds', '0-15', 'generate: which, such as 0-15 or 0,5,9.')
flags.DEFINE_string('interpolate', '', 'generate: seeds to pass through, such as 0,5,9.')
flags.DEFINE_float('truncation', 1.0, 'generate: psi, 0 (the average image) to 1 (all there is).')
flags.DEFINE_string('noise', 'const', 'generate: per pixel: const, random or none.')
flags.DEFINE_string('coordinator', '', 'train, several processes: host:port of process 0.')
flags.DEFINE_integer('process_id', None, 'train, several processes: which this is, from 0.')
flags.DEFINE_integer('num_processes', None, 'train, several processes: how many there are.')
flags.DEFINE_integer(
  'stop_exit_code',
  0,
  'train: the exit code after a signal and saving; not 0 where a cluster starts again what failed.',
)


def mode(name: str = '') -> Callable:
  """Registers a mode, under the function's name if none is given."""

  def register(function):
    MODES[name or function.__name__] = function
    return function

  return register


@mode()
def train():
  from decoupled_gan.machine import compilation, distributed
  from decoupled_gan.modes import train

  workdir = _workdir()
  config = FLAGS.config if FLAGS.config is not None else workdir.load_config()
  distributed.start(FLAGS.coordinator, FLAGS.process_id, FLAGS.num_processes)
  compilation.keep(config, workdir)
  with distributed.telling_losses():
    done = train.train(config, workdir)
  if not done:
    sys.exit(FLAGS.stop_exit_code)


@mode()
def translate():
  from decoupled_gan.modes import translate

  translate.translate(
    _workdir(), FLAGS.input, FLAGS.output, FLAGS.direction, FLAGS.resize, _checkpoint()
  )


@mode()
def nrds():
  from decoupled_gan.modes import nrds

  nrds.measure(
    FLAGS.real, FLAGS.fakes, FLAGS.workdir, FLAGS.classifier, FLAGS.epochs, FLAGS.balanced
  )


@mode()
def routes():
  from decoupled_gan.modes import routes

  workdir = _workdir()
  config = FLAGS.config if FLAGS.config is not None else workdir.load_config()
  routes.audit(config, workdir, _checkpoint())


@mode()
def plan():
  from decoupled_gan.modes import plan

  config = FLAGS.config if FLAGS.config is not None else _workdir().load_config()
  plan.plan(config, FLAGS.topology, FLAGS.fast, FLAGS.largest_batch, FLAGS.output)


@mode()
def evaluate():
  from decoupled_gan.modes import evaluate

  if not FLAGS.real and not FLAGS.fake:
    evaluate.evaluate_run(_workdir(), _checkpoint('best', 'all'), FLAGS.metrics, FLAGS.protocol)
    return
  if not FLAGS.real or not FLAGS.fake:
    raise UserError('--real=<folder> and --fake=<folder> come together: one is scored by the other.')
  output = paths.get(FLAGS.output or 'evaluations.jsonl')
  evaluate.evaluate_folders(FLAGS.real, FLAGS.fake, FLAGS.metrics, FLAGS.protocol, output)


@mode()
def generate():
  """What a method can make depends on what its module offers, see methods/__init__.py."""
  from decoupled_gan import methods
  from decoupled_gan.modes import draw, edit

  workdir = _workdir()
  name = workdir.load_config().method
  method = methods.get(name)
  if hasattr(method, 'edit'):
    edit.edit(workdir, FLAGS.input, FLAGS.attributes, FLAGS.output, _checkpoint())
  elif hasattr(method, 'draw'):
    what = FLAGS.seeds, FLAGS.interpolate, FLAGS.truncation, FLAGS.noise
    draw.draw(workdir, FLAGS.output, *what, _checkpoint())
  else:
    raise UserError(
      f'--mode=generate: {name} neither edits images by attributes nor draws them from seeds; see '
      '--mode=translate.'
    )


@mode()
def reconstruct():
  from decoupled_gan.modes import reconstruct

  reconstruct.reconstruct(_workdir(), FLAGS.input, FLAGS.output, _checkpoint())


@mode('import')
def import_():
  from decoupled_gan.interop import nice_checkpoint, stylegan2_checkpoint

  reader = stylegan2_checkpoint if FLAGS.input.endswith('.npz') else nice_checkpoint
  reader.import_checkpoint(FLAGS.input, FLAGS.config, _workdir())


@mode()
def export():
  from decoupled_gan.interop import nice_checkpoint

  if FLAGS.format not in ('pytorch',):
    raise UserError(f'--format={FLAGS.format} is unknown; there is pytorch.')
  nice_checkpoint.export_checkpoint(_workdir(), FLAGS.output, _checkpoint())


def _checkpoint(*words: str) -> int | str | None:
  """--checkpoint as a step, as one of `words` ('best' if none are given), or None for the latest."""
  words = words or ('best',)
  if FLAGS.checkpoint in ('', *words):
    return FLAGS.checkpoint or None
  if not FLAGS.checkpoint.isdigit():
    raise UserError(
      f'--checkpoint={FLAGS.checkpoint} is unknown; there are {listing(("<step>", *words))}.'
    )
  return int(FLAGS.checkpoint)


def _workdir() -> Workdir:
  """--workdir, or runs/<config name>[-variant]."""
  if FLAGS.workdir:
    return Workdir(FLAGS.workdir)
  if FLAGS.config is None:
    raise UserError(
      f'--mode={FLAGS.mode} needs --workdir=<the run\'s folder> or --config=configs/<recipe>.py; '
      f'the recipes here are {listing(_recipes())}.'
    )
  name = FLAGS['config'].config_filename
  path, _, variant = name.partition(':')
  return Workdir(Path('runs') / '-'.join(filter(None, (Path(path).stem, variant))))


def _recipes() -> list[str]:
  return sorted(str(path) for path in Path('configs').glob('*.py'))


def _parse(argv: list[str]) -> list[str]:
  """absl's flag parsing, with the mistakes that it shows as tracebacks told in a sentence."""
  if '--mode=import' in argv and not any(a.startswith('--config=') for a in argv):
    arrays = any(a.startswith('--input=') and a.endswith('.npz') for a in argv)
    recipe = 'glead' if arrays else 'nice'
    argv = [argv[0], f'--config=configs/{recipe}.py', *argv[1:]]  # the official defaults
  try:
    _check_recipe(argv)
    rest = FLAGS(argv)
    if rest[1:]:
      raise UserError(f'{listing(rest[1:])}: there is nothing but flags; try --help.')
    if FLAGS.mode not in MODES:
      raise UserError(f'--mode={FLAGS.mode} is unknown; there are {listing(MODES)}.')
  except flags.Error as error:
    _fail(f'{error}')
  except UserError as error:
    _fail(str(error))
  except (AttributeError, KeyError) as error:
    _fail(f'The config has no such field: {_message(error)}')
  return rest


def _check_recipe(argv: list[str]):
  """Raises UserError if --config names a file that there is not (absl would tell it much later)."""
  for argument in argv:
    path, _, _ = argument.removeprefix('--config=').partition(':')
    if argument.startswith('--config=') and not Path(path).is_file():
      raise UserError(f'there is no recipe {path}; the recipes here are {listing(_recipes())}.')


def _message(error: Exception) -> str:
  """The text of an error that wraps another, on one line."""
  while error.args and isinstance(error.args[0], Exception):
    error = error.args[0]
  return ' '.join(str(error.args[0]).split())


def _fail(sentence: str, code: int = 2):
  print(f'error: {sentence}', file=sys.stderr, flush=True)
  if distributed := sys.modules.get('decoupled_gan.machine.distributed'):
    distributed.leave(code)
  sys.exit(code)


def _main(_):
  if FLAGS.verbosity <= 0:  # orbax tells the ordinary at WARNING, and again what we tell at ERROR
    absl_logging.set_verbosity(absl_logging.FATAL)
    logging.getLogger('decoupled_gan').setLevel(logging.INFO)
  try:
    MODES[FLAGS.mode]()
  except UserError as error:
    _fail(str(error))
  except RunError as error:
    _fail(str(error), 1)
  except KeyboardInterrupt:
    _fail('Interrupted.', 130)


def run():
  """The console script `decoupled-gan` and main.py: recipes are looked up from where one stands."""
  sys.path.insert(0, str(Path.cwd()))
  app.run(_main, flags_parser=_parse)
