"""A trained run's config as a recipe: what the command line reads where no --config is given."""

from decoupled_gan.run.workdir import Workdir


def get_config(workdir: str):
  return Workdir(workdir).load_config()
