"""The study `regularisation` without penalties and least squares: 4 groups, a few minutes of one core.

  python main.py --mode=study --study=regularisation_small --workdir=studies/regularisation_small
"""

from configs.studies import regularisation


def get_study():
  study = regularisation.get_study()
  del study.cells['least_squares'], study.axes['penalty']
  return study
