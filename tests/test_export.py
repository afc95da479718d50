"""Exports: what a file computes is what JAX does, in the runtime that will read it."""

import importlib.util
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from decoupled_gan import model as model_module
from decoupled_gan.errors import RunError, UserError
from decoupled_gan.exports import (
  onnx_file,
  safetensors_file,
  signature,
  stablehlo_file,
  tflite_file,
  writers,
)
from decoupled_gan.methods import METHODS
from decoupled_gan.modes import export as mode
from decoupled_gan.modes import train as train_mode
from decoupled_gan.run.workdir import Workdir

DRAWN = r'random_\w+ has no rule for ONNX'  # styles are drawn by keys that depend on the image
WITHOUT = {
  'munit': DRAWN,
  'council': DRAWN,
  'gnr': DRAWN,
  'inpaint': 'gather has no rule for ONNX: .* does not take rows',
  'slogan': 'atan2 has no rule for ONNX',
}
"""Methods that have no .onnx file, and why."""


@pytest.fixture(scope='module')
def pairs():
  return untrained.trained(untrained.config_of('terrain_pairs:tiny'))


@pytest.fixture(scope='module')
def drawer():
  return untrained.trained(untrained.config_of('gan:digits,tiny'))


def run_onnx(function, *arrays):
  """(what onnxruntime makes of the exported function, what JAX makes)."""
  import onnxruntime

  names = [f'input_{i}' for i in range(len(arrays))]
  specs = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]
  model = onnx_file.model_of(function, specs, names)
  session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
  (found,) = session.run(None, dict(zip(names, arrays, strict=True)))
  return found, np.asarray(function(*map(jnp.asarray, arrays)))


X = np.linspace(-2, 2, 2 * 4 * 6 * 3, dtype=np.float32).reshape(2, 4, 6, 3)
K = np.linspace(-1, 1, 3 * 3 * 3 * 5, dtype=np.float32).reshape(3, 3, 3, 5)


def conv(x, k, **options):
  numbers = ('NHWC', 'HWIO', 'NHWC')
  options = {'window_strides': (1, 1), 'padding': ((1, 1), (1, 1))} | options
  return jax.lax.conv_general_dilated(x, k, dimension_numbers=numbers, **options)


