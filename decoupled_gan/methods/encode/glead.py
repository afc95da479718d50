"""GLeaD: Improving GANs with a Generator-Leading Task (Bai et al., CVPR 2023, arXiv 2212.03752).

StyleGAN2, whose discriminator has a task from the generator: to decode an image into a code from which
the generator, frozen, rebuilds it. Only the discriminator learns from that: the rows `reconstruct` have
no cell in the generator's column, though the gradient passes through it.

  paper, official code         here
  D, decoder, f, w             discriminator = (backbone, decoder); Code.f, .i, .w
  r_d, r_g                     model.decoder_size, model.rebuild_size
  lambda on real, 10           routes.discriminate.reconstruct.discriminator
  lambda on fake, 3            routes.discriminate.reconstruct_fake.discriminator
  fake target `gfeat`, 10      routes.discriminate.match.discriminator
  "Ours", "Ours*", GGDR        variants glead, glead_star, ggdr of the recipes

The rows that the table has are those that are computed. `routes.regularise.reconstruct` is a quirk of
the published code: R1's phase repeats the reconstruction of real images with R1's gain of 16, so that
its gradient counts twice over 16 steps; the variant `plain_r1` is without it. The official scripts'
default is "Ours*" (the paper's GLeaD+GGDR), not "Ours".

The rebuilding generator is the live one, not its average, with fresh noise; the code's w serves all
its layers. Its blocks up to r_g, its constant and its mapping take no part. The decoder is not run when
the generator trains. Under augmentation, which no published run has, images are judged as augmented and
decoded as they are, in two passes: the generator cannot rebuild what it never makes.
"""

import dataclasses
import functools
from collections import OrderedDict
from collections.abc import Callable

import jax
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.types import Array, Examples
from decoupled_gan.errors import UserError
from decoupled_gan.losses.pixels import cosine, mse
from decoupled_gan.methods.noise import stylegan2
from decoupled_gan.methods.noise.stylegan2 import StyleGAN2
from decoupled_gan.networks.glead import Code, TaskedDiscriminator
from decoupled_gan.networks.heads import Verdict
from decoupled_gan.pretrained import lpips


class GLeaD(StyleGAN2):
  """StyleGAN2 with a decoder in its discriminator.

  Attributes:
    decoder_size: r_d, where the code is decoded, in pixels.
    rebuild_size: r_g, where the generator takes it up.
    rebuilds: whether images are rebuilt, rather than features matched only (GGDR).
    distance: (images, targets) -> scalar, between rebuilt and given images.
  """

  decoder_size: int = 64
  rebuild_size: int = 32
  rebuilds: bool = True
  distance: Callable[[Array, Array], Array] = mse

  def make_discriminator(self) -> TaskedDiscriminator:
    channels = self.pyramid.channels(self.rebuild_size) if self.rebuilds else None
    return TaskedDiscriminator(self.pyramid, self.group_size, self.decoder_size, channels, self.w_dim)

  def __call__(self, real: Examples):
    return super().__call__(real), self.discriminator.decode(real.x)

  def rebuild(self, code: Code, noise: str) -> Array:
    """Images [B, S, S, C] by the generator's blocks larger than r_g."""
    f, i = self._at_rebuild_size(code.f), self._at_rebuild_size(code.i)
    return self.generator.synthesis.resume(f, i, code.w, noise)

  def reconstruction(self, code: Code, images: Array) -> Array:
    """The distance between the images and what the generator makes of their code."""
    return self.distance(self.rebuild(code, self.noise), images)

  def mismatch(self, code: Code, features: dict[int, Array]) -> Array:
    """1 - the cosine between f and the features that the generator had (Lee et al., GGDR, 2022)."""
    return 1 - cosine(self._at_rebuild_size(code.f), features[self.rebuild_size])

  def _at_rebuild_size(self, x: Array) -> Array:
    size = self.rebuild_size
    shape = (x.shape[0], size, size, x.shape[3])
    return x if x.shape == shape else jax.image.resize(x, shape, 'bilinear', antialias=False)


class DecodedScene(stylegan2.StyledScene):
  """A scene of constant fakes, with the codes of its images and the features that fakes came from.

  Codes are of images as they are: the discriminator's judgement alone sees them augmented.
  """

  @functools.cached_property
  def _drawn(self) -> tuple[Array, dict[int, Array]]:
    styles = self.gan.styles(len(self.real))
    return stop_gradient(self.gan.generator.synthesis.features(styles, self.gan.noise))

  @property
  def fake(self) -> Array:
    return self._drawn[0]

  @property
  def fake_features(self) -> dict[int, Array]:
    """{size: [B, size, size, channels]} of the generator."""
    return self._drawn[1]

  @functools.cached_property
  def decoded_fake(self) -> tuple[Verdict, Code]:
    return self._decoded(self.fake, 'seen_fake')

  @functools.cached_property
  def decoded_real(self) -> tuple[Verdict, Code]:
    return self._decoded(self.real, 'seen_real')

  def _decoded(self, images: Array, seen: str) -> tuple[Verdict, Code]:
    if self.gan.view.plain:  # one pass of the discriminator is enough
      return self.gan.discriminator.judge_and_decode(images)
    return self.gan.verdict(getattr(self, seen)), self.gan.discriminator.decode(images)

  judged_fake = property(lambda self: self.decoded_fake[0])
  judged_real = property(lambda self: self.decoded_real[0])


