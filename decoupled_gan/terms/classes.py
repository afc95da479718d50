"""What classes have to do with it: the rows of class-conditional GANs and of self-supervised ones.

  classify        real examples count as their class; the generator's fakes are to do so, too
  classify_fake   fakes are told as the game has them; a generator may have it with a negative weight

The game, `config.model.classes`, is a word of networks/games.py. `config.model.classes_of` says what
classes are of: 'labels', or what was done to an example, which needs none (TURNS). Then every example,
real or fake, is shown with everything done to it, and tells which:

  rotations   by 0, 90, 180, 270 degrees counter-clockwise, as numpy.rot90: SSGAN (Chen et al., CVPR
              2019), SSGAN-MS (Tran et al., NeurIPS 2019), SSGAN-LA (Hou et al., NeurIPS 2021)
  quarters    the same with a quarter of the batch for each: a quarter of the work
  shifts      points, by 0, 2, 4 and 6: the toy of SSGAN-LA's notebook

The labels of fakes are those of the real rows, as everywhere here. *Where we differ*: StudioGAN and
ADC-GAN draw them uniformly, anew in each phase; the shares of classes are the data's here.
"""

import jax.numpy as jnp

from decoupled_gan.core.types import Array
from decoupled_gan.errors import UserError, listing
from decoupled_gan.terms import term
from decoupled_gan.terms.scenes import Scene

ANGLES = 4


def rotations(x: Array) -> tuple[Array, Array]:
  """Images [B, S, S, C] turned by each angle: [4 B, S, S, C], and which [4 B]."""
  _square(x)
  turned = [jnp.rot90(x, r, (1, 2)) for r in range(ANGLES)]
  return jnp.concatenate(turned), jnp.repeat(jnp.arange(ANGLES), len(x))


def quarters(x: Array) -> tuple[Array, Array]:
  """Images [B, S, S, C], each quarter of the batch by an angle of its own."""
  _square(x)
  if len(x) % ANGLES:
    raise UserError(f'batch_size={len(x)}: quarters of it are rotated, so it has to be divisible by 4.')
  parts = jnp.split(x, ANGLES)
  turned = [jnp.rot90(part, r, (1, 2)) for r, part in enumerate(parts)]
  return jnp.concatenate(turned), jnp.repeat(jnp.arange(ANGLES), len(parts[0]))


def shifts(x: Array) -> tuple[Array, Array]:
  """Points [B, D] moved by 0, 2, 4, 6 in each coordinate: [4 B, D], and by which."""
  if x.ndim != 2:
    raise UserError("model.classes_of='shifts' moves points; images have rotations and quarters.")
  moved = [x + 2.0 * r for r in range(ANGLES)]
  return jnp.concatenate(moved), jnp.repeat(jnp.arange(ANGLES), len(x))


def _square(x: Array):
  if x.ndim != 4 or x.shape[1] != x.shape[2]:
    raise UserError('rotations are of square images; points have model.classes_of = shifts.')


TURNS = {'rotations': rotations, 'quarters': quarters, 'shifts': shifts}
"""Word -> examples [B, ...] -> (the same otherwise, which of ANGLES), the number in blocks of rows."""
CLASSES_OF = ('labels', *TURNS)


def counts_of(classes_of: str) -> tuple[int, ...]:
  """How many classes there are; () where the data says so. Raises UserError for an unknown word."""
  if classes_of not in CLASSES_OF:
    raise UserError(f'model.classes_of={classes_of!r} is unknown; there are {listing(CLASSES_OF)}.')
  return () if classes_of == 'labels' else (ANGLES,)


@term('discriminate', 'generate')
def classify(scene: Scene) -> Array:
  """The loss of the classes of real examples; for a generator, of fakes as if they were; weight 1."""
  classifier, key = scene.gan.classifier, scene.key('classify')
  tell = classifier.error if scene.frozen else classifier.rising
  return tell(*told(scene, fake=not scene.frozen), key)


@term('discriminate', 'generate')
def classify_fake(scene: Scene) -> Array:
  """The loss of fakes as fakes of their class; weight 1, for the generators of TAC and ADC -1."""
  classifier, key = scene.gan.classifier, scene.key('classify_fake')
  tell = classifier.error_on_fakes if scene.frozen else classifier.rising_as_fakes
  return tell(*told(scene, fake=True), key)


def told(scene: Scene, fake: bool) -> tuple[Array, Array]:
  """(features [B, F], labels [B, A]) of real examples or of fakes, or of their turns."""
  if scene.gan.classes_of == 'labels':
    judged = scene.judged_fake if fake else scene.judged_real
    return judged.features, scene.told_to(judged.features)[1]
  turn = TURNS[scene.gan.classes_of]

  def judge():
    x, which = turn(scene.fake if fake else scene.real)
    return scene.judge(x, f'turned {"fakes" if fake else "examples"}').features, which[:, None]

  return scene.once('turned fakes' if fake else 'turned examples', judge)