@pytest.mark.parametrize(
  'function',
  {
    'arithmetic': lambda x: (x + 2 - x * x / 3) ** 3,
    'powers': lambda x: (
      jnp.sqrt(jnp.abs(x)) + jnp.square(x) + jax.lax.rsqrt(1 + x * x) + jnp.abs(x) ** 0.3
    ),
    'functions': lambda x: jnp.exp(x) + jnp.tanh(x) + jnp.sin(x) * jnp.cos(x) + jax.nn.sigmoid(x),
    'logarithms': lambda x: jnp.log(3 + x) + jnp.log1p(x * x) + jnp.expm1(x) + jax.scipy.special.erf(x),
    'rounding': lambda x: jnp.floor(x) + 10 * jnp.ceil(x) + 100 * jnp.round(x) + 1000 * jnp.sign(x),
    'activations': lambda x: (
      jax.nn.relu(x) + jax.nn.leaky_relu(x, 0.2) + jax.nn.softplus(x) + jax.nn.silu(x)
    ),
    'choice': lambda x: jnp.where((x > 0.5) | (x != x) | ~(x <= 0), x, -x),
    'clip': lambda x: jnp.clip(x, -0.5, 1.0) + jnp.minimum(x, 0.2) + jnp.maximum(x, -0.1),
    'means': lambda x: x.mean((1, 2)) + x.max((1, 2)) + x.min((1, 2)) + x.std((1, 2)),
    'shapes': lambda x: x.reshape(2, 24, 3).transpose(0, 2, 1)[:, :, None],
    'slices': lambda x: x[:, 1:4:2, ::-1, :2],
    'joining': lambda x: jnp.concatenate([x, x[:, :1]], 1) + jnp.tile(x[:, :1], (1, 5, 1, 1)),
    'stacking': lambda x: jnp.stack([x, 2 * x], 2),
    'padding': lambda x: jax.lax.pad(x, np.float32(7), ((0, 0, 0), (1, -2, 2), (-1, 3, 1), (0, 0, 0))),
    'mirroring': lambda x: jnp.pad(x, ((0, 0), (2, 2), (3, 1), (0, 0)), 'reflect'),
    'edges': lambda x: jnp.pad(x, ((0, 0), (2, 2), (0, 1), (0, 0)), 'edge'),
    'products': lambda x: jnp.einsum('bhwc,bhvc->bwv', x, x + 1) @ jnp.ones((6, 2)),
    'convolution': lambda x: conv(x, K),
    'strides': lambda x: conv(x, K, window_strides=(2, 1)),
    'cut': lambda x: conv(x, K, padding=((-1, 1), (2, -1))),
    'atrous': lambda x: conv(x, K, rhs_dilation=(2, 1), padding=((2, 2), (1, 1))),
    'transposed': lambda x: conv(x, K, lhs_dilation=(2, 2), padding=((1, 2), (-1, 2))),
    'groups': lambda x: conv(x, np.tile(K[:, :, :1], (1, 1, 1, 3)), feature_group_count=3),
    'average': lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 3, 1), (1, 2, 1, 1), 'SAME'),
    'largest': lambda x: jax.lax.reduce_window(
      x, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID'
    ),
    'rows': lambda x: jnp.asarray(K[0, 0])[jnp.argmax(x.mean((1, 2)), -1)],
    'one hot': lambda x: jax.nn.one_hot(jnp.argmax(x, 3), 3).astype(jnp.float32),
    'parts': lambda x: sum(jnp.split(x, (1, 3), 1)[0:1]) + jax.lax.erfc(x)[:, :1],
    'calls': lambda x: jax.jit(lambda y: jax.checkpoint(jnp.tanh)(y) + 1)(x),
  }.values(),
  ids=lambda f: '',
)
def test_each_rule_of_onnx_computes_what_jax_does(function):
  found, wanted = run_onnx(function, X)
  assert found.dtype == wanted.dtype
  np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)


def test_what_has_no_rule_is_named_with_the_line_that_made_it():
  with pytest.raises(
    UserError, match=r'cumsum has no rule for ONNX .*test_export.py.*Export .stablehlo'
  ):
    run_onnx(lambda x: jax.lax.cumsum(x, 1), X)
  with pytest.raises(UserError, match=r'gather has no rule for ONNX: a gather that does not take rows'):
    run_onnx(lambda x: jnp.take_along_axis(x, jnp.argmax(x, 1)[:, None], 1), X)


@pytest.mark.parametrize('method', sorted(METHODS.keys() - WITHOUT.keys() - {'classifier'}))
def test_every_method_of_the_house_has_a_file_that_onnxruntime_reads(method):
  trained = untrained.trained(untrained.config_of(untrained.RECIPES[method]))
  able = [name for name in signature.ABILITIES if trained.run.able(name)]
  assert able
  spreads = []
  for ability in able:
    what = signature.of(trained, ability)
    inputs = what.examples(2)
    found, _ = onnx_file.answers(onnx_file.made(what, {}), what, inputs)
    wanted = np.asarray(jax.jit(what.function)(*inputs))
    assert np.abs(found - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())
    spreads.append(wanted.std())
  assert max(spreads) > 1e-4, 'a constant would agree with anything'


def test_labels_that_are_quantities_go_in_as_floats():
  what = signature.of(untrained.trained(untrained.config_of('continuous_gan:circle6,tiny')))
  assert what.inputs['labels'] == ((1,), np.float32)
  _, labels = what.examples(3)
  assert labels.shape == (3, 1) and labels.dtype == np.float32 and (labels % 1 != 0).all()
  assert jax.jit(what.function)(*what.examples(2)).shape == (2, 2)


