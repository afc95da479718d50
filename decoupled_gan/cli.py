"""The one table of modes and their flags; mistakes end in one sentence and exit code 2."""

import functools
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from decoupled_gan import defaults, guide, recipe_files
from decoupled_gan.command_line import Mode, fail, parse
from decoupled_gan.errors import RunError, UserError, listing, of_environment
from decoupled_gan.machine import paths, streams
from decoupled_gan.run.workdir import Workdir

MODES: dict[str, Mode] = {}
DTYPES = ('float32', 'bfloat16')
EDITS = 'input', 'attributes', 'difference'
SIZED = ('size', 'start_scale')

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file('config', None, 'the recipe')
flags.DEFINE_string('mode', 'train', 'what to do; or as the first word')
flags.DEFINE_string('workdir', '', "the run's folder, local or gs://...; runs/<recipe> when left out")
flags.DEFINE_string('input', '', 'an image or a film, a folder or a zip of images; import: a checkpoint')
flags.DEFINE_string(
  'mask', '', 'an image, or a folder of one for each: white where the hole is, or what is translated'
)
flags.DEFINE_string(
  'output_depth', 'auto', 'bits a channel: 8, 16 (png and tif), or auto, 16 of inputs with more than 8'
)
flags.DEFINE_string('alpha', 'white', 'what was transparent: white, or keep, as transparent as it was')
flags.DEFINE_string('output', '', 'where the results go')
flags.DEFINE_string(
  'format',
  '',
  "png, jpg, ... (the inputs' own when left out); export: safetensors, stablehlo, onnx, tflite, pytorch "
  "(the official code's), run or web (a page); the output's ending says which when left out",
)
flags.DEFINE_string('dtype', 'float32', 'what networks compute in: float32 or bfloat16')
flags.DEFINE_integer('member', 0, 'which of a run of several seeds, from 0')
flags.DEFINE_string('ability', '', 'translate, edit, draw or reconstruct; the first when left out')
flags.DEFINE_string('quantize', '', 'of .tflite: float16 or int8, smaller files and coarser images')
flags.DEFINE_bool('difference', False, 'an edit adds what the labels change, and leaves the rest alone')
flags.DEFINE_bool('slim', False, 'of .safetensors: without networks that only training needs')
flags.DEFINE_string('ort', '', "a page's runtime: the folder that launch/web_runtime.sh fetches")
flags.DEFINE_string('direction', 'a_to_b', 'a_to_b or b_to_a')
flags.DEFINE_string(
  'resize', '', "square (the size of training) or keep (the image's own, as after data.fit=crop)"
)
flags.DEFINE_bool('split', False, 'all devices share each image, by its height: for very large ones')
flags.DEFINE_string('codec', '', 'of a film: libx264, libx265, libvpx-vp9 or ffv1; by its ending')
flags.DEFINE_bool('compare', False, 'the film that was given stands on the left')
flags.DEFINE_string('topology', 'local', 'local, or a slice of TPU chips such as v5e:2x4')
flags.DEFINE_bool('fast', False, 'compile with little effort; memory is then no real figure')
flags.DEFINE_bool('largest_batch', False, 'find the largest batch per chip that fits')
flags.DEFINE_string('checkpoint', '', "a step, or 'best' (evaluate: or 'all'); the latest when left out")
flags.DEFINE_string('metrics', '', "what to measure, e.g. kid_1k,fid,psnr; the config's when left out")
flags.DEFINE_string('protocol', '', "whose numbers; the config's when left out")
flags.DEFINE_string('own', '', "a classifier's folder: the network `own`; the config's when left out")
flags.DEFINE_string('real', '', 'a folder of real images')
flags.DEFINE_string('fake', '', 'a folder of generated images, to be scored without a run')
flags.DEFINE_string('fakes', '', '<name>=<folder>,<name>=<folder>,...')
flags.DEFINE_string('classifier', 'published', 'published (128 px) or small (64 px)')
flags.DEFINE_integer('epochs', 20, 'how many epochs the classifier is trained')
flags.DEFINE_bool('balanced', True, 'each method gives as many images to an epoch')
flags.DEFINE_string('study', '', 'a study file, by its name or path; as it was planned when left out')
flags.DEFINE_integer('workers', 1, 'how many runs are trained at a time')
flags.DEFINE_bool('report', False, 'only tell what there is, and train nothing')
flags.DEFINE_string('attributes', '', '<name>=<value>,... or one <name>, for a strip of all its values')
flags.DEFINE_string('seeds', '0-15', 'which, such as 0-15 or 0,5,9')
flags.DEFINE_string('interpolate', '', 'seeds to pass through, such as 0,5,9')
flags.DEFINE_float('truncation', 1.0, 'psi, 0 (the average image) to 1 (all there is)')
flags.DEFINE_string('size', '', 'of what is drawn, HxW in pixels, where a method draws any')
flags.DEFINE_integer('start_scale', 0, 'of a pyramid: the coarser scales are as they were in training')
flags.DEFINE_string('noise', 'const', 'per pixel: const, random or none')
flags.DEFINE_string('distance', '', 'lpips or mse; lpips where images are large enough')
flags.DEFINE_string(
  'degrade', '', 'what is seen of images: downsample:4, pool:4, grey or mask:<picture>; all if left out'
)
flags.DEFINE_string('layer', '', "a stage of the generator: whose features are found; '': its latents")
flags.DEFINE_integer('codes', 1, 'how many latents share the features of the layer')
flags.DEFINE_integer('steps', 0, "of the search or the sampler; the paper's when left out")
flags.DEFINE_integer('images', 50, 'how many of training and as many held out')
flags.DEFINE_string(
  'sampler', '', 'how: truncation, rejection, mh, langevin, collaborative or s2m; as it is when left out'
)
flags.DEFINE_string('calibration', '', "of D's outputs: logistic, isotonic or none; the sampler's own")
flags.DEFINE_float('percentile', 80.0, "rejection's gamma; below 0: none, exact and slow")
flags.DEFINE_float('rate', 0.0, "of langevin and collaborative; the paper's when left out")
flags.DEFINE_bool('corrected', False, 'langevin: steps are accepted or not, and the law is exact')
flags.DEFINE_integer('shape_steps', 0, 'samplers: so many steps D (s2m: its classifiers) first learns')
flags.DEFINE_string('classes', '', 's2m: the classes that samples are of, all of them, such as A,B')
flags.DEFINE_string('without', '', 's2m: the classes that they are not of')
flags.DEFINE_string('gammas', '', 's2m: weights of all classes, P(of the class) / share of its label; 1')
flags.DEFINE_string('temperatures', '', 's2m: what logits of D_r and log odds of D_v are divided by')
flags.DEFINE_string('host', '127.0.0.1', 'where a page is served; 0.0.0.0 lets the whole network in')
flags.DEFINE_integer('port', 7860, 'where a page is served')
flags.DEFINE_bool('self_contained', False, 'the pictures inside the page')
flags.DEFINE_string('hub', '', '<owner>/<name> of a hub; pull: with @<revision> if it is to be that one')
flags.DEFINE_string('data_licence', '', 'what the data allow, in your words; it stands in the card')
flags.DEFINE_string('licence', '', 'of the weights, as the hub calls it: mit, cc-by-4.0, ...')
flags.DEFINE_bool('private', False, 'a repository that is made now is seen by its owner only')
flags.DEFINE_bool('dry_run', False, 'only write what would be published')
flags.DEFINE_string('coordinator', '', 'several processes: host:port of process 0')
flags.DEFINE_integer('process_id', None, 'several processes: which this is, from 0')
flags.DEFINE_integer('num_processes', None, 'several processes: how many there are')
flags.DEFINE_integer(
  'stop_exit_code', 0, 'the code after a signal and saving; not 0 where a cluster restarts failures'
)


