"""How much of a digit its translation to inverted digits preserves; for gan_only.py and council.py."""

import numpy as np
from sklearn.svm import SVC

from decoupled_gan.data.sources import digits


def preserved(images: np.ndarray, config) -> dict[str, float]:
  """Of translations uint8 [N, 8, 8, 1] of all test digits: labels kept, error."""
  (train_images, train_labels), (test, labels) = digits.halves(config)
  flat = lambda array: array[..., 0].reshape(len(array), -1) / 96  # noqa: E731
  judge = SVC(C=10, gamma=1 / 64).fit(flat(255 - train_images.array), train_labels[:, 0])
  truth = 255.0 - test.array[..., :1]
  return {
    'label kept': float((judge.predict(flat(images)) == labels[:, 0]).mean()),
    'error': float(np.abs(images - truth).mean() / 127.5),
    'label of the truth told': float((judge.predict(flat(truth)) == labels[:, 0]).mean()),
  }
