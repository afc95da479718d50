"""Numbers for images: METRICS has them all, once the modules here are imported.

registry.py says how a metric is added and asked for, protocols.py what a paper's numbers mean.
"""

from decoupled_gan.evaluation.metrics import (
  classes,
  classification,
  distribution,
  fidelity,
  paired,
  path_length,
  perceptual,
  points,
  similarity,
  sliced,
  untold,
)
from decoupled_gan.evaluation.metrics.registry import METRICS, Estimate, Metric, Request, metric, parse

__all__ = [
  'METRICS', 'Estimate', 'Metric', 'Request', 'classes', 'classification', 'distribution', 'fidelity',
  'metric', 'paired', 'parse', 'path_length', 'perceptual', 'points', 'similarity', 'sliced',
  'untold',
]  # fmt: skip