def mode(name: str, title: str, *, reads: str = '', config: str = '', example: str) -> Callable:
  """Registers a mode; `reads` names its flags."""

  def register(function):
    MODES[name] = Mode(function, title, tuple(reads.split()), config, example)
    return function

  return register


@mode(
  'train',
  'trains a run, or goes on with one',
  reads='workdir coordinator process_id num_processes stop_exit_code',
  config='recipe',
  example='train --config=nice:cat2dog --config.data.path=data/cat2dog --workdir=runs/cat2dog',
)
def train():
  from decoupled_gan.machine import compilation, distributed
  from decoupled_gan.modes import train

  workdir = _workdir()
  distributed.start(FLAGS.coordinator, FLAGS.process_id, FLAGS.num_processes)
  compilation.keep(FLAGS.config.compilation_cache, workdir.path)
  with distributed.telling_losses():
    done = train.train(FLAGS.config, workdir)
  if not done:
    sys.exit(FLAGS.stop_exit_code)


@mode(
  'translate',
  'images or a film of one domain into the other, by a trained run',
  reads='workdir input output format direction resize split mask alpha output_depth codec compare '
  'checkpoint dtype',
  example='translate --workdir=runs/quickstart --input=photos --output=out',
)
def translate():
  from decoupled_gan.data import video
  from decoupled_gan.modes import translate
  from decoupled_gan.modes.translate import film, kept

  what = FLAGS.input, FLAGS.output, FLAGS.direction, FLAGS.resize
  if video.is_video(FLAGS.input):
    _refuse('a film goes by the ending of --output', 'format')
    _refuse('a film is opaque, of 8 bits, and translated whole', 'mask', 'alpha', 'output_depth')
    how = FLAGS.codec, FLAGS.compare, _dtype(), FLAGS.split
    film.translate_film(_workdir(), *what, _checkpoint(), *how)
  else:
    _refuse('--input is no film', 'codec', 'compare')
    asked = kept.Asked(FLAGS.output_depth, FLAGS.alpha, FLAGS.mask)
    how = FLAGS.format, _dtype(), FLAGS.split, asked
    translate.translate(_workdir(), *what, _checkpoint(), *how)


