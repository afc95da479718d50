"""The study `losses` with 4 draws of each loss and 2 fresh seeds: half of its time.

  python main.py --mode=study --study=losses_small --workdir=studies/losses_small

Its draws are the first ones of `losses`: that study's folder may go on from this one's.
"""

from configs.studies import losses


def get_study():
  study = losses.get_study()
  study.draws, study.confirm_seeds = 4, 2
  return study
