"""SinGAN: Learning a Generative Model from a Single Natural Image (Rott Shaham, Dekel, Michaeli, ICCV
2019, arXiv 1905.01164; code tamarott/SinGAN).

A pyramid of generators, each with a discriminator of 11 px patches, learned from one image one scale
after the other, the coarsest first. What a scale makes is enlarged, and the next one adds to it.

  paper                     here
  G_n, D_n                  generator_n, discriminator_n; n = 0 is the coarsest (the paper counts down)
  eq. 4, L_adv, WGAN-GP     judge_n/adversarial and gradient_penalty 0.1; draw_n/adversarial
  eq. 5 and 6, alpha 10     draw_n/reconstruct
  z*, sigma_n               `fixed`, `amplitudes`: variables, saved with the run

Scale n is trained in the window of its two phases, each played three times a step; what the coarser
scales make is a constant there, by their running statistics. The event `inherit` gives scale n the
networks of scale n - 1 to begin with, where both have one width.

Where we differ: z* is drawn once, as the paper says (the code draws it anew in each iteration of the
coarsest scale and keeps the last). The three steps of a generator draw what comes from coarser scales
anew and make their fakes by the present parameters; the code repeats the backward pass of one fake,
which PyTorch refuses today. Averages of a discriminator's norms, which nothing reads, leave the
penalty's call out. Images pass from scale to scale in 8 bits, cut off, as in the code; 0.001 is added
before the cut, so that a level that float32 has slightly too low stays that level.
"""

import functools
from collections import OrderedDict
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient
from ml_collections import ConfigDict

from decoupled_gan.core.method import Event, Method
from decoupled_gan.core.types import Array, Examples, image_shape
from decoupled_gan.errors import UserError
from decoupled_gan.layers.resample import rescaled_8_bit
from decoupled_gan.losses.pixels import mse
from decoupled_gan.networks.singan import Generator, Patches, Sizes, pyramid, widths

MOST_SCALES = 12  # that the table can have; the published sizes lead to 11 at most
DRAWN = 3  # columns of new images in a sample grid


class SinGAN(nn.Module):
  """Lists of networks, the coarsest scale first.

  Attributes:
    sizes: (height, width) of each scale.
    ratio: of one scale to the next.
    widths: features of each scale.
    share: the noise of a scale is so much of the coarser ones' reconstruction's error.
    drawn: sizes of the scales when it draws.
    start: scales below have the noise z* when it draws.
  """

  sizes: Sizes
  ratio: float
  widths: tuple[int, ...]
  channels: int
  share: float
  drawn: Sizes
  start: int = 0
  dtype: Any = jnp.float32

  def setup(self):
    self.generator = [Generator(width, self.channels, self.dtype) for width in self.widths]
    self.discriminator = [Patches(width, dtype=self.dtype) for width in self.widths]
    shape = (1, *self.sizes[0], 1)
    self.fixed = self.variable('fixed', 'z', lambda: jax.random.normal(self.make_rng('params'), shape))
    self.amplitudes = self.variable('amplitudes', 'sigma', jnp.zeros, (len(self.sizes),))

  @property
  def z_dim(self) -> int:
    """How many numbers the noise of one drawing has."""
    return sum(map(int, map(np.prod, self.shapes(self.drawn))))

  @nn.nowrap
  def shapes(self, sizes: Sizes) -> list[tuple[int, int, int]]:
    """Of the noise: one map for all channels at the coarsest scale, one for each at the others."""
    return [(*size, self.channels if n else 1) for n, size in enumerate(sizes)]

  def real(self, images: Array, n: int) -> Array:
    """The images at scale n."""
    return rescaled_8_bit(images, self.ratio ** (len(self.sizes) - 1 - n))

  def noise(self, key: Array, batch: int, scales: range) -> list[Array]:
    """Maps of some scales, at the sizes of training."""
    shapes = self.shapes(self.sizes)
    return [jax.random.normal(jax.random.fold_in(key, n), (batch, *shapes[n])) for n in scales]

  def fixed_noise(self, batch: int) -> list[Array]:
    """z* of the coarsest scale, and no noise at the others: what gives the image back."""
    first, *others = self.shapes(self.sizes)
    return [
      jnp.broadcast_to(self.fixed.value, (batch, *first)),
      *[jnp.zeros((batch, *shape)) for shape in others],
    ]

  def given(self, maps: list[Array], sizes: Sizes) -> Array:
    """What the scale after those of `maps` is given, of size sizes[len(maps)], or the finest's image.

    No gradient reaches the networks, and their running statistics serve.
    """
    image = jnp.zeros((len(maps[0]) if maps else 1, *sizes[0], self.channels))
    for n, noise in enumerate(maps):
      network, variables = self.generator[n].unbind()
      image = network.apply(stop_gradient(variables), self.amplitudes.value[n] * noise, image)
      if n + 1 < len(sizes):
        image = filling(rescaled_8_bit(image, 1 / self.ratio), sizes[n + 1])
    return stop_gradient(image)

  def reconstruction(self, real: Array, n: int) -> tuple[Array, Array]:
    """(what scale n is given by z*, z* itself); its distance to the image says how much noise n has."""
    maps = self.fixed_noise(len(real))
    given = self.given(maps[:n], self.sizes) if n else jnp.zeros(real.shape)
    sigma = self.share * jnp.sqrt(mse(real, given)) if n else 1.0
    if self.is_mutable_collection('amplitudes'):
      self.amplitudes.value = self.amplitudes.value.at[n].set(sigma)
    return given, maps[n]

  def fake(self, n: int, batch: int, track: bool) -> Array:
    """New images of scale n. Its noise is one for all phases of a step, that below a phase's own."""
    (noise,) = self.noise(self.make_rng('step'), batch, range(n, n + 1))
    below = self.noise(self.make_rng('noise'), batch, range(n))
    given = self.given(below, self.sizes) if n else jnp.zeros((batch, *self.sizes[0], self.channels))
    return self.generator[n](self.amplitudes.value[n] * noise, given, track)


