"""Numbers of answers by runs that were told no classes: clusters that they found, and anomalies.

  cluster_accuracy   share of examples whose cluster is their class, clusters and classes matched one to
                     one as it fits best (Hungarian); each class's most frequent cluster, which some
                     papers take, may be the same for two and says more
  cluster_nmi        mutual information of cluster and class over the mean of their entropies
  anomaly_auc        the chance that an example that is not normal scores higher than one that is (ties
                     count half): the area under the ROC curve

The cluster is the largest logit; the score of a detector is its one feature.
"""

import numpy as np

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.classification import Response, area, jackknifed, within_shares
from decoupled_gan.evaluation.metrics.registry import ANSWERS, Estimate, metric


@metric(ANSWERS, 'higher')
def cluster_accuracy(answers: Response, rng) -> Estimate:
  clusters = _clusters('cluster_accuracy', answers)
  return within_shares(jackknifed(matched_share, rng, clusters, answers.label))


@metric(ANSWERS, 'higher')
def cluster_nmi(answers: Response, rng) -> Estimate:
  from sklearn.metrics import normalized_mutual_info_score

  clusters = _clusters('cluster_nmi', answers)
  return within_shares(jackknifed(normalized_mutual_info_score, rng, answers.label, clusters))


@metric(ANSWERS, 'higher')
def anomaly_auc(answers: Response, rng) -> Estimate:
  if answers.features.shape[1] != 1:
    raise UserError('anomaly_auc is of runs that detect anomalies, whose config.data.normal is named.')
  return within_shares(jackknifed(area, rng, answers.features[:, 0], answers.label == 1))


def matched_share(clusters: np.ndarray, labels: np.ndarray) -> float:
  """The share of examples [N] that the best matching of clusters and classes puts right."""
  from scipy.optimize import linear_sum_assignment

  count = 1 + max(clusters.max(), labels.max())
  common = np.zeros((count, count), int)
  np.add.at(common, (clusters, labels), 1)
  return float(common[linear_sum_assignment(-common)].sum() / len(labels))


def _clusters(name: str, answers: Response) -> np.ndarray:
  """[N]; raises UserError where there are none."""
  if answers.logits is None:
    raise UserError(f'{name} is of runs that find clusters, and this one finds none.')
  return answers.logits.argmax(1)
