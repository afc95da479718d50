"""What a discriminator can be asked of its outputs and features, beside telling real from fake.

  direction         SAN (Takida et al., ICLR 2024, arXiv 2301.12811)
  supervised        K classes (Salimans et al., NIPS 2016, section 5)
  feature_penalty   MMD GAN's "L2 discriminator penalty" (Binkowski et al., ICLR 2018)
"""

import jax
import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError
from decoupled_gan.losses import f32
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import Scene


@term('discriminate')
def direction(scene: Scene) -> Array:
  """mean D(g) - mean D(x): what the last, linear map learns by, the features learning by the base loss.

  The paper's two stop-gradients are two rows, whatever the base loss is: `adversarial` trains the
  discriminator without the head's direction, this one trains that and nothing else; weight 1. It is the
  official code's for hinge. (For least squares sony/bigvsan has squares of softplus here.)
  """
  return f32(scene.on_fake).mean() - f32(scene.on_real).mean()


@term('discriminate', few_labels=True)
def supervised(scene: Scene) -> Array:
  """The cross-entropy of outputs [B, K] and the first attribute's labels; those below 0 are unknown."""
  outputs = f32(scene.on_real)
  quantities = scene.labels is not None and jnp.issubdtype(scene.labels.dtype, jnp.floating)
  if scene.labels is None or quantities or outputs.shape[-1] < 2:
    raise UserError('supervised needs labels of classes (config.attributes) and as many model.outputs.')
  labels = scene.labels[:, 0]
  known = labels >= 0
  right = jnp.take_along_axis(jax.nn.log_softmax(outputs), jnp.maximum(labels, 0)[:, None], 1)[:, 0]
  return -(right * known).sum() / jnp.maximum(known.sum(), 1)


@term('discriminate')
def feature_penalty(scene: Scene) -> Array:
  """The mean squares of each hidden layer and of the outputs, added up, real plus fake; weight 1.

  A stage `features` is no layer, but the last one in another shape.
  """
  layers = [x for of in (scene.seen_real, scene.seen_fake) for x in scene.layers(of).items()]
  hidden = [x for name, x in layers if name != 'features']
  return sum(jnp.square(f32(x)).mean() for x in (*hidden, scene.on_real, scene.on_fake))
