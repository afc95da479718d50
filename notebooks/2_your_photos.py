# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own photos
#
# Two folders of pictures that have nothing to do with each other, such as summer and winter:
#
# ```
# photos/trainA/*.jpg   photos/trainB/*.jpg   photos/testA/*.jpg   photos/testB/*.jpg
# ```
#
# A few hundred of each are a beginning; days on a GPU give what papers show. On Colab everything lies in your
# Drive, so that a lost session costs minutes: run all cells again, and training goes on where it was.

# %% tags=["parameters"]
SOURCE = ''  # where the package comes from if it is not here: git+https://..., or a wheel
HOME = '.'  # of photos and runs; on Colab a folder of your Drive
PHOTOS = 'photos'  # below HOME; a zip will do
RECIPE = 'selfie2anime'  # or cyclegan, cut, ugatit:light, ...: decoupled-gan recipes
STEPS = 100_000
CHANGES = {}  # {'image_size': 128} is four times as fast as 256

# %%
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec('google') and importlib.util.find_spec('google.colab'):
  from google.colab import drive

  drive.mount('/content/drive')
  HOME = '/content/drive/MyDrive/decoupled_gan'
if importlib.util.find_spec('decoupled_gan') is None:
  assert SOURCE, 'SOURCE above says where the package is to come from'
  subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', SOURCE], check=True)

import jax

import decoupled_gan as dg

home = Path(HOME)
photos, workdir = home / PHOTOS, home / 'runs' / 'photos'
print('Python', sys.version.split()[0], '| JAX', jax.__version__, '| on', jax.devices())
print('photos in', photos, '| the run in', workdir)

# %% [markdown]
# ## Train, and go on
#
# What is damaged, too small or in the wrong place is told before the first step. **If the session is lost,
# run this cell again.**

# %% tags=["train"]
from IPython.display import Image, display

changes = {'data.source': 'folder', 'data.path': str(photos), **CHANGES}
model = dg.train(
  RECIPE, workdir, changes, on_sample=lambda step, path: display(Image(str(path))), num_steps=STEPS
)
model

# %% [markdown]
# ## Translate the test pictures

# %% tags=["translate"]
import PIL.Image

chosen = sorted((photos / 'testA').iterdir())[:4]
made = [model.translate(path) for path in chosen]
width, height = made[0].size
sheet = PIL.Image.new('RGB', (width * len(made), 2 * height))
for i, (path, picture) in enumerate(zip(chosen, made, strict=True)):
  sheet.paste(PIL.Image.open(path).convert('RGB').resize((width, height)), (i * width, 0))
  sheet.paste(picture, (i * width, height))
sheet