@mode(
  'generate',
  'draws images from seeds, or edits one by its attributes: as the run can',
  reads='workdir input output attributes difference seeds interpolate truncation noise checkpoint dtype '
  'sampler calibration percentile rate corrected layer steps shape_steps classes without gammas '
  'temperatures size start_scale',
  config='run',
  example='generate --workdir=runs/tiles --seeds=0-15',
)
def generate():
  from decoupled_gan import methods
  from decoupled_gan.modes.generate import draw, edit, sample

  workdir = _workdir()
  method = workdir.load_config().method
  if FLAGS.sampler:
    _refuse('a sampler draws from seeds', *EDITS, 'interpolate', 'noise', 'dtype', *SIZED)
    unread = set(sample.FLAGS_OF) - set(sample.flags_of(FLAGS.sampler))
    _refuse(f'this is the sampler {FLAGS.sampler}', *sorted(unread))
    asked = sample.Asked(FLAGS.sampler, **{name: FLAGS[name].value for name in sample.FLAGS_OF})
    sample.sample(workdir, FLAGS.output, FLAGS.seeds, asked, _checkpoint(), FLAGS.config)
    return
  _refuse_fields('without --sampler no data are read')
  _refuse('without --sampler examples are drawn as they are', *sample.FLAGS_OF[1:])
  if methods.get(method).edit:
    _refuse(f'a run of {method} edits an image', 'seeds', 'interpolate', 'truncation', 'noise', *SIZED)
    what = FLAGS.input, FLAGS.attributes, FLAGS.output
    edit.edit(workdir, *what, _checkpoint(), _dtype(), FLAGS.difference)
  else:
    _refuse(f'a run of {method} draws from seeds', *EDITS)
    if FLAGS.interpolate:
      _refuse('--interpolate names the seeds', 'seeds')
    what = FLAGS.seeds, FLAGS.interpolate, FLAGS.truncation, FLAGS.noise
    size = FLAGS.size, FLAGS.start_scale
    draw.draw(workdir, FLAGS.output, *what, _checkpoint(), _dtype(), *size)


