# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Export and share
#
# A trained run as files for others: `.safetensors` for this package, `.onnx` for everything that has an
# onnxruntime (servers, phones, browsers), `.stablehlo` for whoever has jax, `.tflite` for telephones and boards, a
# page for browsers. Each file is read at once by the program that will read it, and compared with what JAX
# computes. Needs `pip install 'decoupled_gan[onnx]'`, for `.tflite` `[tflite]` too (1.3 GB).

# %% tags=["parameters"]
SOURCE = ''  # where the package comes from if it is not here: git+https://..., or a wheel; with [onnx]
WORKDIR = 'runs/quickstart'  # of the first notebook; trained here if it is not there
RECIPE = 'quickstart'
STEPS = 1400
CHANGES = {}

# %%
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec('decoupled_gan') is None:
  assert SOURCE, 'SOURCE above says where the package is to come from'
  subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', SOURCE], check=True)

import jax

import decoupled_gan as dg

print('Python', sys.version.split()[0], '| JAX', jax.__version__, '| on', jax.devices())

# %% tags=["open"]
try:
  model = dg.load(WORKDIR)
except dg.UserError as error:
  print(error)
  model = dg.train(RECIPE, WORKDIR, CHANGES, num_steps=STEPS)
model

# %% [markdown]
# ## For this package
#
# Networks, config and step in one file without code. `dg.load` opens it anywhere.

# %% tags=["safetensors"]
print(model.export('shared/model.safetensors'))
dg.load('shared')

# %% [markdown]
# ## For everybody else

# %% tags=["files"]
print(model.export('shared/translate.onnx'))
print(model.export('shared/translate.stablehlo'))
print(*sorted(path.name for path in Path('shared').iterdir()))

# %% [markdown]
# What somebody else does with it, who has never heard of JAX:

# %% tags=["onnx"]
import numpy as np
import onnxruntime
import PIL.Image

session = onnxruntime.InferenceSession('shared/translate.onnx')
side = session.get_inputs()[0].shape[1]
ramp = np.linspace(-1, 1, side, dtype=np.float32)
image = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], 0 * ramp[None]), -1)[None]
(made,) = session.run(None, {'image': image})
both = np.concatenate([image[0], made[0]], 1)
PIL.Image.fromarray(np.uint8(np.clip(both * 127.5 + 127.5, 0, 255))).resize((8 * side, 4 * side))

# %% [markdown]
# For telephones and boards, with weights of half the size; where TensorFlow is not installed, the sentence says
# what to install.

# %% tags=["tflite"]
try:
  print(model.export('shared/translate.tflite', quantize='float16'))
except dg.UserError as error:
  print(error)

# %% [markdown]
# ## A page that needs no server of yours
#
# A folder for any static host: the network runs in the visitor's browser. `bash launch/web_runtime.sh ort` of a
# clone fetches the runtime that it lacks (`ort='ort'`).

# %% tags=["page"]
print(model.export('shared/page/'))

# %% [markdown]
# ## On the hub
#
# `dry_run` writes what would be sent, card included, and sends nothing. What others may do with the pictures that
# it learned from is yours to say. Needs `[hub]`.

# %% tags=["hub"]
try:
  print(model.push('somebody/relief', data_licence='unknown', dry_run=True))
except dg.UserError as error:
  print(error)
