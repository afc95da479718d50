"""Six losses by random search with one budget, after Lucic et al., NeurIPS 2018 (arXiv 1711.10337).

  python main.py --mode=study --study=losses --workdir=studies/losses

Each loss gets its published constants and 7 draws of the paper's wide ranges, of 600 steps; the best
draw is trained again with 3 fresh seeds, and only those are reported of it (there 100 draws, then 50 of
narrow ranges, then 50 seeds). A step is one update of the discriminator, as there: whose generator moves
at every fifth step gets a fifth of its updates. The metric is the Frechet distance to the 359 test
digits in the features of a classifier of digits, which the study trains first; there it is the FID of
10,000 images, and the best checkpoint counts, here the last.

Differs besides: perceptrons for 8 px; fresh latents for both updates of a step (there the same); least
squares and DRAGAN on outputs rather than on their sigmoids, and DRAGAN in StudioGAN's coding; layer
normalisation where the loss has a slope of single examples (there batch normalisation); no BEGAN and no
VAE. 15 minutes on one core; `losses_small` is half of it.

Measured: `python main.py --mode=study --study=losses`, 66 runs: draws of one loss lie between 253 and
2,190 (minimax), the best of each loss between 122 and 907. So far the paper's finding; but WGAN-GP is
ahead of all with fresh seeds too (102, the next 192), which is not. The table is in docs/studies.md.
"""

from decoupled_gan.studies.plan import Study, log_uniform, one_of, uniform

LAMBDA = {'wgan_gp': 'gradient_penalty', 'dragan': 'dragan'}


def get_study():
  study = Study()
  study.config = 'gan:digits'
  study.own = 'classifier:labelled_digits'
  study.fixed = {
    'num_steps': 600,
    'steps_per_call': 100,
    'model.prior': 'uniform',  # of 64 numbers
    'optimizer.b2': 0.999,
    'optimizer.b1': 0.5,
    'every.generate': 1,
    'evaluation.protocol': 'nice_gan',  # against test images
  }
  study.cells = {  # src/params.py of compare_gan v1: the published constants
    'minimax': cell('minimax', 5e-5, 'batch') | {'optimizer.b1': 0.0},
    'non_saturating': cell('non_saturating', 5e-5, 'batch') | {'optimizer.b1': 0.0},
    'least_squares': cell('least_squares', 2e-4, 'batch'),
    'wgan': cell('wasserstein', 5e-5, 'batch')
    | {'optimizer_of.discriminator.clip_weights': 0.01, 'every.generate': 5},
    'wgan_gp': cell('wasserstein', 1e-4, 'none')
    | {penalty('gradient_penalty'): 10.0, 'every.generate': 5},
    'dragan': cell('non_saturating', 1e-4, 'none') | {penalty('dragan'): 10.0},
  }
  study.search = {
    'optimizer.learning_rate': log_uniform(1e-5, 1e-2),
    'optimizer.b1': uniform(0, 1),
    'every.generate': one_of(1, 5),
    'model.norm_discriminator': one_of('none', 'batch'),
  }
  study.search_of = {
    cell: {penalty(row): log_uniform(0.1, 100), 'model.norm_discriminator': one_of('none', 'layer')}
    for cell, row in LAMBDA.items()  # a slope is of one example, which a batch's norm does not know
  }
  study.search_of['wgan'] = {'optimizer_of.discriminator.clip_weights': log_uniform(1e-3, 1)}
  study.draws, study.confirm_seeds, study.together = 8, 3, True
  study.metric, study.also = 'fd_359@own', ('coverage_359@own',)
  return study


def cell(loss: str, learning_rate: float, norm: str) -> dict:
  return {
    'losses.adversarial': loss,
    'optimizer.learning_rate': learning_rate,
    'model.norm_discriminator': norm,
  }


def penalty(row: str) -> str:
  return f'routes.discriminate.{row}.discriminator'
