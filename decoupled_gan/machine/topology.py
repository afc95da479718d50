"""What `--mode=plan` plans for: the devices at hand, or a slice of TPU chips that need not be there.

libtpu, the compiler for TPUs, comes with the extra `aot` and runs on any machine.
"""

import os
from dataclasses import dataclass

import jax

from decoupled_gan.errors import UserError, listing, need

NO_TPU = {  # without these libtpu asks a metadata server what machine this is, waits, and complains
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_WORKER_HOSTNAMES': 'localhost',
  'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
}


@dataclass(frozen=True)
class Chip:
  """A kind of chip by its public specification: GiB of memory, peak TFLOP/s in bfloat16, GB/s."""

  memory: float
  tflops: float
  bandwidth: float
  accelerator: str  # a machine of it, as Google Cloud names them
  options: tuple = ()


CHIPS = {
  'v4': Chip(
    32, 275, 1228, 'v4-8', (('chip_config_name', 'megacore'), ('chips_per_host_bounds', (2, 2, 1)))
  ),
  'v5e': Chip(16, 197, 819, 'v5litepod-8'),
  'v5p': Chip(95, 459, 2765, 'v5p-8'),
  'v6e': Chip(32, 918, 1640, 'v6e-8'),
}


@dataclass(frozen=True)
class Topology:
  """Devices to compile for; `chip` is None where nothing is known of their kind."""

  name: str
  devices: list
  chip: Chip | None

  def __len__(self) -> int:
    return len(self.devices)


def find(name: str) -> Topology:
  """'local', or a slice as libtpu names them, such as 'v5e:2x4'.

  Raises UserError if there is no such slice, or no libtpu.
  """
  if name == 'local':
    return Topology(name, jax.devices(), None)
  need(f'--topology={name} (local does not)', 'libtpu', 'aot')
  kind = name.partition(':')[0]
  if kind not in CHIPS:
    raise UserError(
      f'--topology={name} is unknown: give local, or a chip and its arrangement, such as '
      f'v5e:2x4 or v4:2x2x1; the chips are {listing(CHIPS)}.'
    )
  for variable, value in (NO_TPU | {'TPU_ACCELERATOR_TYPE': CHIPS[kind].accelerator}).items():
    os.environ.setdefault(variable, value)
  from jax.experimental import topologies

  try:
    description = topologies.get_topology_desc(
      platform='tpu', topology_name=name, **dict(CHIPS[kind].options)
    )
  except Exception as error:  # libtpu raises whatever it likes
    raise UserError(f'--topology={name}: {str(error).splitlines()[0]}') from None
  return Topology(name, description.devices, CHIPS[kind])
