# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Edit faces
#
# ED//GAN on cartoon faces with labels: beard, glasses, hair, mouth. An encoder and a decoder learn to rebuild,
# a second decoder corrects them under an adversary's eye, and neither path's loss reaches the other's networks.
# Half an hour on two CPU cores. The faces are drawn here by a pip package: `pip install 'decoupled_gan[avatars]'`.

# %% tags=["parameters"]
SOURCE = (
  ''  # where the package comes from if it is not here: git+https://..., or a wheel; with [avatars]
)
WORKDIR = 'runs/avatars'
STEPS = 3200
CHANGES = {}

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec('decoupled_gan') is None:
  assert SOURCE, 'SOURCE above says where the package is to come from'
  subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', SOURCE], check=True)

import jax

import decoupled_gan as dg

print('Python', sys.version.split()[0], '| JAX', jax.__version__, '| on', jax.devices())

# %% tags=["train"]
from IPython.display import Image, display

model = dg.train(
  'avatars', WORKDIR, CHANGES, on_sample=lambda step, path: display(Image(str(path))), num_steps=STEPS
)
model.attributes

# %% [markdown]
# ## One face under every value
#
# What is not named keeps the face's own value: that which rebuilds it best.

# %% tags=["edit"]
import numpy as np
import PIL.Image

from decoupled_gan import data
from decoupled_gan.core.types import Examples

faces = data.test_images(data.load(model.config, Examples).test.x, 4, model.config)


def strip(face, attribute):
  """The face, and the face under each value of an attribute."""
  values = model.attributes[attribute]
  row = np.concatenate([face, *[model.edit(face, **{attribute: value}) for value in values]], 1)
  return PIL.Image.fromarray(row).resize((128 * (len(values) + 1), 128))


for attribute in model.attributes:
  print(attribute, ':', *model.attributes[attribute])
  display(strip(faces[0], attribute))

# %% [markdown]
# ## Choose for yourself
#
# With ipywidgets (Colab has it) there are a slider for the face and a list for each attribute.

# %% tags=["choose"]
if importlib.util.find_spec('ipywidgets'):
  import ipywidgets

  def edited(face=0, **values):
    display(PIL.Image.fromarray(model.edit(faces[face], **values)).resize((256, 256)))

  ipywidgets.interact(edited, face=(0, len(faces) - 1), **model.attributes)
else:
  display(strip(faces[1], next(iter(model.attributes))))
