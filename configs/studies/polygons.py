"""The study `losses` on triangles of 28 px, the paper's own set (Lucic et al., section 6).

  python main.py --mode=study --study=polygons --workdir=studies/polygons

Classes there are none, so that the metric is the sliced Wasserstein distance of patches, of 1,000 images
against as many triangles to test. Half an hour on one core.

Differs: the paper measures how near fakes come to the manifold and how much of it they reach, by
inverting the generator; that is not here.

Measured: `python main.py --mode=study --study=polygons`, 66 runs: WGAN-GP 15 to 157 over its draws and
23 with fresh seeds, WGAN 29 to 406 and 30, the others 131 to 408 and 149 or more. The table is in
docs/studies.md.
"""

from configs.studies import losses


def get_study():
  study = losses.get_study()
  study.config, study.own = 'gan:polygons', ''
  study.fixed['num_steps'] = 2000
  study.metric, study.also = 'sliced_wasserstein_1k', ()
  return study