@mode(
  'reconstruct',
  'images beside what a run gives back of them',
  reads='workdir input output format checkpoint dtype',
  example='reconstruct --workdir=runs/tiles --input=photos --output=out',
)
def reconstruct():
  from decoupled_gan.modes import reconstruct

  what = FLAGS.input, FLAGS.output, _checkpoint(), FLAGS.format
  reconstruct.reconstruct(_workdir(), *what, _dtype())


@mode(
  'inpaint',
  'holes of images filled by a trained run',
  reads='workdir input mask output format checkpoint dtype',
  example='inpaint --workdir=runs/inpaint --input=photo.jpg --mask=hole.png --output=whole.png',
)
def inpaint():
  from decoupled_gan.modes import inpaint

  what = FLAGS.input, FLAGS.mask, FLAGS.output, _checkpoint(), FLAGS.format
  inpaint.inpaint(_workdir(), *what, _dtype())


@mode(
  'project',
  'finds the latents by which a run draws given images, whole or seen in part',
  reads='workdir input output format distance degrade layer codes steps attributes checkpoint',
  example='project --workdir=runs/tiles --input=photo.png --output=out',
)
def project():
  from decoupled_gan.modes import project

  asked = project.Asked(
    FLAGS.distance, FLAGS.degrade, FLAGS.layer, FLAGS.codes, FLAGS.steps, FLAGS.attributes
  )
  project.project(_workdir(), FLAGS.input, FLAGS.output, asked, _checkpoint(), FLAGS.format)


@mode(
  'recover',
  'whether a generator remembers its training images: by recovering those and held-out ones',
  reads='workdir images degrade steps attributes checkpoint',
  config='run',
  example='recover --workdir=runs/digits --images=50',
)
def recover():
  from decoupled_gan.modes import recover

  what = FLAGS.images, FLAGS.degrade, FLAGS.steps, FLAGS.attributes
  recover.recover(_workdir(), *what, _checkpoint(), FLAGS.config)


@mode(
  'evaluate',
  'numbers for the checkpoints of a run, or for two folders',
  reads='workdir checkpoint metrics protocol own real fake output dtype',
  config='run',
  example='evaluate --workdir=runs/quickstart --checkpoint=all',
)
def evaluate():
  from decoupled_gan.modes import evaluate

  if not FLAGS.real and not FLAGS.fake:
    if FLAGS.output:
      raise UserError('--output goes with --real and --fake; a run keeps its numbers in its workdir.')
    workdir, what = _workdir(), (_checkpoint('best', 'all'), FLAGS.metrics, FLAGS.protocol)
    evaluate.evaluate_run(workdir, *what, config=FLAGS.config, own=FLAGS.own, dtype=_dtype())
    return
  if not FLAGS.real or not FLAGS.fake:
    raise UserError('--real=<folder> and --fake=<folder> come together: one is scored by the other.')
  if FLAGS.output and FLAGS.workdir:
    raise UserError('--output and --workdir both say where the numbers of two folders go: name one.')
  _refuse('two folders are scored without a run', 'checkpoint', 'dtype')
  folder = Workdir(FLAGS.workdir).path if FLAGS.workdir else paths.get('.')
  where = paths.get(FLAGS.output or folder / 'evaluations.jsonl')
  what = FLAGS.metrics, FLAGS.protocol, where, FLAGS.own
  evaluate.evaluate_folders(FLAGS.real, FLAGS.fake, *what)


