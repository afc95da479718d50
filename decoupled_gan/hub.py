"""Models on a hub: `push` publishes a run with a card, `pull` makes a published one a workdir.

A repository holds model.safetensors (the networks for use, see exports/safetensors_file.py),
config.json, README.md (the card, see report/card.py) and a grid of samples. Tokens are
huggingface_hub's own affair. What a stranger published is data: its config's fields are looked at, and
nothing of it is imported or run.
"""

import contextlib
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from decoupled_gan import defaults
from decoupled_gan.core import parts
from decoupled_gan.errors import UserError, listing, need
from decoupled_gan.exports import safetensors_file
from decoupled_gan.machine import paths
from decoupled_gan.report import card, story
from decoupled_gan.report.card import Licences
from decoupled_gan.run import inference
from decoupled_gan.run.checkpoint import Checkpoints
from decoupled_gan.run.workdir import Workdir

PREFIX = 'hub:'
FOLDER = 'hub'
"""Of a workdir: what was, or would be, published."""
FILES = [safetensors_file.NAME, 'README.md']


def check_push(name: str, licences: Licences, dry_run: bool):
  """Raises UserError for what makes publishing impossible, before anything is read or written."""
  repository, revision = _named(name)
  if '/' not in repository or revision:
    raise UserError(f'--hub={name}: a model is published as <owner>/<name>, without a revision.')
  if not licences.data:
    raise UserError(
      "--data_licence='<words>' is missing: whoever uses a model wants to know what its data allow, and "
      "nobody can guess that. Say for example 'CC BY 4.0, NASA', 'my own photos' or 'unknown'."
    )
  if not dry_run and not _hub().get_token():
    raise UserError(
      'push needs a token of the hub, and there is none: type `hf auth login` once, or set HF_TOKEN. '
      '--dry_run writes what would be published.'
    )


def push(
  model,
  trained: inference.Trained,
  workdir: Workdir,
  name: str,
  licences: Licences,
  private: bool = False,
  dry_run: bool = False,
  slim: bool = False,
) -> str:
  """Publishes a run as the repository `name`; the address of what was made.

  Args:
    model: what the run can do, see report/card.py.
    private: of a repository that is made now.
    dry_run: stop when the folder is written; its path.
    slim: without the networks that only training needs.

  Raises UserError as `check_push` does, and where the hub refuses.
  """
  check_push(name, licences, dry_run)
  repository, _ = _named(name)
  files = made(model, trained, workdir, repository, licences, slim)
  folder = workdir.path / FOLDER
  for path, content in files.items():
    paths.write(folder / path, content)
    print(f'{len(content):>12,} bytes   {folder / path}')
  if dry_run:
    return str(folder)
  hub = _hub()
  with _telling(name):
    api = hub.HfApi(library_name='decoupled_gan')
    api.create_repo(repository, private=private or None, exist_ok=True)
    added = [hub.CommitOperationAdd(path, content) for path, content in files.items()]
    message = f'{model.config.method}, step {trained.step}'
    return str(api.create_commit(repository, added, commit_message=message).commit_url)


def made(
  model, trained, workdir: Workdir, repository: str, licences: Licences, slim: bool = False
) -> dict[str, bytes]:
  """{path in the repository: content}; configs are without the folders of this machine."""
  found, config = story.read(workdir), _bare(trained.run.config)
  files = {
    safetensors_file.NAME: safetensors_file.content(trained, config, slim),
    'config.json': (config.to_json_best_effort(indent=2, sort_keys=True) + '\n').encode(),
  }
  samples = [path for step, path in found.samples if step <= trained.step]
  sample = f'samples/{samples[-1].name}' if samples else ''
  if sample:
    files[sample] = samples[-1].read_bytes()
  without = safetensors_file.left_out(trained, slim)
  text = card.card(found, model, trained.step, repository, licences, sample, without)
  return files | {'README.md': text.encode()}


