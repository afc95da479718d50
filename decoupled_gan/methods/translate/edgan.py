"""ED//GAN: decoupled learning for conditional adversarial networks (Zhang, Song, Qi, WACV 2018,
arXiv 1801.06790): what its two forms, `edgan_labelled` and `edgan_aligned`, have in common.

Reconstruction trains one path, the adversarial loss another beside it, and their images are added:

  official code             here
  lowBand_E, lowBand_G      encoder, decoder (labelled)      } `rebuild`: trained by l1 only
  g_* ("const")             generator (aligned)              }
  highBand_G, pg_* ("res")  residual                           trained by the adversarial loss only
  D_img, d_*                discriminator
  D_z                       latent_discriminator (labelled)
  output                    rebuild + residual, in [-2, 2]: nothing clips it before it is judged

No weight balances the two losses, since no network gets both. The networks that reconstruct train
exactly as an autoencoder would, whatever the adversarial weight.

The table decides more than weights here. ED+GAN, the coupled baseline that the paper argues against,
is the row `reconstruct.adversarial` in the columns of the networks that reconstruct, and model.residual
off. The row `judge.latent` is what there is a latent discriminator for. The official code has no ED+GAN;
ours is one decoder trained by l1 + weight x adversarial, everything else alike.

Order. The official face code runs all optimizers at once, unordered, then the residual's again on the
same batch; the image code runs generator, discriminator, residual. Here phases come one after another,
each with the parameters that the one before left: reconstruct, judge, refine (labelled: refine twice).
Adam is optax's; TensorFlow 1 adds epsilon before the bias correction, which matters to gradients
below 1e-6 only.
"""

import functools
from collections.abc import Callable

from jax.lax import stop_gradient

from decoupled_gan.core.types import Array, Losses
from decoupled_gan.losses.adversarial import logistic
from decoupled_gan.losses.pixels import l1


class Decoupled:
  """What the objectives ask of a form's linen module, which has the networks.

  Attributes:
    has_residual: whether there is a residual.
  """

  has_residual: bool

  def truth(self, batch) -> Array:
    """The real images [B, S, S, C] of a batch."""
    raise NotImplementedError

  def rebuild(self, batch) -> tuple[Array, Array]:
    """The reconstruction of `truth`, and the code from which the residual is made."""
    raise NotImplementedError

  def correct(self, batch, code: Array) -> Array:
    """The residual, in [-1, 1], of a code."""
    raise NotImplementedError

  def judge(self, batch, images: Array) -> Array:
    """The discriminator's logits [B, 1] of images under a batch's conditions."""
    raise NotImplementedError

  def generate(self, batch) -> Array:
    """Reconstruction plus residual, [B, S, S, C] in [-2, 2]."""
    rebuilt, code = self.rebuild(batch)
    return rebuilt + self.correct(batch, code) if self.has_residual else rebuilt


def reconstruct(gan: Decoupled, batch) -> Losses:
  """Rebuild the image: trains the networks that do, and nothing else does in ED//GAN."""
  rebuilt, _ = gan.rebuild(batch)
  return {
    'l1': l1(rebuilt, gan.truth(batch)),
    'adversarial': lambda: logistic(gan.judge(batch, rebuilt), True),
  }


def judge(gan: Decoupled, batch) -> Losses:
  """Tell real images from generated ones, each in a batch (and batch statistics) of its own."""
  fake = stop_gradient(gan.generate(batch))
  real_logits, fake_logits = gan.judge(batch, gan.truth(batch)), gan.judge(batch, fake)
  return {'adversarial': logistic(real_logits, True) + logistic(fake_logits, False)}


def refine(gan: Decoupled, batch) -> Losses:
  """Add what makes the reconstruction look real: trains the residual."""

  image = refined(gan, batch)
  return {'adversarial': lambda: logistic(gan.judge(batch, image()), True)}


def refined(gan: Decoupled, batch) -> Callable[[], Array]:
  """The reconstruction, a constant, and the residual: made once, when a loss first looks at it."""

  @functools.cache
  def image():
    rebuilt, code = stop_gradient(gan.rebuild(batch))
    return rebuilt + gan.correct(batch, code)

  return image
