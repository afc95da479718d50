"""The filters of ADA: sym6 to resample, four bands of sym2 (Karras et al., 2020, appendix B).

Daubechies' least asymmetric wavelets, to 10 digits: numbers of the textbooks, not of an implementation.
"""

import numpy as np

SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
SYM6 = (
  0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
  0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
  -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
BANDS = 4


def bands() -> np.ndarray:
  """[4, 43]: symmetric filters of as many octaves, the lowest first, whose sum is the unit impulse.

  Low and high pass of sym2 times their mirror images; each octave stretches those below it by inserted
  zeros, passes them through the low pass, and takes the high pass for its own.
  """
  low = np.convolve(SYM2, SYM2[::-1]) / 2
  high = low * (-1.0) ** np.arange(1, len(low) + 1)
  found = np.eye(BANDS, 1)
  for k in range(1, BANDS):
    stretched = np.zeros((BANDS, 2 * found.shape[1] - 1))
    stretched[:, ::2] = found
    found = np.stack([np.convolve(row, low) for row in stretched])
    middle = (found.shape[1] - len(high)) // 2
    found[k, middle : middle + len(high)] += high
  return found
