"""MLflow."""

import os
import time

from decoupled_gan.run.trackers.protocol import PROJECT, Places


class MLflow:
  """A run of MLflow: at MLFLOW_TRACKING_URI, or in mlflow.db and mlflow/ in the workdir.

  Names of seeds are spelt ':' for '#', which MLflow does not take.
  """

  def __init__(self, places: Places):
    self._folder = places.local

  def start(self, config, run_id, resume):
    import mlflow

    uri, artifacts = os.environ.get('MLFLOW_TRACKING_URI'), None
    if not uri:
      if self._folder is None:
        raise RuntimeError('for a workdir in a bucket it needs a server: set MLFLOW_TRACKING_URI')
      uri, artifacts = f'sqlite:///{self._folder}/mlflow.db', (self._folder / 'mlflow').as_uri()
    self._metric, self._client = mlflow.entities.Metric, mlflow.MlflowClient(uri)
    known = self._client.get_experiment_by_name(PROJECT)
    experiment = known.experiment_id if known else self._client.create_experiment(PROJECT, artifacts)
    found = self._client.search_runs([experiment], f"tags.{PROJECT}_id = '{run_id}'") if resume else []
    if found:
      self._id = found[0].info.run_id
      self._client.update_run(self._id, 'RUNNING')
      return
    name, tags = self._folder.name if self._folder else None, {f'{PROJECT}_id': run_id}
    self._id = self._client.create_run(experiment, tags=tags, run_name=name).info.run_id
    for key, value in config.items():
      self._client.log_param(self._id, key, value)

  def scalars(self, step, values):
    now = int(1000 * time.time())
    found = [self._metric(k.replace('#', ':'), float(v), now, step) for k, v in values.items()]
    self._client.log_batch(self._id, metrics=found)

  def image(self, step, name, image):
    self._client.log_image(self._id, image, key=name, step=step)

  def close(self):
    self._client.set_terminated(self._id)
