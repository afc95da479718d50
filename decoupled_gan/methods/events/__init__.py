"""What happens between the steps of the generic method: labels and conditions are found."""

from ml_collections import ConfigDict

from decoupled_gan.methods.events import clusters, instances

EVENTS = (clusters.EVENT, instances.EVENT)


def kept(config: ConfigDict) -> dict[str, int]:
  """{name: how many} of what events keep, which scenes have to know before there is any."""
  return {
    'clusters': config.data.clusters,
    'neighbours': config.data.neighbours,
    'instances': config.data.instances,
    'features': instances.size_of(config),
  }
