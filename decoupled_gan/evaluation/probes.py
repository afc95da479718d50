"""Linear probes: what a frozen encoder's codes know of classes that nobody told it."""

from collections.abc import Callable

import numpy as np

from decoupled_gan.errors import UserError


def linear(codes: np.ndarray, labels: np.ndarray, classes: int) -> Callable[[np.ndarray], np.ndarray]:
  """codes [M, D] -> log probabilities float32 [M, classes], fitted on codes [N, D] of labels int [N].

  Logistic regression (scikit-learn's, its usual penalty) of standardised codes: an encoder that nobody
  trained gives codes near 0, which the penalty would take for none. Classes without an example have a
  probability of 0.
  """
  if not np.isfinite(codes).all():
    raise UserError('a linear probe cannot learn from codes that are not finite: the run went astray.')
  from sklearn.linear_model import LogisticRegression  # half a second that no other task should pay for
  from sklearn.pipeline import make_pipeline
  from sklearn.preprocessing import StandardScaler

  probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(codes, labels)

  def told(codes: np.ndarray) -> np.ndarray:
    found = np.full((len(codes), classes), -np.inf, np.float32)
    found[:, probe.classes_] = probe.predict_log_proba(codes)
    return found

  return told