@mode(
  'nrds',
  'folders of generated images compared by NRDS',
  reads='real fakes workdir classifier epochs balanced',
  example='nrds --real=photos --fakes=ours=DIR1,theirs=DIR2 --workdir=runs/nrds',
)
def nrds():
  from decoupled_gan.modes import nrds

  what = FLAGS.classifier, FLAGS.epochs, FLAGS.balanced
  nrds.measure(FLAGS.real, FLAGS.fakes, FLAGS.workdir, *what)


@mode(
  'study',
  'trains and compares many runs, by a plan',
  reads='study workdir workers report',
  example='study --study=losses --workdir=studies/losses',
)
def study():
  from decoupled_gan.modes import study

  if FLAGS.workers < 1:
    raise UserError(f'--workers={FLAGS.workers} must be at least 1.')
  planned = recipe_files.load_study(FLAGS.study) if FLAGS.study else None
  if not FLAGS.workdir:
    raise UserError('study needs --workdir=<the folder of all its runs>: --workdir=studies/losses.')
  study.study(FLAGS.workdir, planned, recipe_files.load, FLAGS.workers, FLAGS.report)


@mode(
  'routes',
  'the routing table, declared beside measured gradients and one step',
  reads='workdir checkpoint',
  config='recipe',
  example='routes --config=quickstart',
)
def routes():
  from decoupled_gan.modes import routes

  routes.audit(FLAGS.config, _workdir(), _checkpoint())


@mode(
  'plan',
  'what a run needs of its chips, from the compiler',
  reads='workdir topology fast largest_batch output',
  config='recipe',
  example='plan --config=selfie2anime --topology=v5e:2x4',
)
def plan():
  from decoupled_gan.modes import plan

  plan.plan(FLAGS.config, FLAGS.topology, FLAGS.fast, FLAGS.largest_batch, FLAGS.output)


@mode(
  'import',
  'official checkpoints as runs',
  reads='workdir input',
  config='recipe',
  example='import --input=cat2dog_params_latest.pt --workdir=runs/official',
)
def import_():
  from decoupled_gan.interop import nice_checkpoint, stylegan2_checkpoint, translators

  if FLAGS.input.endswith('.npz'):
    reader = stylegan2_checkpoint
  else:
    reader = translators if FLAGS.config.method in translators.FORMATS else nice_checkpoint
  reader.import_checkpoint(FLAGS.input, FLAGS.config, _workdir())


@mode(
  'export',
  'a run for other programs: safetensors, StableHLO, ONNX, TFLite, a page, official checkpoints',
  reads='workdir output format ability direction truncation quantize slim ort member checkpoint',
  example='export --workdir=runs/photos --output=dog.onnx --direction=a_to_b',
)
def export():
  from decoupled_gan.modes import export

  layout, what = export.layout_of(FLAGS.output, FLAGS.format), {}
  if layout in (*export.FILES, 'web'):
    _refuse(f'--format={layout} takes a run of one seed', 'member')
    names = 'ability', 'direction', 'truncation', 'quantize', 'slim', 'ort'
    what = {name: FLAGS[name].value for name in names if FLAGS[name].present}
  else:
    _refuse(f'--format={layout} writes all networks', 'ability', 'direction', 'truncation')
  if layout != 'tflite':
    _refuse(f'--format={layout} is no .tflite', 'quantize')
  if layout != 'safetensors':
    _refuse(f'--format={layout} is no .safetensors', 'slim')
  if layout != 'web':
    _refuse(f'--format={layout} is no page', 'ort')
  export.export(_workdir(), FLAGS.output, layout, FLAGS.member, _checkpoint(), **what)


@mode(
  'report',
  'a page of a run, or of several beside each other',
  reads='workdir output self_contained',
  example='report --workdir=runs/a,runs/b --output=compare.html',
)
def report():
  from decoupled_gan.modes import report

  report.report(FLAGS.workdir, FLAGS.output, FLAGS.self_contained)


@mode(
  'demo',
  'a page on this machine where a run is tried',
  reads='workdir host port checkpoint dtype',
  example='demo --workdir=runs/photos --port=7860',
)
def demo():
  from decoupled_gan import demo, model

  demo.check_port(FLAGS.host, FLAGS.port)
  demo.serve(model.load(_workdir().path, _checkpoint(), _dtype()), FLAGS.host, FLAGS.port)


