"""A disk that is full at different moments of training, translating and evaluating, and then is not.

  sudo python benchmarks/full_disk.py          # root, to mount small disks in memory; Linux

Each case runs one command on a disk of its own that has so much room and no more. It must end with exit
code 1 or 2, one sentence that names the file and the reason, and no traceback; where it trained, the
same command with more room must end in the arrays of a run that nobody disturbed; where it wrote
results, no file may be half there.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import processes
from PIL import Image

TRAIN = {
  'num_steps': 40, 'checkpoint_every_steps': 5, 'sample_every_steps': 10, 'sample_count': 200,
  'log_every_steps': 1, 'batch_size': 32, 'checkpoints_to_keep': 3,
}  # fmt: skip


@contextlib.contextmanager
def disk(folder: Path, kilobytes: int):
  """A disk in memory of so many kilobytes, mounted at `folder`."""
  folder.mkdir(parents=True, exist_ok=True)
  mount(folder, f'size={kilobytes}k')
  try:
    yield folder
  finally:
    subprocess.run(['umount', '-l', folder], check=True)


def mount(folder: Path, options: str):
  subprocess.run(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder], check=True)


def train(workdir: Path) -> list[str]:
  fields = [f'--config.{name}={value}' for name, value in TRAIN.items()]
  return ['train', '--config=gan:tiny,ring8', f'--workdir={workdir}', *fields]


def one_sentence(command: processes.Command) -> str:
  """The last line of what a failed command said; leaves with an error where it is not as promised."""
  code, said = command.wait(), command.err.strip()
  last = said.splitlines()[-1] if said else ''
  if code not in (1, 2) or 'Traceback' in said or not last.startswith('error:'):
    raise SystemExit(f'exit code {code}, and this was said:\n{said}')
  return last


def training(home: Path, kilobytes: int, expected: dict) -> str:
  """Trains on a disk of `kilobytes`, then with more room; the sentence of the first attempt."""
  with disk(home / 'disk', kilobytes) as folder:
    said = one_sentence(processes.start(train(folder / 'run'), home / 'log'))
    mount(folder, 'remount,size=512m')
    again = processes.start(train(folder / 'run'), home / 'log')
    if again.wait():
      raise SystemExit(f'with more room it does not go on: {again.err}')
    found = processes.in_a_child(processes.what_is_left_of, folder / 'run')
    if wrong := processes.differences(found, expected):
      raise SystemExit(f'with more room it ended otherwise: {wrong}')
  return said


def writing(home: Path, kilobytes: int, words) -> str:
  """Runs `words(output)` with its output on a disk of `kilobytes`; every image there must be whole."""
  with disk(home / 'disk', kilobytes) as folder:
    said = one_sentence(processes.start(words(folder / 'out'), home / 'log'))
    for path in folder.rglob('*'):
      if path.is_file() and path.suffix == '.png':
        Image.open(path).load()
      elif path.is_file():
        raise SystemExit(f'{path} was left')
  return said


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.parse_args()
  with tempfile.TemporaryDirectory() as home:
    home = Path(home)
    processes.prepare(home)
    for name in ('warm', 'undisturbed'):
      command = processes.start(train(home / name), home / 'log')
      if command.wait():
        raise SystemExit(command.err)
    expected = processes.in_a_child(processes.what_is_left_of, home / 'undisturbed')
    used = sum(x.stat().st_blocks for x in (home / 'undisturbed').rglob('*') if x.is_file()) // 2
    print(f'a run of {TRAIN["num_steps"]} steps leaves {used} kB')
    for share in (0.005, 0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8):
      said = training(home, max(4, int(share * used)), expected)
      print(f'train    {int(share * used):6} kB  {short(said, home)}', flush=True)
    inputs = images(home / 'inputs')
    translator = home / 'translator'
    command = processes.start(
      ['train', '--config=quickstart:tiny', f'--workdir={translator}'], home / 'log'
    )
    if command.wait():
      raise SystemExit(command.err)
    for kilobytes in (4, 24):
      said = writing(
        home, kilobytes,
        lambda out: ['translate', f'--workdir={translator}', f'--input={inputs}', f'--output={out}'],
      )  # fmt: skip
      print(f'translate {kilobytes:5} kB  {short(said, home)}', flush=True)
    with disk(home / 'disk', 4) as folder:
      (folder / 'filled').write_bytes(bytes(4096))
      words = ['evaluate', f'--real={inputs}', f'--fake={inputs}', '--metrics=mae']
      said = one_sentence(processes.start([*words, f'--output={folder}/n.jsonl'], home / 'log'))
    print(f'evaluate      0 kB  {short(said, home)}')


def images(folder: Path) -> Path:
  """Eight pictures of noise, which do not become small."""
  import numpy as np

  folder.mkdir()
  for i in range(8):
    pixels = np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f'{i}.png')
  return folder


def short(said: str, home: Path) -> str:
  return said.replace(str(home), '...')[:150]


if __name__ == '__main__':
  sys.exit(main())
