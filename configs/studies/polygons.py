"""The study `losses` on triangles of 28 px, the paper's own set (Lucic et al., section 6).

  python main.py --mode=study --study=polygons --workdir=studies/polygons

Classes there are none, so that the metric is the sliced Wasserstein distance of patches, of 1,000 images
against as many triangles to test. Two hours on one core, by an estimate.

Differs: the paper measures how near fakes come to the manifold and how much of it they reach, by
inverting the generator; that is not here.
"""

from configs.studies import losses


def get_study():
  study = losses.get_study()
  study.config, study.own = 'gan:polygons', ''
  study.fixed['num_steps'] = 2000
  study.metric, study.also = 'sliced_wasserstein_1k', ()
  return study
