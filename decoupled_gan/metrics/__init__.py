"""Numbers for images: METRICS has them all, once the modules here are imported.

registry.py says how a metric is added and asked for, protocols.py what a paper's numbers mean.
"""

from decoupled_gan.metrics import distribution, lpips, paired, sliced
from decoupled_gan.metrics.registry import METRICS, Estimate, Metric, Request, metric, parse

__all__ = [
  'METRICS', 'Estimate', 'Metric', 'Request', 'distribution', 'lpips', 'metric', 'paired', 'parse',
  'sliced',
]  # fmt: skip
