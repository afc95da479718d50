"""run.json: what each start of a run was, for the page and for whoever wants to repeat it."""

import datetime
import importlib.metadata
import json
import logging
import platform
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import jax

import decoupled_gan
from decoupled_gan.core import routing
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.machine import paths
from decoupled_gan.report import page
from decoupled_gan.run.workdir import Workdir

VERSIONS = ('jax', 'jaxlib', 'flax', 'optax', 'numpy')


class Diary:
  """Keeps run.json and report.html of a run while it trains; a context around the training.

  Nothing is written before `begin`. What goes wrong with the page is told once and ends no run.

  Attributes:
    run_id: by which trackers know the run: that of its starts before, until it begins at step 0 again.
  """

  def __init__(self, run, dataset, workdir: Workdir, step: int, counts: Mapping, changes: Mapping):
    self._workdir, self._begun, self._pages = workdir, False, True
    self._entry = {
      'began': _now(),
      'ended': None,
      'how': 'running',
      'from_step': step,
      'arguments': list(sys.argv),
      'versions': _versions(),
      'devices': [str(device.device_kind) for device in jax.devices()],
      'backend': jax.default_backend(),
      'processes': jax.process_count(),
      'commit': _commit(),
      'data': dataset.describe(),
      'parameters': {group: int(count) for group, count in counts.items()},
      'routes': routing.describe(run.phases, run.groups, run.offered, run.config.num_steps - 1),
      'changed': {name: [repr(old), repr(new)] for name, (old, new) in changes.items()},
    }
    self.how = 'stopped'

  def begin(self):
    """To be called before the first step, when nothing can be found wrong any more."""
    self._begun = True
    self._earlier = starts_of(self._workdir)
    known = [x['run_id'] for x in self._earlier if isinstance(x.get('run_id'), str)]
    goes_on = known and self._entry['from_step'] > 0
    self.run_id = self._entry['run_id'] = known[-1] if goes_on else uuid.uuid4().hex[:12]
    self._write()

  def sampled(self):
    """A grid of samples was written: the page shows it."""
    if not self._pages:
      return
    try:
      page.write(self._workdir)
    except Exception as error:  # a page is not worth a run
      self._pages = False
      logging.getLogger(__name__).warning('report.html is not written any more: %s', error)

  def __enter__(self):
    return self

  def __exit__(self, kind, error, _):
    if not self._begun:
      return
    told = isinstance(error, UserError | RunError)
    how = f'failed: {error if told else kind.__name__}' if kind else self.how
    self._entry |= {'ended': _now(), 'how': how}
    try:
      self._write()
    except RunError:
      if kind is None:
        raise
    self.sampled()

  def _write(self):
    content = json.dumps([*self._earlier, self._entry], indent=1)
    paths.write(self._workdir.path / 'run.json', content + '\n')


class Closed:
  """The diary of the processes that keep none."""

  how = run_id = ''

  def __enter__(self):
    return self

  def __exit__(self, *_):
    pass

  def begin(self):
    pass

  def sampled(self):
    pass


def starts_of(workdir: Workdir) -> list[dict]:
  """The starts of a run, oldest first; [] where there is no readable run.json."""
  try:
    found = json.loads((workdir.path / 'run.json').read_text(encoding='utf-8'))
  except (OSError, ValueError):
    return []
  return [x for x in found if isinstance(x, dict)] if isinstance(found, list) else []


def _now() -> str:
  return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def _versions() -> dict[str, str]:
  found = {name: importlib.metadata.version(name) for name in VERSIONS}
  return {'decoupled_gan': decoupled_gan.__version__, 'python': platform.python_version()} | found


def _commit() -> str:
  """The commit of the checkout that runs, with a + if it was changed; '' outside of one."""
  folder = Path(decoupled_gan.__file__).parent
  try:
    told = subprocess.run(
      ['git', 'describe', '--always', '--dirty=+', '--abbrev=12', '--exclude=*'],
      cwd=folder, capture_output=True, text=True, check=True, timeout=10,
    )  # fmt: skip
  except (OSError, subprocess.SubprocessError):
    return ''
  return told.stdout.strip()
