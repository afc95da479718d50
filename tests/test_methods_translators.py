"""CycleGAN, pix2pix, CUT, FastCUT, U-GAT-IT and MUNIT against the official code's arrays.

Computed there in float64 at 32 px and width 2, batch 2: forward passes, and two full training steps
from a fresh Adam. The draws that official code makes (CUT's places and flips, MUNIT's styles) are given
to ours.
"""

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from official import Official, nchw, relative

from decoupled_gan.core.parts import join

CYCLEGAN = ('G_A', 'G_B', 'D_A', 'D_B')
UGATIT = ('genA2B', 'genB2A', 'disGA', 'disGB', 'disLA', 'disLB')
CUT = {'model.taps': ('padded', 'down_0', 'down_1', 'block_0', 'block_4'), 'model.blocks': 5}
CASES = {
  'cyclegan': lambda: Official('cyclegan', 'cyclegan', CYCLEGAN, **{'model.pool_size': 50}),
  'pix2pix': lambda: Official('pix2pix', 'pix2pix', ('G', 'D'), **{'model.dropout': False}),
  'cut': lambda: Official('cut', 'cut', ('G', 'D', 'F'), **CUT),
  'fastcut': lambda: Official('fastcut', 'cut:fast', ('G', 'D', 'F'), **CUT),
  'ugatit_light': lambda: Official('ugatit_light', 'ugatit', UGATIT),
  'ugatit_full': lambda: Official('ugatit_full', 'ugatit:full', UGATIT),
  'munit': lambda: Official('munit', 'munit:cycle', ('gen_a', 'gen_b', 'dis_a', 'dis_b')),
}


SECOND = ('fastcut', 'ugatit_full')  # of a method whose other form is in the default suite
PARAMETERS = [pytest.param(x, marks=pytest.mark.slow if x in SECOND else ()) for x in CASES]


@pytest.fixture(scope='module', params=PARAMETERS)
def official(request):
  return CASES[request.param]()


@pytest.mark.row('cyclegan', 'pix2pix', 'cut', 'fastcut', 'ugatit', 'munit')
def test_the_official_networks_fill_exactly_our_variables(official):
  state = official.run.abstract_state()
  ours = {'params': join(state.params, state.parts), **state.stats}
  ours.pop('pool', None)
  theirs = official.variables('before')
  shapes = [
    {path: x.shape for path, x in flatten_dict(tree, sep='/').items()} for tree in (ours, theirs)
  ]
  assert shapes[0] == shapes[1]


# Forward passes.


def cyclegan_outputs(gan, real):
  return {
    'a_to_b': gan.generator.b(real.a),
    'b_to_a': gan.generator.a(real.b),
    'D_A_of_b': gan.discriminator.b(real.b),
    'D_A_of_fake_b': gan.discriminator.b(gan.generator.b(real.a)),
    'D_B_of_a': gan.discriminator.a(real.a),
  }


def cut_outputs(gan, real):
  taps = gan.generator(real.a[:1], taps=gan.taps)
  features = {f'feature_{n}': x for n, x in zip((0, 4, 8, 12, 16), taps, strict=True)}
  return {'a_to_b': gan.generator(real.a), 'D_of_b': gan.discriminator(real.b), **features}


def ugatit_outputs(gan, real):
  found = {}
  for name, images in {
    'a_to_b': gan.generator.b(real.a), 'b_to_a': gan.generator.a(real.b)
  }.items():  # fmt: skip
    found[name], found[f'{name}_cam'], heat = images
    found[f'{name}_heat'] = heat[..., None]
  logits = gan.discriminator(real)
  return found | {
    'disGA': logits[0].a, 'disGA_cam': logits[1].a, 'disLB': logits[2].b, 'disLB_cam': logits[3].b
  }  # fmt: skip


def munit_outputs(gan, real):
  content, style = gan.content.a(real.a), gan.style.a(real.a)
  drawn = gan.arrays['styles'][0, 0, 1]
  judged = {f'dis_a_{i}': x for i, x in enumerate(gan.discriminator.a(real.a))}
  made = gan.decoder.b(content, jax.numpy.asarray(drawn))
  return {'content_a': content, 'style_a': style[:, None, None], 'a_to_b': made, **judged}


OUTPUTS = {
  'cyclegan': cyclegan_outputs, 'cut': cut_outputs, 'ugatit': ugatit_outputs, 'munit': munit_outputs
}  # fmt: skip


def test_forward_passes_equal_the_official_ones(official):
  if official.config.method == 'pix2pix':
    pytest.skip('its statistics make it a test of its own, below')
  ours = official.evaluated(OUTPUTS[official.config.method])
  for name, x in ours.items():
    theirs = official.arrays[f'eval/{name}']
    assert relative(nchw(x) if x.ndim == 4 else x, theirs) < 1e-5, name


@pytest.fixture(scope='module')
def pix2pix():
  return Official('pix2pix', 'pix2pix', ('G', 'D'), **{
    'model.dropout': False, 'model.test_statistics': 'average'
  })  # fmt: skip