def pull(address: str, workdir: Workdir):
  """Makes `workdir` a run for use: all modes but training take it. `address` as of `fetched`."""
  if workdir.config_file.exists():
    raise UserError(f'--workdir={workdir.path} holds a run already: name a new folder.')
  folder = fetched(address)
  file = folder / safetensors_file.NAME
  trained, config = safetensors_file.read(file), safetensors_file.config_of(file)
  usual = defaults.get_config().copy_and_resolve_references()
  config.start, config.compilation_cache = usual.start, usual.compilation_cache  # of another machine
  workdir.create()
  with workdir.only_writer(), Checkpoints(workdir.checkpoints) as checkpoints:
    workdir.save_config(config)
    checkpoints.save(trained.step, _state(trained), config, optimizers=False)
  if (folder / 'README.md').is_file():
    paths.write(workdir.path / 'README.md', (folder / 'README.md').read_bytes())
  print(
    f'{address}: method {config.method}, step {trained.step}, is now {workdir.path}. It has no '
    f'optimizers: another run begins with its networks by --config.start.workdir={workdir.path}.'
  )


def fetched(address: str) -> Path:
  """The folder of a model: <owner>/<name>[@<revision>], downloaded once, or a folder as it is.

  Args:
    address: may begin with 'hub:'; a folder's begins with '.', '/' or '~'.
  """
  name = address.removeprefix(PREFIX)
  if name.startswith(('.', '/', '~')):
    folder = paths.at_home(name)
  else:
    repository, revision = _named(name)
    hub = _hub()
    with _telling(address):
      api = hub.HfApi(library_name='decoupled_gan')
      found = api.snapshot_download(repository, revision=revision or None, allow_patterns=FILES)
    folder = Path(found)
  if not (folder / safetensors_file.NAME).is_file():
    held = sorted(x.name for x in folder.iterdir()) if folder.is_dir() else []
    raise UserError(
      f'{address} has no {safetensors_file.NAME}, so that it is no model of decoupled_gan; of what is '
      f'looked for it has {listing(held)}.'
    )
  return folder


def _state(trained: inference.Trained):
  """The networks as a state: averages are what they were averages of, frozen references too."""
  abstract = trained.run.abstract_state()
  groups = parts.split(trained.variables['params'], trained.run.parts)
  own = {name: groups[copy.of] for name, copy in trained.run.copies.items()}
  stats = {name: trained.variables[name] for name in abstract.stats}
  state = abstract.replace(step=np.int32(trained.step), params=groups, stats=stats, copies=own, opt={})
  return jax.tree.map(jnp.asarray, state.replace(memory={}))


def _bare(config: ConfigDict) -> ConfigDict:
  """A copy whose paths are without the folders of this machine."""
  found = config.copy_and_resolve_references()
  for name, value in found.items():
    if isinstance(value, ConfigDict):
      found[name] = _bare(value)
    elif isinstance(value, str):
      found[name] = card.bare(value)
  return found


def _named(name: str) -> tuple[str, str]:
  """(repository, revision or '') of '[hub:]<owner>/<name>[@<revision>]'."""
  hub = _hub()
  repository, _, revision = name.removeprefix(PREFIX).partition('@')
  if not repository:
    raise UserError('--hub=<owner>/<name> is missing: where is the model published?')
  try:
    hub.utils.validate_repo_id(repository)
  except hub.errors.HFValidationError as error:
    raise UserError(f'--hub={name}: {paths.why(error)}') from None
  return repository, revision


def _hub():
  """huggingface_hub, which only this needs."""
  need('a model on a hub', 'huggingface_hub', 'hub')
  import huggingface_hub
  import huggingface_hub.errors
  import huggingface_hub.utils

  os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')
  return huggingface_hub


@contextlib.contextmanager
def _telling(name: str):
  """Turns what the hub, or the way there, says into a sentence."""
  try:
    yield
  except UserError:
    raise
  except Exception as error:  # of the hub, of its client, of the client's own HTTP library
    told = (getattr(error, 'server_message', None) or paths.why(error)).rstrip('.')
    if isinstance(error, _hub().errors.RepositoryNotFoundError):  # said of what may not be seen, too
      told = f'{told}; a private one needs the token of somebody who may see it: `hf auth login`'
    raise UserError(f'--hub={name}: the hub did not take or give that ({told}).') from error