def discriminate(gan: GLeaD, real: Examples) -> dict:
  """Tell real images from drawn ones, and decode both: trains the discriminator."""
  scene = DecodedScene(gan, real, frozen=True).pretend()
  _ = scene.decoded_fake  # first, as ever: sums of gradients then stay what they were to the last bit
  return stylegan2.telling(scene) | {
    'reconstruct': lambda: gan.reconstruction(scene.decoded_real[1], scene.real),
    'reconstruct_fake': lambda: gan.reconstruction(scene.decoded_fake[1], scene.fake),
    'match': lambda: gan.mismatch(scene.decoded_fake[1], scene.fake_features),
  }


def regularise(gan: GLeaD, real: Examples) -> dict:
  """R1 and, in the published settings, the reconstruction of real images once more."""

  def reconstruct():
    return gan.reconstruction(gan.discriminator.decode(real.x), real.x)

  return stylegan2.regularise(gan, real) | {'reconstruct': reconstruct}


def build(config: ConfigDict) -> GLeaD:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, fields = config.model, stylegan2.fields(config)
  pyramid = fields['pyramid']
  gan = GLeaD(
    **fields,
    decoder_size=model.decoder_size,
    rebuild_size=model.rebuild_size,
    rebuilds=any(loss.startswith('reconstruct') for rows in config.routes.values() for loss in rows),
    distance=_distance(model),
  )
  for field, smallest, largest in (
    ('decoder_size', 8, pyramid.size),
    ('rebuild_size', 4, pyramid.size // 2),
  ):
    fitting = [size for size in pyramid.sizes(smallest) if size <= largest]
    if model[field] not in fitting:
      raise UserError(
        f'model.{field}={model[field]} does not fit image_size={pyramid.size}: it must be one of '
        f'{", ".join(map(str, fitting))}.'
      )
  here, there = (pyramid.channels(model[f]) for f in ('decoder_size', 'rebuild_size'))
  if not gan.rebuilds and here != there:
    raise UserError(
      f'Matching features without rebuilding needs equal widths, but the decoder has {here} channels '
      f'at model.decoder_size={model.decoder_size} and the generator {there} at '
      f'model.rebuild_size={model.rebuild_size}: make the two sizes equal.'
    )
  return gan


def _distance(model: ConfigDict) -> Callable[[Array, Array], Array]:
  """(images, targets) -> scalar. LPIPS's weights are read when a phase first needs them."""
  if model.distance not in ('lpips', 'mse'):
    raise UserError(f'model.distance={model.distance!r} is unknown; there are lpips and mse.')
  if model.distance == 'mse':
    return mse

  def distance(x, y):
    try:
      weights = lpips.load(model.lpips_weights)
    except UserError as error:
      raise UserError(
        f'{error} Without LPIPS there is --config.model.distance=mse, which no paper has used.'
      ) from error
    return lpips.distance(weights, x, y).mean()

  return distance


def sample(gan: GLeaD, real: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: those of StyleGAN2, and real and drawn images rebuilt."""
  columns = stylegan2.sample(gan, real)
  if gan.rebuilds:
    columns['rebuilt'] = reconstruct(gan, real.x)
    columns['generated_rebuilt'] = reconstruct(gan, columns['generated'])
    for name in ('rebuilt', 'real'):
      columns.move_to_end(name, last=False)
  return columns


def reconstruct(gan: GLeaD, images: Array) -> Array:
  """Images [B, S, S, C] through the discriminator's heads and the generator, noise fixed."""
  return gan.rebuild(gan.discriminator.decode(images), 'const')


def lacks(gan: GLeaD) -> dict[str, str]:
  """Without a code there is nothing to rebuild from."""
  if gan.rebuilds:
    return {}
  why = 'this run matches features only (ggdr): its decoder gives no code to rebuild from'
  return {'reconstruct': why}


METHOD = dataclasses.replace(
  stylegan2.METHOD,
  objectives=stylegan2.METHOD.objectives | {'discriminate': discriminate, 'regularise': regularise},
  build=build,
  sample=sample,
  reconstruct=reconstruct,
  lacks=lacks,
)