@pytest.mark.parametrize('method', WITHOUT)
def test_the_methods_without_an_onnx_file_say_why(method):
  trained = untrained.trained(untrained.config_of(untrained.RECIPES[method]))
  with pytest.raises(UserError, match=WITHOUT[method]):
    onnx_file.made(signature.of(trained), {})


def test_an_onnx_file_says_what_it_is_and_is_checked(pairs, tmp_path):
  import onnx

  told = writers.export(pairs, tmp_path / 'dog.onnx')
  assert 'translate a_to_b' in told
  assert 'onnxruntime' in told
  found = onnx.load(tmp_path / 'dog.onnx')
  facts = {x.key: x.value for x in found.metadata_props}
  assert facts['step'] == '2'
  assert json.loads(facts['config'])['method'] == 'edgan_aligned'
  assert [x.name for x in found.graph.input] == ['image']
  assert len(facts['sha256_of_weights']) == 64


def test_without_onnxruntime_it_says_that_it_was_not_checked(pairs, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'onnxruntime', None)
  assert 'not checked: pip install onnxruntime' in writers.export(pairs, tmp_path / 'dog.onnx')


def test_a_file_that_differs_is_not_written(pairs, tmp_path, monkeypatch):
  monkeypatch.setattr(
    onnx_file, 'answers', lambda content, what, inputs: (inputs[0] + 1, 'a bad runtime')
  )
  with pytest.raises(RunError, match=r'a bad runtime makes of the file what differs .* nothing was'):
    writers.export(pairs, tmp_path / 'dog.onnx')
  assert not list(tmp_path.iterdir())


with_tensorflow = pytest.mark.skipif(
  not importlib.util.find_spec('tensorflow'), reason="1.3 GB: pip install -e '.[tflite]'"
)


WITHOUT_TFLITE = {
  **dict.fromkeys(['bigan', 'bigbigan', 'dual_bigan', 'gan_em'], 'no operator for erf, which draw'),
  'glo': 'no operator for cholesky, which draw computes: export .onnx or',
}
"""Methods that have an .onnx file and no .tflite file, and why."""


@with_tensorflow
@pytest.mark.parametrize('method', sorted(METHODS.keys() - WITHOUT.keys() - {'classifier'}))
def test_every_method_that_has_an_onnx_file_has_a_tflite_file_or_says_why_not(method):
  trained = untrained.trained(untrained.config_of(untrained.RECIPES[method]))
  if method in WITHOUT_TFLITE:
    with pytest.raises(UserError, match=WITHOUT_TFLITE[method]):
      tflite_file.made(signature.of(trained, 'draw'))
    return
  for ability in [name for name in signature.ABILITIES if trained.run.able(name)]:
    what = signature.of(trained, ability)
    inputs = what.examples(2)
    found, _ = tflite_file.answers(tflite_file.made(what), what, inputs)
    wanted = np.asarray(jax.jit(what.function)(*inputs))
    assert np.abs(found - wanted).max() <= 1e-4 * max(1, np.abs(wanted).max())


@with_tensorflow
def test_a_tflite_file_of_fewer_bits_is_smaller_coarser_and_checked(pairs, tmp_path):
  sizes, apart = [], []
  for quantize in ('', *tflite_file.QUANTIZED):
    told = writers.export(pairs, tmp_path / 'dog.tflite', quantize=quantize)
    sizes.append((tmp_path / 'dog.tflite').stat().st_size)
    apart.append(float(told.partition('differs from JAX by ')[2].split()[0]))
  assert sizes[0] > sizes[1] > sizes[2]
  assert apart[0] < 1e-4 and apart[0] < apart[1] < 5e-3
  assert json.loads((tmp_path / 'dog.tflite.json').read_text())['computes'] == 'translate a_to_b'


