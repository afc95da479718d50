"""Weights & Biases."""

import os

from decoupled_gan.run.trackers.protocol import PROJECT, Places


class WeightsAndBiases:
  """A run of wandb, named like the workdir; offline in its wandb/ unless somebody is logged in.

  Steps are a column of their own: wandb's own count only grows, and a run that was killed goes on from
  its checkpoint, some steps before its last line. WANDB_PROJECT, WANDB_MODE and the like are heeded.
  """

  def __init__(self, places: Places):
    self._folder = places.local

  def start(self, config, run_id, resume):
    import wandb

    known = 'WANDB_MODE' in os.environ or wandb.login(prompt=False)
    self._wandb, self._run = wandb, wandb.init(
      project=os.environ.get('WANDB_PROJECT', PROJECT),
      id=run_id,
      resume='allow',
      name=self._folder.name if self._folder else None,
      dir=self._folder,
      config=dict(config),
      mode=None if known else 'offline',
    )  # fmt: skip
    self._run.define_metric('*', step_metric='step')

  def scalars(self, step, values):
    self._run.log({'step': step, **values})

  def image(self, step, name, image):
    self._run.log({'step': step, name: self._wandb.Image(image)})

  def close(self):
    self._run.finish()