@mode(
  'push',
  'publishes a run on a hub, with a card of its numbers',
  reads='workdir hub data_licence licence private slim dry_run checkpoint',
  example="push --workdir=runs/photos --hub=me/photos --data_licence='my own photos' --dry_run",
)
def push():
  from decoupled_gan import hub, model

  hub.check_push(FLAGS.hub, hub.Licences(FLAGS.data_licence, FLAGS.licence), FLAGS.dry_run)
  how = FLAGS.data_licence, FLAGS.licence, FLAGS.private, FLAGS.dry_run, FLAGS.slim
  print(model.load(_workdir().path, _checkpoint()).push(FLAGS.hub, *how))


@mode(
  'pull',
  'a published run as a workdir, for use',
  reads='workdir hub',
  example='pull --hub=somebody/photos --workdir=runs/theirs',
)
def pull():
  from decoupled_gan import hub

  hub.pull(FLAGS.hub, _workdir())


@mode('recipes', 'lists what can be trained', example='recipes')
def list_recipes():
  print(guide.recipe_list())


def _checkpoint(*words: str) -> int | str | None:
  """--checkpoint as a step, as one of `words` ('best' if none are given), or None for the latest."""
  words = words or ('best',)
  if FLAGS.checkpoint in ('', *words):
    return FLAGS.checkpoint or None
  if not FLAGS.checkpoint.isdecimal() or len(FLAGS.checkpoint) > 18:
    raise UserError(
      f'--checkpoint={FLAGS.checkpoint} is unknown; there are {listing(("<step>", *words))}.'
    )
  return int(FLAGS.checkpoint)


def _refuse(why: str, *names: str):
  """Raises UserError for flags that a mode reads, but not here."""
  given = [f'--{name}' for name in names if FLAGS[name].present]
  if given:
    raise UserError(f'{listing(given)}: {why}, which does not read that; leave it out.')


def _refuse_fields(why: str):
  """Raises UserError for fields of the config that a mode reads, but not here."""
  if given := [word for word in sys.argv if word.startswith('--config.')]:
    raise UserError(f"{listing(given)}: {why}, and the run's own config is taken; leave it out.")


def _dtype() -> str:
  if FLAGS.dtype not in DTYPES:
    raise UserError(f'--dtype={FLAGS.dtype} is unknown; there are {listing(DTYPES)}.')
  return FLAGS.dtype


def _workdir() -> Workdir:
  """--workdir, or runs/<recipe>[-words]."""
  if FLAGS.workdir:
    return Workdir(FLAGS.workdir)
  path, _, words = FLAGS['config'].config_filename.partition(':')
  return Workdir(Path('runs') / '-'.join(filter(None, (Path(path).stem, words))))


def _main(_):
  if FLAGS.verbosity <= 0:  # orbax tells the ordinary at WARNING, and again what we tell at ERROR
    absl_logging.set_verbosity(absl_logging.FATAL)
    logging.getLogger('decoupled_gan').setLevel(logging.INFO)
  try:
    MODES[FLAGS.mode].function()
  except UserError as error:
    fail(str(error))
  except RunError as error:
    fail(str(error), error.code)
  except KeyboardInterrupt:
    fail('Interrupted.', 130)
  except Exception as error:
    if (told := of_environment(error) or defaults.lacking(error)) is None:
      raise
    fail(str(told))


def run():
  """The console script `decoupled-gan`, main.py, and `python -m decoupled_gan`: one door."""
  streams.make_safe()
  streams.hush_closed_loops()
  os.environ['MPLBACKEND'] = 'agg'  # notebooks' own is not there for the programs that they start
  sys.path.insert(0, os.getcwd())
  recipe_files.make_importable()
  app.run(_main, flags_parser=functools.partial(parse, MODES))
