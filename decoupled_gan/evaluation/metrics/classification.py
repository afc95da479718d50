"""Numbers of a classifier's answers to labelled examples.

  accuracy, top2, top3, top5   share of examples whose class is the first, or among the first k
  balanced_accuracy            the mean over classes of the accuracy on each
  calibration_error            expected calibration error in 15 bins (Guo et al., ICML 2017, eq. 3)
  margin, margin_decile        true logit less the largest other: the mean, and what one in ten is below

and of its features alone, also for classes that it was never trained on:

  verification_auc   of the cosine of two examples as a sign that they are of one class, over all pairs
  five_shot          nearest of 5 prototypes, of 5 examples each (Snell et al., NIPS 2017): 200 episodes
  icnn               how dense and how far apart classes are (Mendez-Ruiz et al., 2023), see
                     losses/classification/episodes.py: the mean over 20 draws of 20 examples a class

Probabilities are the softmax of the scores. They mean something for losses that make them so: not for
z_loss, whose logits have no scale, nor for one-vs-rest losses.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from decoupled_gan.errors import UserError
from decoupled_gan.evaluation.metrics.registry import ANSWERS, Estimate, mean_of, metric

BINS = 15
WAYS, SHOTS, QUERIES, EPISODES = 5, 5, 15, 200
PER_CLASS, DRAWS = 20, 20  # of icnn
MOST = 2000  # examples whose pairs are compared


class Response(NamedTuple):
  """What a classifier says of an example, or [N, ...] of many.

  Attributes:
    features: [F].
    logits: [K]; None if it has no classes of its own.
    label: the true class.
  """

  features: np.ndarray
  logits: np.ndarray | None
  label: np.ndarray


@metric(ANSWERS, 'higher')
def accuracy(answers: Response, rng) -> Estimate:
  return within_shares(mean_of(_rank('accuracy', answers) < 1))


@metric(ANSWERS, 'higher')
def balanced_accuracy(answers: Response, rng) -> Estimate:
  right = _rank('balanced_accuracy', answers) < 1
  classes = [right[answers.label == label] for label in np.unique(answers.label)]
  value = float(np.mean([x.mean() for x in classes]))
  error = 1.96 * np.sqrt(sum(x.var() / len(x) for x in classes)) / len(classes)
  return within_shares(Estimate(value, value - error, value + error, 'standard error'))


def _top(k: int):
  def among_the_first(answers: Response, rng) -> Estimate:
    return within_shares(mean_of(_rank(f'top{k}', answers) < k))

  metric(ANSWERS, 'higher', name=f'top{k}')(among_the_first)


for k in (2, 3, 5):
  _top(k)


@metric(ANSWERS, 'lower')
def calibration_error(answers: Response, rng) -> Estimate:
  """Mean gap of confidence and accuracy over 15 equal bins of confidence, weighted by their examples."""
  right = _rank('calibration_error', answers) < 1
  confidence = _softmax(answers.logits).max(1)
  return jackknifed(expected_gap, rng, confidence, right)


@metric(ANSWERS, 'higher')
def margin(answers: Response, rng) -> Estimate:
  return mean_of(_margins('margin', answers))


@metric(ANSWERS, 'higher')
def margin_decile(answers: Response, rng) -> Estimate:
  return jackknifed(lambda x: np.quantile(x, 0.1), rng, _margins('margin_decile', answers))


@metric(ANSWERS, 'higher')
def verification_auc(answers: Response, rng) -> Estimate:
  """The chance that a pair of one class has a larger cosine than a pair of two (ties count half)."""
  chosen = rng.permutation(len(answers.label))[:MOST]
  return jackknifed(pair_auc, rng, answers.features[chosen], answers.label[chosen])


@metric(ANSWERS, 'higher')
def five_shot(answers: Response, rng) -> Estimate:
  """Mean accuracy of episodes; of as many classes as there are, if fewer than 5."""
  classes = [np.flatnonzero(answers.label == label) for label in np.unique(answers.label)]
  classes = [x for x in classes if len(x) > SHOTS]
  if len(classes) < 2:
    raise UserError(f'five_shot needs two classes with more than {SHOTS} examples.')
  return within_shares(mean_of([_episode(answers.features, classes, rng) for _ in range(EPISODES)]))


@metric(ANSWERS, 'higher')
def icnn(answers: Response, rng) -> Estimate:
  from decoupled_gan.losses.classification.episodes import icnn_score

  labels, scores = np.unique(answers.label), []
  for _ in range(DRAWS):
    drawn = [rng.permutation(np.flatnonzero(answers.label == k))[:PER_CLASS] for k in labels]
    chosen = np.concatenate(drawn)
    scores.append(icnn_score(answers.features[chosen], answers.label[chosen], within=PER_CLASS))
  return mean_of(scores)._replace(interval=f'{DRAWS} draws')


def expected_gap(confidence: np.ndarray, right: np.ndarray) -> float:
  """The expected calibration error of confidences [N] and whether each was right [N]."""
  bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
  gaps = np.bincount(bins, confidence - right, BINS)
  return float(np.abs(gaps).sum() / len(confidence))


def pair_auc(features: np.ndarray, labels: np.ndarray) -> float:
  """The area under the ROC curve of all pairs of features [N, F] by their cosines."""
  unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
  i, j = np.triu_indices(len(unit), 1)
  same = labels[i] == labels[j]
  if same.all() or not same.any():
    raise UserError('verification_auc needs pairs of one class and pairs of two.')
  return area((unit @ unit.T)[i, j], same)


def area(scores: np.ndarray, wanted: np.ndarray) -> float:
  """The area under the ROC curve of scores [N], by whether each should be high; NaN if all or none."""
  ranks, count, others = rankdata(scores), wanted.sum(), (~wanted).sum()
  if not count or not others:
    return float('nan')
  return float((ranks[wanted].sum() - count * (count + 1) / 2) / (count * others))


def within_shares(estimate: Estimate) -> Estimate:
  """A share, whose interval does not go beyond what shares can be."""
  return estimate._replace(low=max(estimate.low, 0.0), high=min(estimate.high, 1.0))


def _episode(features: np.ndarray, classes: list[np.ndarray], rng) -> float:
  """The accuracy of one episode."""
  chosen = rng.permutation(len(classes))[:WAYS]
  drawn = [rng.permutation(classes[c])[: SHOTS + QUERIES] for c in chosen]
  prototypes = np.stack([features[x[:SHOTS]].mean(0) for x in drawn])
  queries = np.concatenate([features[x[SHOTS:]] for x in drawn])
  truth = np.repeat(np.arange(len(drawn)), [len(x) - SHOTS for x in drawn])
  squared = np.square(queries[:, None] - prototypes[None]).sum(-1)
  return float((squared.argmin(1) == truth).mean())


def _rank(name: str, answers: Response) -> np.ndarray:
  """How many classes have larger logits than the true one, [N]; ties count against it."""
  logits = _logits(name, answers)
  true = np.take_along_axis(logits, answers.label[:, None], 1)
  return (logits >= true).sum(1) - 1


def _margins(name: str, answers: Response) -> np.ndarray:
  logits = _logits(name, answers).astype(np.float64)
  true = np.take_along_axis(logits, answers.label[:, None], 1)
  others = np.where(np.arange(logits.shape[1])[None] == answers.label[:, None], -np.inf, logits)
  return true[:, 0] - others.max(1)


def _logits(name: str, answers: Response) -> np.ndarray:
  """[N, K]; raises UserError if there are none for the labels."""
  of_features = 'five_shot, verification_auc or icnn'
  if answers.logits is None:
    raise UserError(f'{name}: this run has no classes of its own; ask for {of_features}.')
  if answers.label.max() >= answers.logits.shape[1]:
    raise UserError(f'{name}: these classes were held out, it cannot tell them; ask for {of_features}.')
  return answers.logits


def _softmax(logits: np.ndarray) -> np.ndarray:
  e = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
  return e / e.sum(1, keepdims=True)


def jackknifed(statistic, rng, *arrays: np.ndarray, draws: int = 20) -> Estimate:
  """The statistic with the interval that its spread over halves tells (delete-d jackknife)."""
  value, count = float(statistic(*arrays)), len(arrays[0])
  halves = [rng.permutation(count)[: max(2, count // 2)] for _ in range(draws)]
  error = 1.96 * float(np.std([statistic(*(x[h] for x in arrays)) for h in halves], ddof=1))
  return Estimate(value, value - error, value + error, f'{draws} subsamples')
