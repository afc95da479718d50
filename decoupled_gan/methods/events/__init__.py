"""What happens between the steps of the generic method: labels and conditions are found."""

from ml_collections import ConfigDict

from decoupled_gan.errors import UserError
from decoupled_gan.methods.events import clusters, instances

EVENTS = (clusters.EVENT, instances.EVENT)
SCENES = {'clusters': 'clustered', 'instances': 'instances'}
"""Event -> the scene that shows what it finds."""


def kept(config: ConfigDict) -> dict[str, int]:
  """{name: how many} of what events keep, which scenes have to know before there is any.

  Raises UserError where an event is without its scene, or the other way round.
  """
  for event, scene in SCENES.items():
    if bool(config.events.get(event, 0)) != (config.model.scene == scene):
      raise UserError(f'model.scene={scene!r} and events.{event} go together: one of them is missing.')
  scene, count, features = config.model.scene, config.data.clusters, config.data.features
  if bool(count) != (scene == 'clustered'):
    raise UserError(
      f"data.clusters={count}, model.scene={scene!r}: 'clustered' needs a number of clusters, and other "
      'scenes have none, 0.'
    )
  if scene == 'instances' and not features:
    raise UserError("model.scene='instances' needs data.features: 'pixels', or an .npy file of [N, F].")
  return {
    'clusters': config.data.clusters,
    'neighbours': config.data.neighbours,
    'instances': config.data.instances,
    'features': instances.size_of(config),
  }