def filling(image: Array, size: tuple[int, int]) -> Array:
  """The upper left of an image, of `size`; where it is smaller, enlarged bilinearly."""
  cut = image[:, : size[0], : size[1]]
  if cut.shape[1:3] == tuple(size):
    return cut
  return jax.image.resize(cut, (len(cut), *size, cut.shape[-1]), 'linear')


def penalty(discriminator: nn.Module, real: Array, fake: Array, share: Array) -> Array:
  """(|grad D| - 1)^2 at share * real + (1 - share) * fake, a mean over *pixels*: a norm for each."""
  network, variables = discriminator.unbind()
  verdict = lambda x: network.apply(variables, x, mutable=['batch_stats'])[0].sum()  # noqa: E731
  gradient = jax.grad(verdict)(share * real + (1 - share) * fake)
  return jnp.square(jnp.sqrt(jnp.square(gradient).sum(-1)) - 1).mean()


def judge(n: int, gan: SinGAN, batch: Examples) -> dict:
  """Tell patches of scale n from those that are made: trains its discriminator."""
  if n >= len(gan.sizes):
    return {}
  real = gan.real(batch.x, n)
  gan.reconstruction(real, n)
  fake = stop_gradient(gan.fake(n, len(real), track=True))
  score = gan.discriminator[n]
  share = jax.random.uniform(gan.make_rng('noise'))
  return {
    'adversarial': lambda: score(fake).mean() - score(real).mean(),
    'gradient_penalty': lambda: penalty(score, real, fake, share),
  }


def draw_scale(n: int, gan: SinGAN, batch: Examples) -> dict:
  """Look real, and give the image back from z*: trains the generator of scale n."""
  if n >= len(gan.sizes):
    return {}
  real = gan.real(batch.x, n)
  given, fixed = gan.reconstruction(real, n)
  again = lambda: gan.generator[n](gan.amplitudes.value[n] * fixed, given)  # noqa: E731
  return {
    'adversarial': lambda: -gan.discriminator[n](gan.fake(n, len(real), track=False)).mean(),
    'reconstruct': lambda: mse(again(), real),
  }


