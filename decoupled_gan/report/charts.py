"""Curves as inline SVG: no library and no request; readable without script."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 460, 200, 56, 22, 8
MOST = 300  # points of a curve
COLOURS = ('#2f6fde', '#d9480f', '#2b8a3e', '#9c36b5', '#b08900', '#0b7285', '#c2255c', '#5f6b7a')
Points = Sequence[tuple[float, float]]


def chart(
  curves: Mapping[str, Points],
  title: str,
  marked: float | None = None,
  levels: Mapping[str, float] | None = None,
) -> Markup:
  """Named curves over steps, with a legend. Logarithmic if all values are positive and span 100-fold.

  Args:
    marked: a step with a line of its own: the best checkpoint's.
    levels: {name: value} drawn across, dashed: baselines.
  """
  curves = {name: thinned(points) for name, points in curves.items() if points}
  if not curves:
    return Markup('')
  levels = dict(levels or {})
  values = [y for points in curves.values() for _, y in points] + list(levels.values())
  steps = [x for points in curves.values() for x, _ in points]
  logarithmic = min(values) > 0 and max(values) > 100 * min(values)
  across, up = _scale(min(steps), max(steps)), _scale(*_ends(values, logarithmic), logarithmic)

  def place(x, y):
    return (
      LEFT + across(x) * (WIDTH - LEFT - 8),
      TOP + (1 - up(y)) * (HEIGHT - TOP - BOTTOM),
    )

  parts = [_grid(place, _ticks(*_ends(values, logarithmic), logarithmic), steps)]
  for name, value in levels.items():
    x, y = place(max(steps), value)
    parts.append(
      Markup('<path class="level" d="M{:.1f} {:.1f}H{:.1f}"><title>{}: {:.4g}</title></path>').format(
        LEFT, y, x, name, value
      )
    )
  if marked is not None and min(steps) <= marked <= max(steps):
    x, _ = place(marked, values[0])
    parts.append(
      Markup('<path class="best" d="M{:.1f} {}V{}"><title>best: step {}</title></path>').format(
        x, TOP, HEIGHT - BOTTOM, marked
      )
    )
  parts += [_curve(i, name, points, place) for i, (name, points) in enumerate(curves.items())]
  kind = ' (logarithmic)' if logarithmic else ''
  last = '; '.join(f'{name} {points[-1][1]:.4g}' for name, points in curves.items())
  return Markup(
    '<figure class="chart"><figcaption>{}{}</figcaption><svg viewBox="0 0 {} {}" role="img" '
    'aria-label="{}{}: last values {}">{}</svg>{}</figure>'
  ).format(
    title, kind, WIDTH, HEIGHT, title, kind, last, Markup('').join(parts), _legend(curves, levels)
  )


def thinned(points: Points) -> list[tuple[float, float]]:
  """At most MOST points: means of neighbours, and the last one as it is."""
  if len(points) <= MOST:
    return list(points)
  size = math.ceil((len(points) - 1) / (MOST - 1))
  groups = [points[i : i + size] for i in range(0, len(points) - 1, size)]
  means = [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]
  return [*means, points[-1]]


def _curve(number: int, name: str, points: Points, place) -> Markup:
  colour = COLOURS[number % len(COLOURS)]
  places = [place(x, y) for x, y in points]
  line = 'M' + 'L'.join(f'{x:.1f} {y:.1f}' for x, y in places)
  dots = Markup('').join(
    Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}"><title>{} step {:g}: {:.5g}</title></circle>').format(
      *place(x, y), 2.5 if len(points) < 40 else 1, name, x, y
    )
    for x, y in points
  )
  return Markup('<g stroke="{0}" fill="{0}"><path fill="none" d="{1}"/>{2}</g>').format(
    colour, line, dots
  )


def _legend(curves: Mapping[str, Points], levels: Mapping[str, float]) -> Markup:
  shown = [
    Markup('<span><i style="background:{}"></i>{} {:.4g}</span>').format(
      COLOURS[i % len(COLOURS)], name, points[-1][1]
    )
    for i, (name, points) in enumerate(curves.items())
  ]
  shown += [Markup('<span><i class="dash"></i>{} {:.4g}</span>').format(n, y) for n, y in levels.items()]
  return Markup('<div class="legend">{}</div>').format(Markup('').join(shown))


def _grid(place, ticks: Sequence[float], steps: Sequence[float]) -> Markup:
  parts = []
  for tick in ticks:
    _, y = place(steps[0], tick)
    line = Markup(
      '<path class="grid" d="M{} {:.1f}H{}"/><text x="{}" y="{:.1f}" text-anchor="end">{:.3g}</text>'
    )
    parts.append(line.format(LEFT, y, WIDTH - 8, LEFT - 5, y + 3.5, tick))
  for step, anchor in ((min(steps), 'start'), (max(steps), 'end')):
    x, _ = place(step, ticks[0])
    text = Markup('<text x="{:.1f}" y="{}" text-anchor="{}">{:,.0f}</text>')
    parts.append(text.format(x, HEIGHT - 6, anchor, step))
  return Markup('').join(parts)


def _scale(low: float, high: float, logarithmic: bool = False):
  """value -> 0..1."""
  if logarithmic:
    low, high = math.log(low), math.log(high)
  width = (high - low) or 1.0
  return lambda x: ((math.log(x) if logarithmic else x) - low) / width


def _ends(values: Sequence[float], logarithmic: bool) -> tuple[float, float]:
  low, high = min(values), max(values)
  if logarithmic:
    return low / 1.1, high * 1.1
  margin = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
  return low - margin, high + margin


def _ticks(low: float, high: float, logarithmic: bool) -> list[float]:
  """Three to six round numbers between the ends."""
  if logarithmic:
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    step = max(1, len(powers) // 5)
    return [10.0**p for p in powers[::step]] or [low]
  rough = (high - low) / 4
  unit = 10 ** math.floor(math.log10(rough))
  step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough)
  return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)] or [low]
