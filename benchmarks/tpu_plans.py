"""What the core recipes need of TPU chips: the README's table, from `--mode=plan`.

  python benchmarks/tpu_plans.py --output=plans/ [--only=utkface] [--topologies=v5e:2x4,v6e:2x4]

Compiles every program of every recipe for every slice, one after the other: hours on a few cores, and
up to 6 GB of memory (for `glead:church`, which is not among the default ones, more than 23). Needs
libtpu (pip install -e .[aot]) and no TPU. Each plan is kept as JSON in the folder and not made again,
so that the command can be stopped and given once more. At the end it prints the table, as Markdown; of
a plan that failed, the programs before.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOPOLOGIES = 'v5e:2x4,v6e:2x4,v4:2x2x2'
RECIPES = {  # as one would train them on such a slice
  'selfie2anime': ('--config.compute_dtype=bfloat16', '--config.batch_size=8'),
  'utkface': ('--config.batch_size=32',),
  'tiles': (),
  'glead:church': (),
}
DEFAULT = ('selfie2anime', 'utkface', 'tiles')
GIB, MINUTE = 2**30, 60


def plan(recipe: str, topology: str, file: Path) -> bool:
  """Writes a plan to `file`; what the command says goes beside it. False if it failed."""
  command = [
    sys.executable, 'main.py', '--mode=plan', f'--config={recipe}', f'--topology={topology}',
    f'--output={file.resolve()}', *RECIPES[recipe],
  ]  # fmt: skip
  with file.with_suffix('.log').open('w') as log:
    environment = os.environ | {'JAX_PLATFORMS': 'cpu'}
    return not subprocess.run(
      command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False
    ).returncode


def complete(file: Path) -> bool:
  """Whether `file` holds all programs of a plan: what all steps play."""
  if not file.exists():
    return False
  return math.isclose(sum(program['share'] for program in json.loads(file.read_text())['programs']), 1)


def rows(recipe: str, found: dict):
  """A line of the table for each program of a plan."""
  chip = found['chip']
  for program in found['programs']:
    name = f'`{recipe}`, {found["compute_dtype"]}, batch {found["batch_per_chip"] * found["chips"]}'
    if program['share'] < 1:
      name += f': {program["phases"]} ({program["share"]:.0%})'
    memory = ', '.join(f'{program[part] / GIB:.2f}' for part in ('arguments', 'temporaries', 'peak'))
    count, size = program['exchanged'].get('all-reduce', (0, 0))
    flops, traffic = program['flops'], program['traffic']
    yield (
      name, found['topology'], f'{memory} of {chip["memory"]:g}',
      f'{flops / 1e12:.2f}; {flops / chip["tflops"] / 1e9:.1f}',
      f'{traffic / 1e9:.0f}; {traffic / chip["bandwidth"] / 1e6:.0f}',
      f'{count}; {size / 1e6:.0f}',
      f'{program["trace_seconds"]:.0f} s; {program["compile_seconds"] / MINUTE:.0f} min',
    )  # fmt: skip


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('--output', type=Path, required=True)
  parser.add_argument('--only', choices=RECIPES, action='append')
  parser.add_argument('--topologies', default=TOPOLOGIES)
  options = parser.parse_args()
  options.output.mkdir(parents=True, exist_ok=True)
  lines = [
    ('recipe', 'slice', 'arguments, temporaries, peak of HBM, GiB', 'TFLOP; floor, ms',
     'traffic, GB; floor, ms', 'all-reduces; MB', 'tracing; compilation')
  ]  # fmt: skip
  lines.append(('---',) * len(lines[0]))
  for recipe in options.only or DEFAULT:
    for topology in options.topologies.split(','):
      file = options.output / f'{recipe}-{topology.replace(":", "-")}.json'
      if not complete(file) and not plan(recipe, topology, file):
        print(f'{recipe} on {topology} failed: {file.with_suffix(".log")}', file=sys.stderr)
      if file.exists():
        lines += rows(recipe, json.loads(file.read_text()))
  for line in lines:
    print('|', ' | '.join(line), '|')


if __name__ == '__main__':
  main()
