"""--mode=nrds: folders of generated images compared by NRDS, see metrics/nrds.py."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from decoupled_gan.data.files import FileImages, tree, verify
from decoupled_gan.data.transforms import resize
from decoupled_gan.errors import UserError, listing
from decoupled_gan.evaluation.metrics.nrds import CLASSIFIERS, REAL, Setting, curves, scores
from decoupled_gan.machine import paths
from decoupled_gan.run.pictures import save_figure


def measure(
  real: str,
  fakes: str,
  workdir: str,
  classifier: str = 'published',
  epochs: int = 20,
  balanced: bool = True,
  seeds: int = 3,
  seed: int = 0,
) -> dict[str, float]:
  """Measures NRDS of folders; prints a table, writes nrds.json and nrds.png into the folder `workdir`.

  Args:
    real: a folder of real images.
    fakes: 'name=folder,name=folder,...', one for each method.
    classifier: a word of CLASSIFIERS; the small one is for images of 64 px or so.
    seeds: how many classifiers are trained, from `seed` on; the score is their mean.
  """
  if not workdir:
    raise UserError('--mode=nrds needs --workdir=<folder>, where nrds.json and nrds.png go.')
  if classifier not in CLASSIFIERS:
    raise UserError(f'--classifier={classifier} is unknown; there are {listing(CLASSIFIERS)}.')
  if epochs < 2 or seeds < 1:
    raise UserError(f'--epochs={epochs} must be at least 2 (for an area), seeds={seeds} at least 1.')
  setting = CLASSIFIERS[classifier]._replace(epochs=epochs, balanced=balanced)
  folders = parse(fakes)
  output = paths.get(workdir)
  paths.check_apart({'--real': real} | {f'--fakes={name}': folder for name, folder in folders.items()})
  for folder in (real, *folders.values()):
    if paths.inside(output, paths.local(folder, '--real or --fakes')):
      raise UserError(
        f'--workdir={workdir} lies in {folder}: nrds.png would be counted there. Name another folder.'
      )
  images = {name: _read(folder, setting) for name, folder in {REAL: real, **folders}.items()}
  real_images = images.pop(REAL)
  runs = [
    curves(real_images, images, setting, s) for s in track(range(seed, seed + seeds), 'classifiers')
  ]
  each = [scores({name: run[name] for name in images}) for run in runs]
  mean = {name: float(np.mean([x[name] for x in each])) for name in images}
  spread = {name: float(np.std([x[name] for x in each])) for name in images}
  _report(mean, spread, {name: len(x) for name, x in images.items()}, seeds)
  told = {'nrds': mean, 'spread_over_seeds': spread, 'seeds': list(range(seed, seed + seeds))}
  told |= {'setting': setting._asdict(), 'real': real, 'fakes': folders}
  told['curves'] = [{name: curve.tolist() for name, curve in run.items()} for run in runs]
  paths.write(output / 'nrds.json', json.dumps(told, indent=1) + '\n')
  save_figure(plot(runs, mean), output / 'nrds.png')
  print(f'written to {output / "nrds.json"} and nrds.png')
  return mean


def parse(fakes: str) -> dict[str, str]:
  """'name=folder,name=folder' -> {name: folder}."""
  found = {}
  for part in filter(None, fakes.split(',')):
    name, equals, folder = part.partition('=')
    if not (name and equals and folder) or name in found or name == REAL:
      raise UserError(
        f'--fakes: {part!r} is not <name>=<folder> with a name of its own (not {REAL!r}).'
      )
    found[name] = folder
  if len(found) < 2:
    raise UserError(
      f'--fakes needs two folders or more, as in --fakes=ours=DIR1,theirs=DIR2; found {listing(found)}. '
      'NRDS is relative: it compares methods.'
    )
  return found


def plot(runs: Sequence[Mapping[str, np.ndarray]], mean: Mapping[str, float]) -> Figure:
  """The curves, averaged over runs; bands are one standard deviation over them."""
  figure = Figure(figsize=(6, 4), dpi=120, layout='constrained')
  axes = figure.add_subplot(xlabel='epoch', ylabel="classifier's mean output", ylim=(0, 1))
  for name in (*mean, REAL):
    values = np.stack([run[name] for run in runs])
    middle, band, x = values.mean(0), values.std(0), np.arange(1, values.shape[1] + 1)
    label, style = (name, ':') if name == REAL else (f'{name}: NRDS {mean[name]:.4f}', '-')
    (line,) = axes.plot(x, middle, style, label=label)
    axes.fill_between(x, middle - band, middle + band, color=line.get_color(), alpha=0.2)
  axes.legend()
  return figure


def _read(folder: str, setting: Setting) -> np.ndarray:
  """All images of a folder, uint8 [N, S, S, 3]."""
  root = tree(paths.local(folder, '--real or --fakes'))
  if not root.is_dir() or not len(files := FileImages.below(root)):
    raise UserError(f'{folder!r} is no folder that has images: --real and --fakes name such folders.')
  if len(files) < setting.batch_size:
    raise UserError(f'{folder!r} has {len(files)} images; {setting.batch_size} are the least.')
  verify(files.paths, setting.image_size)
  return np.stack([resize(image, setting.image_size) for image in files])


def _report(mean, spread, counts, seeds: int):
  table = Table('method', 'images', 'NRDS', f'sd over {seeds} seeds')
  for name in sorted(mean, key=mean.get, reverse=True):
    table.add_row(name, f'{counts[name]:,}', f'{mean[name]:.4f}', f'{spread[name]:.4f}')
  Console(width=100).print(table)
  print(f'par is {1 / len(mean):.4f}; scores compare these methods with one another, and no others')
