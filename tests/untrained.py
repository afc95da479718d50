"""Runs for tests of what is done with them: networks that nobody trained, made without compiling."""

import importlib

import jax
import numpy as np

from decoupled_gan.core import state
from decoupled_gan.run import experiment, inference

RECIPES = {
  'gan': 'gan:digits,tiny',
  'nice': 'nice:tiny',
  'cyclegan': 'cyclegan:tiny',
  'pix2pix': 'pix2pix:tiny',
  'cut': 'cut:tiny',
  'ugatit': 'ugatit:tiny',
  'munit': 'munit:tiny',
  'edgan_labelled': 'avatars:tiny',
  'edgan_aligned': 'terrain_pairs:tiny',
  'stylegan2': 'stylegan2_ada:tiny',
  'glead': 'glead:tiny',
  'bigan': 'bigan:tiny',
  'bigbigan': 'bigbigan:tiny',
  'glo': 'glo:tiny',
  'srgan': 'srgan:mse,tiny',
  'inpaint': 'inpaint:tiny',
  'council': 'council:tiny',
  'gnr': 'gnr:no_lpips,tiny',
  'singan': 'singan:tiny',
  'stackgan': 'stackgan:tiny',
  'dual_bigan': 'dual_bigan:tiny',
  'gan_em': 'gan_em:tiny',
  'bagan': 'bagan:tiny',
  'slogan': 'slogan:tiny',
}
"""Method -> a recipe of it, at the size of tests; of all that make images."""


def config_of(recipe: str):
  name, _, words = recipe.partition(':')
  return importlib.import_module(f'configs.{name}').get_config(words)


def trained(config) -> inference.Trained:
  """`config` with small positive numbers everywhere, which no norm divides to infinity."""
  config = config.copy_and_resolve_references()
  config.compute_dtype, config.batch_size = 'float32', 1
  run = experiment.build(config, train=False)
  shapes = jax.eval_shape(state.inference_variables, run.abstract_state())
  draw = np.random.default_rng(0)

  def fill(x):
    numbers = draw.uniform(-0.2, 0.3, x.shape) if x.ndim > 1 else draw.uniform(0.1, 0.3, x.shape)
    return np.asarray(numbers, x.dtype)

  return inference.Trained(run, jax.tree.map(fill, shapes), 2)