def test_pix2pix_goes_by_the_batchs_statistics_in_training_and_by_averages_if_asked(pix2pix):
  def outputs(gan, batch):
    return gan.generator(batch.input), gan.judge(batch.input, batch.target)

  image, logits = pix2pix.evaluated(outputs)
  assert relative(nchw(image), pix2pix.arrays['eval/fake_b']) < 1e-5
  assert relative(nchw(logits), pix2pix.arrays['eval/D_real']) < 1e-5
  image, _ = pix2pix.evaluated(outputs, training=True)
  assert relative(nchw(image), pix2pix.arrays['train/fake_b']) < 1e-5


def test_pix2pix_translates_each_image_by_its_own_statistics_else():
  """What the official test does, whose batch is one image."""
  own = Official('pix2pix', 'pix2pix', ('G', 'D'), **{'model.dropout': False})
  together = own.evaluated(lambda gan, batch: gan.generator(batch.input))
  for i in range(2):
    alone = own.evaluated(
      lambda gan, batch, i=i: gan.generator(batch.input[i : i + 1]), training=True
    )
    np.testing.assert_allclose(together[i : i + 1], alone, atol=1e-5)


# Two steps of training.

SUMS = {
  'cyclegan': {  # columns D_A, G_A, cycle_A, idt_A, D_B, G_B, cycle_B, idt_B, as weighted there
    'translate/judge': ((0, 4), 0.5),
    'translate/adversarial': ((1, 5), 1),
    'translate/cycle': ((2, 6), 10),
    'translate/identity': ((3, 7), 5),
  },
  'pix2pix': {  # G_GAN, G_L1, D_real, D_fake
    'translate/adversarial': ((0,), 1),
    'translate/l1': ((1,), 100),
    'discriminate/adversarial': ((2, 3), 1),
  },
  'cut': {  # G_GAN, D_real, D_fake, G total, NCE, NCE_Y
    'translate/adversarial': ((0,), 1),
    'discriminate/adversarial': ((1, 2), 1),
    'translate/nce': ((4,), 1),
    'translate/nce_identity': ((5,), 1),
  },
  'ugatit': {  # D, adv, cycle, identity, cam, G total
    'discriminate/adversarial': ((0,), 1),
    'translate/adversarial': ((1,), 1),
    'translate/cycle': ((2,), 1),
    'translate/identity': ((3,), 1),
    'translate/cam': ((4,), 1),
  },
  'munit': {  # D, adversarial, reconstruct, style, content, cycle, G total
    'discriminate/adversarial': ((0,), 1),
    'translate/adversarial': ((1,), 1),
    'translate/reconstruct': ((2,), 1),
    'translate/style': ((3,), 1),
    'translate/content': ((4,), 1),
    'translate/cycle': ((5,), 1),
  },
}
"""{method: {our loss: (official columns that add up to it, the weight in them)}}."""


def test_the_losses_of_two_steps_equal_the_official_ones(official):
  sums = dict(SUMS[official.config.method])
  if 'nce_identity' not in official.config.routes.translate:
    sums.pop('translate/nce_identity', None)
  if official.config.losses.get('flip'):
    sums['translate/nce'] = ((4,), 10)
  _, losses = official.trained
  for ours, theirs in zip(losses, official.arrays['losses'], strict=True):
    expected = {loss: sum(theirs[i] for i in at) / weight for loss, (at, weight) in sums.items()}
    assert ours == pytest.approx(expected, rel=3e-6)


def test_the_weights_of_the_table_give_the_official_total(official):
  total = {'cut': 3, 'ugatit': 5, 'munit': 6}.get(official.config.method)
  if total is None:
    pytest.skip('its fixture has no total')
  routes = official.config.routes.translate
  for ours, theirs in zip(official.trained[1], official.arrays['losses'], strict=True):
    weight = lambda loss: max(routes[loss].values())  # noqa: E731
    weighted = sum(weight(loss) * ours[f'translate/{loss}'] for loss in routes)
    assert weighted == pytest.approx(theirs[total], rel=3e-6)


def without_gradient(path, config):
  """Biases before an instance or batch normalisation: their gradient is 0, and Adam moves rounding."""
  group, name = path.split('/')[0], path.split('/')[-2]
  if not path.endswith('/bias') or config.method in ('ugatit', 'pix2pix'):
    return False
  if config.method == 'munit':
    return group == 'content' or (group == 'decoder' and 'block_' in path)
  first = group == 'discriminator' and name == 'conv_0'
  return group != 'projector' and name not in ('output', 'logits') and not first


def test_all_parameters_after_two_steps_equal_the_official_ones(official):
  state, _ = official.trained
  off = official.off(join(state.params, state.parts))
  rate = official.config.optimizer.learning_rate
  for path, difference in off.items():
    assert difference < (4 * rate if without_gradient(path, official.config) else 2e-5), path
  moved = official.off(join(official.state().params, state.parts))
  assert np.median(list(moved.values())) > rate, 'or the comparison would say nothing'


def test_statistics_after_two_steps_equal_the_official_ones(official):
  state, _ = official.trained
  for collection in set(official.variables('before')) - {'params'}:
    if not any(official.dicts('after')[n] for n in official.networks if not n.startswith('gen')):
      continue  # the fixture leaves them out
    off = official.off(state.stats[collection], collection=collection)
    assert max(off.values()) < 1e-5, collection
