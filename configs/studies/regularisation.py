"""Losses x penalties x normalisations on digits, after Kurach et al., ICML 2019 (arXiv 1807.04720).

  python main.py --mode=study --study=regularisation --workdir=studies/regularisation

Three losses, with and without WGAN-GP's penalty, with and without spectral normalisation of the
discriminator: 12 groups of 3 seeds, ranked by the Frechet distance to the 359 test digits in the
features of a classifier of digits, which the study trains first. Batches of 64, 128 uniform latents,
lambda = 10 and Adam (2e-4, 0.5, 0.999) are the paper's SNDCGAN; perceptrons for 8 px, 2,000 steps and
this data are ours, and so are only 12 of its groups, and no Gaussian process bandit.

Differs besides: least squares on outputs rather than on their sigmoids, and no 1e-4 within the slope's
root (a slope of 0 costs 1, there 0.98). Five minutes on two cores by --workers=2.

Measured: main.py --mode=study --study=regularisation, 12 groups, 3 seeds, fd_359@own, medians.
Without either: non-saturating 231, least squares 156, Wasserstein 1637. With the penalty 155, 242,
161: it is what Wasserstein needs, and helps non-saturating. With spectral normalisation 1521, 607,
1448, with both 1375, 1386, 1561: worse for every loss, where the paper finds it the best single
change. Mean ranks: spectral 8.9, none 4.1; no run diverged.

Expected: Wasserstein without a bound on slopes last.
"""

from decoupled_gan.studies.plan import Study


def get_study():
  study = Study()
  study.config = 'gan:digits'
  study.own = 'classifier:labelled_digits'
  study.fixed = {
    'num_steps': 2000,
    'steps_per_call': 100,
    'model.z_dim': 128,
    'model.prior': 'uniform',
    'optimizer.learning_rate': 2e-4,
    'optimizer.b1': 0.5,
    'optimizer.b2': 0.999,
    'evaluation.protocol': 'nice_gan',  # against test images
  }
  study.cells = {
    name: {'losses.adversarial': name} for name in ('non_saturating', 'least_squares', 'wasserstein')
  }
  study.axes = {
    'penalty': {
      'none': {},
      'gradient_penalty': {'routes.discriminate.gradient_penalty.discriminator': 10.0},
    },
    'model.norm_discriminator': ('none', 'spectral'),
  }
  study.seeds, study.together = 3, True
  study.metric, study.also = 'fd_359@own', ('coverage_359@own',)
  return study
