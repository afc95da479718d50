"""What can be asked of the view (augment/): its strength in the log, its draws to be predicted."""

from collections.abc import Mapping

import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.losses.pixels import mse
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import Scene


@term('discriminate')
def strength(scene: Scene) -> Array:
  """p of ADA, APA or Diffusion-GAN, for the log: its row is {}."""
  return scene.gan.view.strength()


@term('discriminate')
def overfitting(scene: Scene) -> Array:
  """r, the mean sign of D on real examples that p follows, for the log: its row is {}."""
  return scene.gan.view.overfitting()


@term('discriminate', 'generate')
def augself(scene: Scene) -> Array:
  """How examples were augmented, told from features (Hou et al., NeurIPS 2023, arXiv 2205.15677).

  D learns to say +w of real examples and -w of fakes, w being the draws; G makes fakes of which it says
  +w rather than -w. Both halves of the difference of features train D.
  """

  def predicted(seen, judged, plain) -> Mapping[str, Array]:
    unchanged = scene.verdict(scene.gan.view.as_is(plain))
    return scene.gan.predictor(judged.features - unchanged.features)

  on_fake, fake_draws = predicted(scene.seen_fake, scene.judged_fake, scene.fake), scene.seen_fake.draws
  if not scene.frozen:
    return missed(on_fake, fake_draws, 1) - missed(on_fake, fake_draws, -1)
  on_real = predicted(scene.seen_real, scene.judged_real, scene.real)
  return missed(on_real, scene.seen_real.draws, 1) + missed(on_fake, fake_draws, -1)


def missed(predicted: Mapping[str, Array], draws: Mapping[str, Array], sign: int) -> Array:
  """The sum over words of the mean squared distance from sign * draws [B, k]."""
  return jnp.stack([mse(predicted[word], sign * draws[word]) for word in draws]).sum()