@pytest.mark.parametrize(
  ('ending', 'package', 'extra'), [('.tflite', 'tensorflow', 'tflite'), ('.onnx', 'onnx', 'onnx')]
)
def test_a_missing_package_is_told_with_what_to_install(
  pairs, tmp_path, monkeypatch, ending, package, extra
):
  found = importlib.util.find_spec
  monkeypatch.setattr(
    'importlib.util.find_spec', lambda name: None if name == package else found(name)
  )
  with pytest.raises(
    UserError, match=rf"{ending} file needs {package}, which is not .* 'decoupled_gan\[{extra}\]'"
  ):
    writers.export(pairs, tmp_path / f'dog{ending}')


def test_stablehlo_takes_any_number_of_images_in_a_process_that_knows_jax_only(pairs, tmp_path):
  from jax import export

  told = writers.export(pairs, tmp_path / 'dog.stablehlo')
  assert 'a fresh process with jax alone differs' in told
  exported = export.deserialize(bytearray((tmp_path / 'dog.stablehlo').read_bytes()))
  assert set(exported.platforms) == {'cpu', 'cuda', 'tpu'}
  what = signature.of(pairs)
  (five,) = what.examples(5)
  wanted = np.asarray(jax.jit(what.function)(five))
  np.testing.assert_allclose(np.asarray(exported.call(five)), wanted, atol=1e-5)
  assert json.loads((tmp_path / 'dog.stablehlo.json').read_text())['computes'] == 'translate a_to_b'


@pytest.mark.parametrize('method', ['gan', 'munit', 'nice', 'glead', 'ugatit'])
def test_methods_can_be_traced_for_any_number_of_images(method):
  trained = untrained.trained(untrained.config_of(untrained.RECIPES[method]))
  assert stablehlo_file.made(signature.of(trained))


@pytest.mark.parametrize(
  ('recipe', 'left'),
  [
    ('nice:terrain,tiny', ['classifier']),
    ('cyclegan:terrain,tiny', ['discriminator']),
    ('avatars:tiny', ['discriminator', 'latent_discriminator']),
    ('gan:digits,tiny', []),  # samplers ask its discriminator
  ],
)
def test_a_slim_file_leaves_out_what_only_training_needs(recipe, left, tmp_path):
  trained = untrained.trained(untrained.config_of(recipe))
  told = writers.export(trained, tmp_path / 'slim.safetensors', slim=True)
  assert told.endswith(f'are equal, without {", ".join(left)}' if left else 'are equal')
  again = safetensors_file.read(tmp_path / 'slim.safetensors')
  for network, own in again.variables['params'].items():
    assert all(not x.any() for x in jax.tree.leaves(own)) == (network in left)


def test_safetensors_give_back_every_array_and_the_same_pictures(pairs, tmp_path):
  model = model_module.Model(pairs, 'made')
  assert 'all' in writers.export(pairs, tmp_path / 'model.safetensors')
  image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
  wanted = model.translate(image)
  for path in (tmp_path / 'model.safetensors', tmp_path):
    again = model_module.load(path)
    assert again.step == 2
    assert np.array_equal(again.translate(image), wanted)
  assert again.config.data.to_dict().keys() == model.config.data.to_dict().keys()
  with pytest.raises(UserError, match='holds one step only'):
    model_module.load(tmp_path, checkpoint='best')


