"""Penalties on the discriminator's slope: norms over all axes but the first, means over that.

The slope is that of the scene's `witness`: the output, or what a kernel makes of several. Fakes are
constants, and a penalty never stands in `generate`.
"""

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.losses import f32
from decoupled_gan.terms import slopes, term
from decoupled_gan.terms.scenes import Scene


@term('discriminate', 'regularise')
def gradient_penalty(scene: Scene, slope: float = 1.0) -> Array:
  """mean (|grad D| - 1)^2 between real and fake (Gulrajani et al., NIPS 2017, eq. 3); weight 10."""
  return jnp.square(slopes(scene.witness, scene.between) - slope).mean()


@term('discriminate', 'regularise')
def one_sided_gradient_penalty(scene: Scene, slope: float = 1.0) -> Array:
  """mean relu(|grad D| - 1)^2 between real and fake (Gulrajani et al., section 4); weight 10."""
  return jnp.square(jax.nn.relu(slopes(scene.witness, scene.between) - slope)).mean()


@term('discriminate', 'regularise')
def max_gradient(scene: Scene) -> Array:
  """max |grad D|^2 of the batch, between real and fake (Zhou et al., ICML 2019); StudioGAN's weight: 10.
  """
  return jnp.square(slopes(scene.witness, scene.between)).max()


@term('discriminate', 'regularise')
def dragan(scene: Scene, scale: float = 0.5, std: str = 'all', mixed: bool = True) -> Array:
  """mean (|grad D| - 1)^2 beside real examples (Kodali et al., 2017, arXiv 1705.07215); weight 10.

  Three codings are published. This is StudioGAN's: x + a scale std U, with one unbiased std of `all`
  numbers, U of U(0, 1) for each number and a for each example. std='element', mixed=False is chainer's:
  a std of each number over the batch, and no a.
  """
  real = scene.real
  spread = real.std(ddof=1) if std == 'all' else real.std(0, keepdims=True)
  noise = scale * spread * scene.uniform('dragan', real.shape)
  noise = scene.uniform('dragan_share', scene.one_each) * noise if mixed else noise
  return jnp.square(slopes(scene.witness, real + noise) - 1).mean()


@term('discriminate', 'regularise')
def r1(scene: Scene, finite_difference: float = 0.0, share: float = 1.0) -> Array:
  """mean |grad D|^2 on real examples (Mescheder et al., ICML 2018, eq. 9); weight gamma / 2.

  By differences over `finite_difference` times N(0, 1), if that is not 0, on a `share` of the batch: of
  the same mean, without second derivatives (Lin et al., ICML 2026). It wants compute_dtype='float32'.
  """
  return _squared_slope(scene, 'r1', scene.real, finite_difference, share)


@term('discriminate', 'regularise')
def r2(scene: Scene, finite_difference: float = 0.0, share: float = 1.0) -> Array:
  """mean |grad D|^2 on fakes (Mescheder et al., ICML 2018, eq. 10); weight gamma / 2. See r1."""
  return _squared_slope(scene, 'r2', scene.fake, finite_difference, share)


def _squared_slope(scene: Scene, name: str, x: Array, finite_difference: float, share: float) -> Array:
  if not finite_difference:
    return jnp.square(slopes(scene.witness, x)).mean()
  x = x[: max(1, round(share * len(x)))]
  moved = x + finite_difference * jax.random.normal(scene.key(name), x.shape)
  difference = (f32(scene.witness(moved)) - f32(scene.witness(x))).reshape(len(x), -1).sum(1)
  return jnp.square(difference / finite_difference).mean()


@term('discriminate')
def lecam(scene: Scene, decay: float = 0.9, start: int = 1000) -> Array:
  """mean relu(D(x) - a_fake)^2 + mean relu(a_real - D(g))^2 (Tseng et al., CVPR 2021); weight 0.3.

  The a are running averages of the mean outputs, moved before they are used; until step `start` there
  is no penalty, and they follow at once. The relu is the official code's: eq. 5 has plain squares. The
  weight is that of hinge outputs.
  """
  sides = {'real': f32(scene.on_real), 'fake': f32(scene.on_fake)}
  real, fake = (scene.average(f'lecam_{side}', x.mean(), decay, start) for side, x in sides.items())
  above, below = jax.nn.relu(sides['real'] - fake), jax.nn.relu(real - sides['fake'])
  return jnp.where(scene.step < start, 0.0, jnp.square(above).mean() + jnp.square(below).mean())


@term('discriminate')
def drift(scene: Scene) -> Array:
  """mean D(x)^2: outputs stay near 0 (Karras et al., ICLR 2018, appendix A.1); weight 0.001."""
  return jnp.square(f32(scene.on_real)).mean()


@term('discriminate')
def centering(scene: Scene) -> Array:
  """mean (D(x) + D(g))^2, row by row: what a relativistic loss leaves free; weight 0.01.

  Lin et al., ICML 2026 (arXiv 2511.22475).
  """
  return jnp.square(f32(scene.on_real) + f32(scene.on_fake)).mean()
