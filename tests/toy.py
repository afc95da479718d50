"""A method of two small linear networks, for tests of everything around the methods."""

from collections import OrderedDict

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from configs import base
from decoupled_gan.core.method import Method
from decoupled_gan.core.types import Pair
from decoupled_gan.losses.adversarial import least_squares
from decoupled_gan.losses.pixels import l1


class Toy(nn.Module):
  """`maker` paints domain b from domain a, `critic` judges."""

  def setup(self):
    self.maker, self.critic = nn.Dense(3), nn.Dense(1)

  def __call__(self, real):
    return self.critic(self.maker(real.a))


def judge(gan, real):
  fake = stop_gradient(gan.maker(real.a))
  return {
    'adversarial': least_squares(gan.critic(real.b), 1) + least_squares(gan.critic(fake), 0)
  }


def paint(gan, real):
  fake = gan.maker(real.a)
  return {'adversarial': least_squares(gan.critic(fake), 1), 'match': l1(fake, real.b)}


def build(config):
  return Toy()


def sample(gan, real):
  made = jax.tree.map(gan.maker, real)
  return OrderedDict(input=real, translation=made)


def translate_images(gan, images, target):
  return jnp.tanh(gan.maker(images))


METHOD = Method(
  batch=Pair,
  objectives={'judge': judge, 'paint': paint},
  build=build,
  sample=sample,
  translate=translate_images,
)


def get_config():
  config = base.get_config()
  config.method = 'toy'
  config.image_size = 16
  config.batch_size = 2
  config.num_steps = 8
  config.log_every_steps = 1
  config.sample_every_steps = 4
  config.checkpoint_every_steps = 4
  config.data.source = 'fake'
  config.data.num_threads = 2
  config.optimizer.learning_rate = 1e-2
  config.routes.judge = {'adversarial': {'critic': 1.0}}
  config.routes.paint = {'adversarial': {'maker': 1.0}, 'match': {'maker': 10.0}}
  return config
