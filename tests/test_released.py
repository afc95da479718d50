"""The translator that the docs show: a published one, which every later version is to open."""

from pathlib import Path

import numpy as np
from PIL import Image

import decoupled_gan as dg
from decoupled_gan import hub
from decoupled_gan.modes import translate
from decoupled_gan.run.workdir import Workdir

DEMO = Path(__file__).parent.parent / 'docs/demo'
RELEASE = DEMO / 'release'


def levels_apart(made, shown: Path) -> int:
  return int(np.abs(np.asarray(made, np.int16) - np.asarray(Image.open(shown))).max())


def test_it_opens_and_makes_the_picture_beside_it():
  model = dg.load(RELEASE)
  assert (model.abilities, model.directions) == (('translate',), ('a_to_b', 'b_to_a'))
  assert model.step == model.config.num_steps
  assert levels_apart(model.translate(DEMO / 'heights.png'), DEMO / 'relief.png') <= 1


def test_it_becomes_a_workdir_by_the_command_of_the_readme(tmp_path):
  hub.pull(str(RELEASE), Workdir(tmp_path / 'atlas'))
  images = str(DEMO / 'heights.png'), str(tmp_path / 'out.png')
  translate.translate(Workdir(tmp_path / 'atlas'), *images, 'a_to_b', '', None)
  assert levels_apart(Image.open(tmp_path / 'out.png'), DEMO / 'relief.png') <= 1
  assert (tmp_path / 'atlas/README.md').read_text() == (RELEASE / 'README.md').read_text()
