"""--mode=export: a run's networks for other programs, or one seed of a run of several as a run."""

import os

from decoupled_gan.errors import UserError, listing
from decoupled_gan.exports import web_page, writers
from decoupled_gan.interop import nice_checkpoint, translators
from decoupled_gan.run import experiment, inference, members
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

FILES = {ending.removeprefix('.'): ending for ending in writers.ENDINGS}
FORMATS = ('pytorch', 'run', *FILES, 'web')


def layout_of(output: str, asked: str) -> str:
  """The format that is asked for: by its word, by the output's ending, or pytorch."""
  by_ending = os.path.splitext(output)[1].removeprefix('.')
  layout = asked or (by_ending if by_ending in FILES else 'pytorch')
  if layout not in FORMATS:
    raise UserError(f'--format={layout} is unknown; there are {listing(FORMATS)}.')
  return layout


def export(
  workdir: Workdir, output: str, layout: str, member: int, step: int | str | None = None, **what
):
  """Writes `output`.

  Args:
    layout: 'pytorch', the official code's; 'run', a workdir of the seed number `member`; one of FILES,
      checked at once by the runtime that will read it; or 'web', a page around such a file.
    what: of FILES and 'web': ability, direction, truncation, see exports/writers.py; of 'web' also ort.
  """
  if layout == 'run':
    take_out(workdir, member, output, step)
  elif layout in FILES:
    if not output.endswith(FILES[layout]):
      raise UserError(f'--output={output}: a file of --format={layout} ends in {FILES[layout]}.')
    print(writers.export(inference.load(workdir, step), output, **what))
  elif layout == 'web':
    web_page.check(output, what.get('ort', ''))
    print(writers.export_page(inference.load(workdir, step), output, **what))
  else:
    known = workdir.load_config().method in translators.FORMATS
    (translators if known else nice_checkpoint).export_checkpoint(workdir, output, step)


def take_out(workdir: Workdir, number: int, output: str, step: int | str | None = None):
  """Makes `output` an ordinary run of member `number` of the run in `workdir`, with its optimizers."""
  config = workdir.load_config()
  if not 0 <= number < config.seeds:
    raise UserError(f'--member={number}: {workdir.path} has members 0 to {config.seeds - 1}.')
  if not output:
    raise UserError('--output=<folder> is missing: where is the run to go?')
  target = Workdir(output)
  if target.config_file.exists():
    raise UserError(f'--output={output} holds a run already: name a new folder.')
  run = experiment.build(config, train=False)
  with Checkpoints(workdir.checkpoints, read_only=True) as checkpoints:
    state = checkpoints.restore(run.abstract_state(), step, remembered=True)
  own, state = members.config_of(config, number), members.each(run, state)[number]
  target.create()
  with target.only_writer('--output'), Checkpoints(target.checkpoints) as checkpoints:
    target.save_config(own)
    checkpoints.save(int(state.step), state, own)
  print(f'member {number} of {workdir.path}, seed {own.seed}, step {int(state.step)}: {target.path}')
