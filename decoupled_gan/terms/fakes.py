"""What a generator can be asked beside, or in place of, its adversarial loss.

  feature_matching         Salimans et al., NIPS 2016, section 3.1
  top_k                    Sinha et al., NeurIPS 2020 (arXiv 2002.06224); in place of `adversarial`
  normalised_adversarial   Lin et al., ICML 2026 (arXiv 2511.22475); in place of `adversarial`
  transport                the same paper
"""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.losses import f32
from decoupled_gan.losses.pixels import mse
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import Scene

REDUCTIONS = {
  'sum': lambda x: jnp.square(x).sum(),
  'mean': lambda x: jnp.square(x).mean(),
  'absolute': lambda x: jnp.abs(x).mean(),
}


@term('generate')
def feature_matching(scene: Scene, reduction: str = 'sum') -> Array:
  """|mean f(x) - mean f(G z)|^2, f the features that the head gets; instead of `adversarial`; weight 1.

  The official codes have other norms: the `mean` of the squares (MNIST), or the mean of the `absolute`
  differences (CIFAR, SVHN). Gradients reach the discriminator only where the table says so.
  """
  if reduction not in REDUCTIONS:
    raise UserError(f'losses.feature_matching.reduction={reduction!r}: there are {listing(REDUCTIONS)}.')
  real, fake = f32(scene.judged_real.features), f32(scene.judged_fake.features)
  return REDUCTIONS[reduction](real.mean(0) - fake.mean(0))


@term('generate')
def top_k(scene: Scene, decay: float = 0.99, least: float = 0.5, epoch_steps: int = 781) -> Array:
  """The adversarial loss of the k fakes with the largest outputs; a row in place of `adversarial`.

  k begins with all B and becomes max(decay k, least B) after each epoch. An epoch of `epoch_steps` is
  CIFAR-10 in batches of 64. Constants by third parties (StudioGAN, torch_mimicry).
  """
  players, outputs = scene.gan.adversarial, scene.on_fake
  if players.pairs:
    raise UserError('top_k leaves out fakes, each of which a relativistic loss pairs with an example.')
  share = jnp.maximum(decay ** (scene.step // epoch_steps), least)
  k = jnp.maximum(jnp.floor(share * len(outputs) + 1e-4), 1)  # floats: 0.5 * 64 is to be 32
  rank = jnp.argsort(jnp.argsort(-stop_gradient(f32(outputs)).sum(-1)))
  each = jax.vmap(lambda output: players.generate(output[None], None))(outputs)
  return (each * (rank < k)).sum() / k


@term('generate')
def normalised_adversarial(scene: Scene, decay: float = 0.9) -> Array:
  """The adversarial loss with a gradient of one size, where it enters the fakes; for `adversarial`.

  The gradient d at the fakes, of n numbers, is divided by sqrt(v) + 1e-8, v the running average (from 0,
  uncorrected) of n sum d^2: its root mean square is 1/n then, whatever the discriminator's scale.
  """
  players, critic, fake = scene.gan.adversarial, scene.critic, scene.fake
  real = scene.on_real if players.pairs else None
  value, d = jax.value_and_grad(lambda x: players.generate(critic(x), real))(stop_gradient(fake))
  v = scene.average('normalised_adversarial', d.size * jnp.square(f32(d)).sum(), decay)
  pull = (stop_gradient(d / (jnp.sqrt(v) + 1e-8)) * fake).sum()
  return stop_gradient(value) + pull - stop_gradient(pull)


@term('generate')
def transport(scene: Scene) -> Array:
  """mean (G z - z)^2, over all numbers: of all maps onto the data, the one that moves least.

  Lin et al.; their weight falls from 0.2 to 0.005 by a cosine. A mean, not a sum, over dimensions.
  Latents must be as large as an example: model.z_dim = 0.
  """
  if scene.z.size != scene.fake.size:
    raise UserError(
      f'transport compares latents of {scene.z[0].size} numbers with examples of {scene.fake[0].size}: '
      'model.z_dim = 0 makes them as large.'
    )
  return mse(scene.fake, scene.z.reshape(scene.fake.shape))