def test_a_damaged_or_foreign_file_is_told(pairs, tmp_path):
  from safetensors.numpy import save_file

  whole = safetensors_file.write(pairs, tmp_path / 'whole.safetensors').read_bytes()
  (tmp_path / 'cut.safetensors').write_bytes(whole[:-100])
  (tmp_path / 'png.safetensors').write_bytes(b'\x89PNG\r\n\x1a\n' * 8)
  save_file({'x': np.zeros(3)}, tmp_path / 'other.safetensors')
  config = pairs.run.config.copy_and_resolve_references()
  config.method = 'os.path'
  stranger = {'program': 'decoupled_gan', 'config': config.to_json_best_effort(), 'step': '1'}
  save_file({'x': np.zeros(3)}, tmp_path / 'stranger.safetensors', stranger)
  fitting = stranger | {'config': pairs.run.config.to_json_best_effort()}
  save_file({'x': np.zeros(3)}, tmp_path / 'unfit.safetensors', fitting)
  config = pairs.run.config.copy_and_resolve_references()
  config.model.width = -4
  absurd = fitting | {'config': config.to_json_best_effort()}
  save_file({'x': np.zeros(3)}, tmp_path / 'absurd.safetensors', absurd)
  save_file({'x': np.zeros(3)}, tmp_path / 'bare.safetensors', {'program': 'decoupled_gan'})
  for name, sentence in {
    'cut': 'is cut off, or no .safetensors file',
    'png': 'is cut off, or no .safetensors file',
    'other': 'is a file of another program: it has no config',
    'stranger': r"method='os.path', which is not among",
    'unfit': 'does not fit its own config: .* are missing',
    'absurd': 'no networks can be made by its config',
    'bare': 'no readable config and step',
    'nowhere': 'there is no file',
  }.items():
    with pytest.raises(UserError, match=sentence):
      model_module.load(tmp_path / f'{name}.safetensors')


@pytest.mark.parametrize(
  ('name', 'what', 'sentence'),
  [
    ('dog.mlmodel', {}, r'goes by the ending; there are .safetensors, .stablehlo, .onnx, .tflite'),
    ('dog.onnx', {'direction': 'b_to_a'}, r'translates one way only'),
    ('dog.onnx', {'ability': 'paint'}, r"ability='paint' is unknown; there are translate"),
    ('dog.onnx', {'ability': 'edit'}, r'This one turns images of one domain'),
    ('dog.safetensors', {'direction': 'a_to_b'}, r'holds all of the networks: leave'),
    ('dog.onnx', {'slim': True}, r'slim is of \.safetensors: \.onnx has what it computes with'),
    ('dog.onnx', {'quantize': 'int8'}, r'quantize=int8 is of .tflite; weights in .onnx stay float32'),
    ('dog.tflite', {'quantize': 'int4'}, r'quantize=int4 is unknown; there are float16, int8'),
  ],
)
def test_what_cannot_be_exported_is_told(pairs, tmp_path, name, what, sentence):
  with pytest.raises(UserError, match=sentence):
    writers.export(pairs, tmp_path / name, **what)


def test_a_direction_is_of_translators(drawer, tmp_path):
  with pytest.raises(UserError, match=r'--direction=a_to_b is of translators; this file would draw'):
    writers.export(drawer, tmp_path / 'x.onnx', direction='a_to_b')


def test_the_mode_chooses_by_the_ending_and_by_the_word(tmp_path, capsys):
  config = untrained.config_of('gan:digits,tiny')
  config.num_steps = config.checkpoint_every_steps = config.sample_every_steps = 1
  train_mode.train(config, Workdir(tmp_path / 'run'))
  assert mode.layout_of('dog.onnx', '') == 'onnx'
  assert (mode.layout_of('dog.pt', ''), mode.layout_of('dog', 'run')) == ('pytorch', 'run')
  with pytest.raises(
    UserError, match=r'--format=coreml is unknown; there are pytorch, run, safetensors'
  ):
    mode.layout_of('dog.mlmodel', 'coreml')
  mode.export(Workdir(tmp_path / 'run'), str(tmp_path / 'z.onnx'), 'onnx', 0, None, truncation=0.7)
  assert 'z.onnx: draw' in capsys.readouterr().out
  with pytest.raises(UserError, match=r'a file of --format=onnx ends in .onnx'):
    mode.export(Workdir(tmp_path / 'run'), 'dog.pt', 'onnx', 0)
