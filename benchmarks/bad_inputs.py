"""Sixty mistakes that users make, each as a command: one sentence and exit code 2, never a traceback.

  python benchmarks/bad_inputs.py [--only=zip]

Wrong words, wrong flags, files that are damaged, missing, of other kinds, of other encodings. Prints
each sentence; leaves with an error at the first command that does anything else, or touches its inputs.
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

import processes

QUICK = ['--config.num_steps=1', '--config.log_every_steps=1']


def picture(path: Path, value: int = 128, size: int = 20):
  from PIL import Image

  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new('RGB', (size, size), (value,) * 3).save(path)
  return path


def unpaired(root: Path, *, splits=('trainA', 'trainB', 'testA', 'testB'), count=2) -> Path:
  for split in splits:
    for i in range(count):
      picture(root / split / f'{i}.png', 40 * i + 20)
  return root


def translator(root: Path, **fields) -> list[str]:
  """Training of two folders, of fields."""
  given = [f'--config.{name}={value}' for name, value in fields.items()]
  source = ['--config.data.source=folder', f'--config.data.path={root}', *QUICK]
  return ['train', '--config=nice:tiny', *source, *given]


def labelled(root: Path, table: str | bytes | None) -> list[str]:
  """Training of labelled images whose attributes.csv is `table`; None: there is none."""
  for name in ('imgs/0.png', 'imgs/1.png', 'imgs/2.png'):
    picture(root / name)
  if table is not None:
    content = table if isinstance(table, bytes) else table.encode()
    (root / 'attributes.csv').write_bytes(content)
  source = ['--config.data.source=folder', f'--config.data.path={root}', *QUICK]
  return ['train', '--config=avatars:tiny', *source]


def written(path: Path, content: bytes) -> Path:
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(content)
  return path


def cases(run: Path):
  """{what: command in a folder}; `run` is a trained translator."""
  gan = ['train', '--config=gan:tiny', *QUICK]
  at = f'--workdir={run}'

  def cut(root):
    path = picture(unpaired(root) / 'trainA' / '0.png', size=200)
    path.write_bytes(path.read_bytes()[:100])
    return translator(root)

  def translate(root, *more):
    picture(root / 'in' / '0.png')
    return ['translate', at, f'--input={root}/in', f'--output={root}/out', *more]

  return {
    'recipe: no such one': lambda r: ['train', '--config=cyclegna'],
    'recipe: no such word': lambda r: ['train', '--config=gan:didgits'],
    'recipe: none': lambda r: ['train'],
    'recipe: two': lambda r: ['train', '--config=gan', '--config=nice'],
    'recipe: a file that is not there': lambda r: ['train', f'--config={r}/mine.py'],
    'mode: no such one': lambda r: ['trian', '--config=gan:tiny'],
    'mode: two': lambda r: ['train', '--mode=translate', '--config=gan:tiny'],
    'flag: no such one': lambda r: [*gan, '--stepz=3'],
    'flag: that the mode does not read': lambda r: [*gan, '--input=x'],
    'field: no such one': lambda r: [*gan, '--config.optimizer.lr=1'],
    'field: a word for a number': lambda r: [*gan, '--config.num_steps=many'],
    'field: a batch of none': lambda r: [*gan, '--config.batch_size=0'],
    'field: negative steps': lambda r: [*gan, '--config.num_steps=-1'],
    'field: unknown loss': lambda r: [*gan, '--config.losses.adversarial=hing'],
    'field: unknown backbone': lambda r: [*gan, '--config.model.backbone=resnet50'],
    'field: unknown optimizer': lambda r: [*gan, '--config.optimizer.name=lion'],
    'field: unknown number format': lambda r: [*gan, '--config.compute_dtype=float8'],
    'field: unknown source': lambda r: [*gan, '--config.data.source=imagenet'],
    'field: unknown method': lambda r: [*gan, '--config.method=gna'],
    'field: unknown norm': lambda r: [*gan, '--config.model.norm_generator=layers'],
    'field: unknown augmentation': lambda r: [*gan, '--config.augment.pipeline=adda'],
    'field: points as images': lambda r: [*gan, '--config.data.source=ring8'],
    'data: a folder that is not there': lambda r: translator(r / 'nowhere'),
    'data: an empty folder': lambda r: translator(r),
    'data: one domain': lambda r: translator(unpaired(r, splits=('trainA', 'testA'))),
    'data: a file in place of the folder': lambda r: translator(written(r / 'file', b'x')),
    'data: an image cut short': cut,
    'data: a text called png': lambda r: (
      written(unpaired(r) / 'trainA' / 'text.png', b'hello'), translator(r))[1],
    'data: an empty image': lambda r: (
      written(unpaired(r) / 'trainA' / 'void.png', b''), translator(r))[1],
    'data: unknown direction': lambda r: translator(unpaired(r), **{'data.direction': 'a_to_c'}),
    'zip: that is none': lambda r: translator(written(r / 'images.zip', b'PK no')),
    'zip: that is empty': lambda r: translator(written(r / 'e.zip', b'PK\x05\x06' + bytes(18))),
    'labels: no file': lambda r: labelled(r, None),
    'labels: empty file': lambda r: labelled(r, ''),
    'labels: no column file': lambda r: labelled(r, 'name,glasses\nimgs/0.png,yes\n'),
    'labels: a short row': lambda r: labelled(r, 'glasses,file\nno,imgs/0.png\nyes\n'),
    'labels: a file that is not there': lambda r: labelled(r, 'file,glasses\nimgs/9.png,yes\n'),
    'labels: an unknown value': lambda r: labelled(r, 'file,glasses\nimgs/0.png,perhaps\n'),
    'labels: latin-1': lambda r: labelled(r, 'file,glasses\nimgs/0.png,n\xe9\n'.encode('latin-1')),
    'labels: zeros': lambda r: labelled(r, bytes(100)),
    'translate: no run': lambda r: ['translate', f'--workdir={r}/none', '--input=x', '--output=y'],
    'translate: no inputs': lambda r: ['translate', at, f'--input={r}/none', f'--output={r}/out'],
    'translate: an empty folder': lambda r: ['translate', at, f'--input={r}', f'--output={r}/out'],
    'translate: over the inputs': lambda r: translate(r, f'--output={r}/in'),
    'translate: unknown direction': lambda r: translate(r, '--direction=a_to_c'),
    'translate: unknown resize': lambda r: translate(r, '--resize=stretch'),
    'translate: unknown format': lambda r: translate(r, '--format=bmpx'),
    'translate: unknown checkpoint': lambda r: translate(r, '--checkpoint=77'),
    'translate: a text as input': lambda r: [
      'translate', at, f'--input={written(r / "a.txt", b"x")}', f'--output={r}/out'],
    'translate: the output is a file': lambda r: (
      written(r / 'taken', b'x'), translate(r, f'--output={r}/taken'))[1],
    'evaluate: no run': lambda r: ['evaluate', f'--workdir={r}/none'],
    'evaluate: one folder': lambda r: ['evaluate', f'--real={r}'],
    'evaluate: unknown metric': lambda r: ['evaluate', at, '--metrics=fidd'],
    'evaluate: unknown protocol': lambda r: ['evaluate', at, '--protocol=paper'],
    'evaluate: empty folders': lambda r: ['evaluate', f'--real={r}', f'--fake={r}'],
    'generate: a translator': lambda r: ['generate', at, '--seeds=0-3', f'--output={r}/out'],
    'generate: seeds of words': lambda r: ['generate', at, '--seeds=a-b', f'--output={r}/out'],
    'edit: a translator': lambda r: ['edit', at, f'--input={picture(r / "x.png")}',
                                     f'--output={r}/o.png'],
    'import: no file': lambda r: ['import', '--config=nice', f'--workdir={r}/w', f'--input={r}/g.pt'],
    'import: a text': lambda r: [
      'import', '--config=nice', f'--workdir={r}/w', f'--input={written(r / "g.pt", b"hello")}'],
    'workdir: a file': lambda r: [*gan, f'--workdir={written(r / "w", b"x")}'],
    'workdir: of another run': lambda r: [*gan, at],
  }  # fmt: skip


def state_of(folder: Path) -> dict[str, str]:
  """Every file below, by its content."""
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in folder.rglob('*')
    if path.is_file() and path.name != '.writer'
  }


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--only', default='', help='cases whose name has this')
  options = parser.parse_args()
  bad = []
  with tempfile.TemporaryDirectory() as home:
    home = Path(home)
    processes.prepare(home)
    data = unpaired(home / 'data')
    command = processes.start([*translator(data), f'--workdir={home}/run'], home / 'log')
    if command.wait():
      raise SystemExit(command.err)
    before = state_of(home / 'run')
    for i, (name, make) in enumerate(cases(home / 'run').items()):
      if options.only not in name:
        continue
      folder = home / f'case {i}'
      folder.mkdir()
      words = make(folder)
      inputs = state_of(folder)
      if words[0] == 'train' and not any(word.startswith('--workdir') for word in words):
        words += [f'--workdir={home}/new']
      command = processes.start(words, home / 'log', cwd=folder)
      code, said = command.wait(), command.err.strip()
      last = said.splitlines()[-1] if said else ''
      right = code == 2 and 'Traceback' not in said and last.startswith('error:')
      whole = {x: y for x, y in state_of(folder).items() if x in inputs} == inputs
      mark = 'ok ' if right and whole else 'BAD'
      print(f'{mark} {name:38} {last.replace(str(home), "...")}', flush=True)
      if not (right and whole):
        bad.append(name)
        print(f'    exit code {code}; {command.out[-300:]}{said[-800:]}')
      shutil.rmtree(home / 'new', ignore_errors=True)
    if state_of(home / 'run') != before:
      bad.append('the run was changed')
  print(f'{len(cases(Path()))} mistakes, {len(bad)} not told as they should be: {bad}')
  return bool(bad)


if __name__ == '__main__':
  sys.exit(main())