def build(config: ConfigDict) -> SinGAN:
  """The module that `config` describes; raises UserError where its fields do not fit."""
  model, shape = config.model, image_shape(config)
  sizes, ratio = pyramid(*shape, model.min_size, model.max_size, model.ratio)
  if sizes[-1] != shape:
    raise UserError(
      f'image_size={shape} is larger than model.max_size={model.max_size}: the word '
      f'{sizes[-1][0]}x{sizes[-1][1]} behind the recipe is the size that it would become.'
    )
  asked = sum(bool(row) for name, row in config.routes.items() if name.startswith('judge_'))
  if asked != len(sizes):
    raise UserError(
      f'image_size={shape} has {len(sizes)} scales, and the table has phases of {asked}: name the size '
      f'by a word, as in --config=configs/singan.py:{shape[0]}x{shape[1]}, which makes the table.'
    )
  return SinGAN(
    sizes, ratio, widths(model.width, len(sizes)), config.image_channels, model.noise_share, sizes,
    dtype=jnp.dtype(config.compute_dtype),
  )  # fmt: skip


def sample(gan: SinGAN, batch: Examples) -> OrderedDict[str, Array]:
  """The columns of a sample grid: what z* gives of the image, and new ones."""
  count, scales = len(batch.x), range(len(gan.sizes))
  columns = OrderedDict(reconstruction=gan.given(gan.fixed_noise(count), gan.sizes))
  for i in range(DRAWN):
    maps = gan.noise(jax.random.key(i), count, scales)
    columns[f'drawn_{i}'] = gan.given(maps, gan.sizes)
  return columns


def style(gan: SinGAN, z: Array, truncation: float) -> Array:
  """z itself, smaller by `truncation`: the noise of all scales, one map after the other."""
  return z * truncation


def draw(gan: SinGAN, codes: Array, noise: str) -> Array:
  """Images of the noise [B, z_dim] at the sizes `gan.drawn`; `noise` is of no use here."""
  maps, fixed, begin = [], gan.fixed_noise(len(codes)), 0
  for n, shape in enumerate(gan.shapes(gan.drawn)):
    end = begin + int(np.prod(shape))
    own = codes[:, begin:end].reshape(-1, *shape)
    maps, begin = [*maps, fixed[n] if n < gan.start else own], end
  return gan.given(maps, gan.drawn)


def at_size(gan: SinGAN, size: tuple[int, int] | None, start: int) -> SinGAN:
  """`gan`, which now draws images of `size` with fixed noise below scale `start`.

  Scales with fixed noise keep the sizes that they were trained at. Raises UserError if there is no such
  scale.
  """
  if not 0 <= start < len(gan.sizes):
    raise UserError(
      f'--start_scale={start}: this run has the scales 0 (the coarsest, where all is new) to '
      f'{len(gan.sizes) - 1}.'
    )
  whole, size = gan.sizes[-1], size or gan.sizes[-1]
  share = [wanted / trained for wanted, trained in zip(size, whole, strict=True)]
  drawn = tuple(
    own if n < start else tuple(max(1, round(x * s)) for x, s in zip(own, share, strict=True))
    for n, own in enumerate(gan.sizes)
  )
  return gan.clone(drawn=drawn, start=start)


def inherit(run, state, dataset, step: int):
  """Before the first step of scale n: its networks begin as those of scale n - 1 are, if as wide."""
  n, of = step // run.config.events.inherit, run.gan.widths
  if not 0 < n < len(of) or of[n] != of[n - 1]:
    return state, dataset
  old = {f'{network}_{n}': f'{network}_{n - 1}' for network in ('generator', 'discriminator')}

  def taken(groups):
    copies = {new: jax.tree.map(jnp.copy, groups[other]) for new, other in old.items()}
    return {**groups, **copies}

  stats = {**state.stats, 'batch_stats': taken(state.stats['batch_stats'])}
  return state.replace(params=taken(state.params), stats=stats), dataset


OBJECTIVES = {
  f'{name}_{n}': functools.partial(objective, n)
  for n in range(MOST_SCALES)
  for name, objective in (('judge', judge), ('draw', draw_scale))
}

METHOD = Method(
  batch=Examples,
  objectives=OBJECTIVES,
  build=build,
  sample=sample,
  style=style,
  draw=draw,
  at_size=at_size,
  events=(Event('inherit', inherit),),
)
