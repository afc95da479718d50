"""Configs of runs that lack a field, or have a strange one: opened, or told in a sentence."""

import json

import pytest
from ml_collections import ConfigDict

from configs import facades, gan, glead, nice, utkface
from decoupled_gan import defaults
from decoupled_gan.errors import UserError
from decoupled_gan.run import experiment
from decoupled_gan.run.workdir import Workdir, flatten

RECIPES = {
  'nice': lambda: nice.get_config('tiny'),
  'gan': lambda: gan.get_config('tiny'),
  'glead': lambda: glead.get_config('tiny'),
  'stylegan2': lambda: glead.get_config('stylegan2,tiny'),
  'edgan_labelled': lambda: utkface.get_config('tiny'),
  'edgan_aligned': lambda: facades.get_config('tiny'),
}


def fields_of(config: dict, prefix: tuple = ()):
  """The path of every field and of every group of fields."""
  for name, value in config.items():
    yield (*prefix, name)
    if isinstance(value, dict):
      yield from fields_of(value, (*prefix, name))


def without(config: dict, path: tuple) -> dict:
  name, *rest = path
  if rest:
    return config | {name: without(config[name], tuple(rest))}
  return {key: value for key, value in config.items() if key != name}


def saved(config) -> dict:
  return json.loads(config.to_json_best_effort())


def opened(folder, content: dict):
  folder.mkdir(exist_ok=True)
  (folder / 'config.json').write_text(json.dumps(content))
  return Workdir(folder).load_config()


@pytest.mark.parametrize('every', [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize('recipe', RECIPES)
def test_a_config_without_any_one_field_opens_or_is_told_by_the_fields_name(tmp_path, recipe, every):
  whole = saved(RECIPES[recipe]())
  expected = flatten(opened(tmp_path, whole))
  told = {}
  for path in fields_of(whole):
    name = '.'.join(path)
    found = opened(tmp_path, without(whole, path))
    if flatten(found) == expected:
      continue  # the default was the value
    if not every and path[0] not in ('model', 'losses', 'method', 'attributes') and name != 'routes':
      continue  # the default is that of every run; the slow test opens those as well
    try:
      experiment.build(found, train=False)
    except UserError as error:
      told[name] = str(error)
  lacks = {name: text for name, text in told.items() if 'lacks' in text}
  assert all(f' {name}:' in text or f' {name}.' in text for name, text in lacks.items()), lacks
  assert 'model.width' in lacks or 'model.channel_base' in lacks
  assert 'method' in told


def test_the_sentence_names_field_and_file(tmp_path):
  found = opened(tmp_path, without(saved(nice.get_config('tiny')), ('model', 'width')))
  with pytest.raises(
    UserError, match=r'^config\.json \(or the recipe\) lacks model\.width: the run is of'
  ):
    experiment.build(found)


def test_what_a_field_was_before_there_was_one_is_known(tmp_path):
  """`identity` of the first days' runs, and averages before they were copies."""
  content = saved(nice.get_config('tiny'))
  del content['model']['spectral_updates'], content['copies']
  content['ema_halflife_kimg'] = {'generator': 10.0}
  found = opened(tmp_path, content)
  assert found.model.spectral_updates == 'forward'
  assert found.copies.generator.halflife_kimg == 10


def test_an_error_that_has_nothing_to_do_with_a_config_stays_what_it_is():
  try:
    {}.nothing  # noqa: B018
  except AttributeError as error:
    assert defaults.lacking(error) is None
  try:
    ConfigDict({'a': 1}).b  # noqa: B018
  except AttributeError as error:
    assert ' lacks b:' in str(defaults.lacking(error))


@pytest.mark.parametrize(
  ('path', 'value', 'told'),
  [
    (('batch_size',), 'two', r"config\.json has batch_size='two', which is no int: mend it there"),
    (('batch_size',), True, r"has batch_size='True', which is no int"),
    (('seed',), None, r"has seed='None', which is no int"),
    (('data',), 'photos', r"has data='photos', which is no group of fields"),
    (('data', 'path'), 3, r"has data\.path='3', which is no str"),
    (('data', 'path'), {'a': 1}, r'has data\.path=.*which is no str'),
    (('optimizer', 'learning_rate'), '1e-4', r"has optimizer\.learning_rate='1e-4', which is no float"),
    (('frozen',), 'generator', r"has frozen='generator', which is no tuple"),
  ],
)
def test_a_field_of_another_kind_is_told_by_name(tmp_path, path, value, told):
  content = saved(nice.get_config('tiny'))
  part = content
  for name in path[:-1]:
    part = part[name]
  part[path[-1]] = value
  with pytest.raises(UserError, match=told):
    opened(tmp_path, content)
