"""Every recipe with every variant: it builds, and its table is proved by tracing.

A phase moves the groups that its table names and leaves all others bit by bit as they were; nothing is
compiled and no array is made. One list, so that a new recipe gets these tests by existing.
"""

import importlib
import json
from pathlib import Path

import jax
import pytest
from flax.core.scope import Scope

from configs import datasets
from decoupled_gan import recipe_files
from decoupled_gan.core.images import to_float
from decoupled_gan.core.proof import who_moves
from decoupled_gan.run import experiment
from decoupled_gan.studies.plan import kind

CONFIGS = Path(__file__).parent.parent / 'configs'
PUBLISHED = ('nice', 'utkface', 'facades', 'glead:float32,mse')
"""One a family is proved at its published size too, in the slow suite; all are at :tiny."""


def take_parameters_as_they_are(monkeypatch):
  """Flax traces the initialiser of each parameter at each use, to compare shapes: an eighth of tracing.

  Building does, for all that the table asks, so that a proof need not again.
  """
  param = Scope.param

  def taken(self, name, *arguments, **options):
    if self.has_variable('params', name):
      return self.get_variable('params', name)
    return param(self, name, *arguments, **options)

  monkeypatch.setattr(Scope, 'param', taken)


def variants(name: str) -> list[str]:
  """A recipe's own variants; those that it has from its starting point are proved there."""
  module = importlib.import_module(f'configs.{name}')
  own = {word for word, function in module.VARIANTS.items() if function.__module__ == module.__name__}
  return sorted(own - {'tiny'})


TINY = [
  f'{name}:{word}{"," if word else ""}tiny'
  for name in recipe_files.names()
  for word in ('', *variants(name))
]


def config_of(recipe: str):
  name, _, words = recipe.partition(':')
  return importlib.import_module(f'configs.{name}').get_config(words)


def once(recipes, tell) -> list[str]:
  """The first of those whose configs tell the same."""
  return list({json.dumps(tell(config_of(x))): x for x in reversed(recipes)}.values())[::-1]


DISTINCT = once(TINY, lambda config: config.to_json(sort_keys=True))
TRACED = once(DISTINCT, kind)


@pytest.mark.parametrize('recipe', sorted({*DISTINCT} - {*TRACED}))
def test_a_recipe_that_traces_as_another_does_builds(recipe):
  experiment.build(config_of(recipe))


@pytest.mark.parametrize(
  'recipe', [*(pytest.param(x, marks=pytest.mark.slow) for x in PUBLISHED), *TRACED]
)
def test_each_phase_can_move_exactly_the_groups_that_its_table_names(recipe, monkeypatch):
  run = experiment.build(config_of(recipe))
  take_parameters_as_they_are(monkeypatch)
  state, batch = run.abstract_state(), jax.eval_shape(to_float, run.abstract_batch())
  for phase in {phase.name: phase for phase in run.phases}.values():
    if phase.groups:
      moved = who_moves(phase, run.gan, run.optimizers, state, batch)
      assert moved == set(phase.groups), phase.name


@pytest.mark.parametrize('name', recipe_files.names())
def test_a_recipe_says_what_it_is_how_to_run_it_and_what_to_expect(name):
  header = importlib.import_module(f'configs.{name}').__doc__
  command = 'launch/quickstart.sh' if name == 'quickstart' else f'--config=configs/{name}.py'
  assert command in header
  assert 'Expected' in header or 'Measured' in header


@pytest.mark.parametrize('name', recipe_files.names())
def test_no_word_is_both_a_variant_and_a_data_set_of_one_meaning(name):
  module = importlib.import_module(f'configs.{name}')
  assert not set(module.VARIANTS) & set(datasets.DATASETS)


def test_every_data_set_sets_fields_that_there_are():
  from decoupled_gan import defaults

  for word, fields in datasets.DATASETS.items():
    config = defaults.get_config()
    config.update_from_flattened_dict(fields)
    assert config.data.source, word
