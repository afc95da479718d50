"""A run's folder: config.json, checkpoints/, samples/, metrics.jsonl and TensorBoard events."""

import json
from pathlib import Path

from ml_collections import ConfigDict

from decoupled_gan import defaults
from decoupled_gan.errors import UserError, listing
from decoupled_gan.machine import lock, paths

SHAPING = ('method', 'image_channels', 'vector_size', 'attributes', 'model', 'parts')
"""Fields that decide the networks' parameters: a run keeps them for life.

`image_size` is not one of them: fully convolutional networks take others. For those that do not,
restoring the checkpoint tells.
"""


class Workdir:
  """The folder of one run, local or gs://...; its parts as paths."""

  def __init__(self, path: str | Path):
    self.path = paths.get(path)
    self.config_file = self.path / 'config.json'
    self.checkpoints = self.path / 'checkpoints'
    self.samples = self.path / 'samples'
    self.metrics_file = self.path / 'metrics.jsonl'

  def create(self):
    """Makes the folder; raises UserError if nothing can be written there."""
    try:
      str(self.path).encode()
    except UnicodeEncodeError:  # tensorstore, which writes checkpoints, wants it so
      raise UserError(
        f'--workdir={self.path} is no UTF-8 (a name from another system), and checkpoints cannot lie '
        'there: rename the folder.'
      ) from None
    probe = self.path / '.writable'
    try:
      if not paths.is_remote(self.path):  # there it would make a bucket of a mistyped name
        self.path.mkdir(parents=True, exist_ok=True)
      probe.write_text('')
      probe.unlink()
    except Exception as error:  # an OSError, or one of the many of the object store's client
      advice = 'name another folder.'
      if paths.is_remote(self.path):
        advice = (
          'there must be such a bucket, and this machine must be allowed to write to it (on your own '
          'machine: gcloud auth application-default login).'
        )
      raise UserError(
        f'--workdir={self.path} cannot be written ({paths.why(error)}): {advice}'
      ) from error

  def load_config(self) -> ConfigDict:
    """The config of the run; raises UserError if the folder holds none."""
    try:
      return defaults.complete(ConfigDict(json.loads(self.config_file.read_text())))
    except (FileNotFoundError, NotADirectoryError):
      raise UserError(
        f'--workdir={self.path} holds no run (there is no config.json in it): train one with '
        f'`python main.py --config=configs/<recipe>.py --workdir={self.path}`.'
      ) from None
    except (ValueError, AttributeError) as error:
      raise UserError(f'{self.config_file} is damaged ({error}).') from None
    except Exception as error:  # of the file system, or of the object store's client
      raise UserError(f'{self.config_file} cannot be read ({paths.why(error)}).') from error

  def only_writer(self, flag: str = '--workdir'):
    """A context in which no other process writes the run; raises UserError if one does."""
    return lock.only_writer(self.path, flag)

  @property
  def has_checkpoint(self) -> bool:
    """Whether something was ever trained there."""
    try:
      found = list(self.checkpoints.iterdir())
    except OSError:
      return False
    # in an object store the folder of a checkpoint is there before all of it is
    return any(
      (x / 'commit_success.txt').exists() if paths.is_remote(x) else x.name.isdecimal() for x in found
    )

  def changes(self, config: ConfigDict, trained: bool = True) -> dict[str, tuple]:
    """{field: (old, new)} between the run in the folder, if there is one, and `config`.

    Raises UserError if the run there is of another architecture, unless it was never `trained`: then it
    holds nothing, and may become any other.
    """
    if not self.config_file.exists():
      return {}
    changes = differences(self.load_config(), config)
    shaping = {k: v for k, v in changes.items() if k.split('.')[0] in SHAPING}
    if shaping and trained:
      told = [f'{k} is {old!r} there and {new!r} here' for k, (old, new) in shaping.items()]
      raise UserError(
        f'--workdir={self.path} holds a run of another architecture: {listing(told)}. Use '
        'another --workdir, or the fields it was trained with.'
      )
    return changes

  def save_config(self, config: ConfigDict):
    """Writes `config` as the run's."""
    paths.write(self.config_file, config.to_json_best_effort(indent=2, sort_keys=True) + '\n')


def flatten(config, prefix='') -> dict[str, object]:
  """{'data.source': 'terrain', ...}: leaves of a config by dotted name."""
  flat = {}
  for key in config:
    value, name = config[key], f'{prefix}{key}'
    if isinstance(value, ConfigDict):
      flat |= flatten(value, f'{name}.')
    else:
      flat[name] = list(value) if isinstance(value, tuple) else value
  return flat


def differences(old: ConfigDict, new: ConfigDict) -> dict[str, tuple]:
  """{field: (old, new)} where two configs differ; None where one has no such field."""
  old, new = flatten(old), flatten(new)
  return {
    name: (old.get(name), new.get(name))
    for name in sorted({*old, *new})
    if old.get(name) != new.get(name)
  }
