"""results.png: all runs of each group, what more draws buy, and the metric over each drawn field."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from decoupled_gan.studies import statistics
from decoupled_gan.studies.outcomes import Measure
from decoupled_gan.studies.plan import Study
from decoupled_gan.studies.report import Entry, lines


def draw(study: Study, found: Sequence[Entry], measure: Measure) -> Figure:
  """The figure of what there is; runs that diverged stand at the edge, as crosses."""
  made, searched = lines(study, found, measure), study.searched
  drawn = study.draws > 1
  panels = 1 + drawn + (len(searched) if drawn else 0)
  height = max(3.0, 0.28 * len(made) + 1.5)
  figure = Figure((7, height + 3.2 * (panels - 1)), dpi=110, layout='constrained')
  ratios = [height, *[3.2] * (panels - 1)]
  plots = figure.subplots(panels, squeeze=False, height_ratios=ratios)[:, 0]
  _strips(plots[0], made, found, measure)
  if drawn:
    _curves(plots[1], made, found, measure)
    for plot, name in zip(plots[2:], searched, strict=True):
      _scatter(plot, name, made, found, measure)
  return figure


def _strips(plot, made, found, measure: Measure):
  for row, line in enumerate(made):
    own = [e for e in found if e.run.group == line.group and e.finished]
    for fresh, marker in ((False, 'o'), (True, 'D')):
      values = [e.outcome.value for e in own if e.run.confirms == fresh]
      plot.scatter(_finite(values), [row] * len(_finite(values)), s=14, marker=marker, alpha=0.6)
    median, low, high = line.median
    if math.isfinite(median):
      ends = _finite([low, high])
      plot.plot(ends, [row] * len(ends), color='black', linewidth=1)
      plot.plot(median, row, '|', color='black', markersize=12)
    if line.diverged:
      plot.annotate(f'{line.diverged} diverged', (1, row), xycoords=('axes fraction', 'data'),
                    ha='right', va='center', fontsize='x-small')
  plot.set_yticks(range(len(made)), [', '.join(line.group) for line in made], fontsize='small')
  plot.invert_yaxis()
  plot.set(xlabel=f'{measure.title} ({measure.better} is better)', title='all runs; bar: median, 95 %')


def _curves(plot, made, found, measure: Measure):
  for line in made:
    values = [e.outcome.value for e in found
              if e.run.group == line.group and e.finished and not e.run.confirms]
    counts = range(1, len(values) + 1)
    curve = [statistics.expected_best(values, n, measure.better) for n in counts]
    plot.plot(counts, [x if math.isfinite(x) else math.nan for x in curve], label=', '.join(line.group))
  plot.set(xlabel='draws', ylabel=measure.title, title='expected best of so many draws')
  plot.legend(fontsize='x-small')


def _scatter(plot, name: str, made, found, measure: Measure):
  for line in made:
    points = [(e.run.drawn[name], e.outcome.value) for e in found
              if e.run.group == line.group and e.finished and name in e.run.drawn]
    points = [point for point in points if math.isfinite(point[1])]
    if points:
      plot.scatter(*zip(*points, strict=True), s=14, alpha=0.7, label=', '.join(line.group))
  values = [e.run.drawn[name] for e in found if name in e.run.drawn]
  positive = all(isinstance(x, int | float) and x > 0 for x in values)
  if values and positive and max(values) > 20 * min(values):
    plot.set_xscale('log')
  plot.set(xlabel=name, ylabel=measure.title)


def _finite(values: Sequence[float]) -> list[float]:
  return [x for x in values if math.isfinite(x)]
