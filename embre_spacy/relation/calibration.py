"""Calibration: temperatures that make probabilities honest, and the threshold, both from held-out documents.

Source: Guo et al. 2017, "On calibration of modern neural networks", sections 2 and 4.2.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from ..errors import EmbreError
from ..tokens import Relation, copy_mentions, get_document_id, get_relations
from .component import decision_score, find_component
from .loss import find_targets
from .scoring import LEVELS, count_relations

N_BINS = 15
# The thresholds that are tried. Finer steps would only fit the noise of the documents.
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
# The least probability that a fit counts: what was taken for impossible must not decide the temperature alone.
_LEAST = 1e-7


@dataclass
class ScoredCandidates:
    """All n candidates of documents: what a pipeline says of them, and what gold says."""

    documents: List[str]  # the ids of the documents
    gold: List[List[Relation]]  # their gold relations
    candidates: List[List[Relation]]  # their candidates, with the most probable relation type and novelty
    types: NDArray[numpy.floating]  # probabilities of relation types, "not related" first; (n, relation types + 1)
    novelties: NDArray[numpy.floating]  # probabilities of novelty labels; shape (n, novelty labels)
    gold_types: NDArray[numpy.int64]  # the right classes of relation types, 0 for "not related"; shape (n,)
    gold_novelties: NDArray[numpy.int64]  # the right classes of novelty, -1 where there is none; shape (n,)
    type_certainty: float  # how much the certainty of the type counts; see `decision_score`

    def predicted(self, threshold: float) -> List[List[Relation]]:
        """The relations of each document at a threshold."""
        is_related = iter((decision_score(self.types, self.type_certainty) >= threshold).tolist())
        return [[relation for relation in of_document if next(is_related)] for of_document in self.candidates]

    def count(self, threshold: float) -> Dict[str, Dict[str, Any]]:
        """What `count_relations` returns at a threshold."""
        return count_relations(zip(self.gold, self.predicted(threshold)))


def score_candidates(nlp: Language, gold: Sequence[Doc], *, batch_size: int = 64) -> ScoredCandidates:
    """Score all candidates of gold documents with a pipeline. Raises EmbreError if it has no relation component, or its
    probabilities are no numbers."""
    component = find_component(nlp)
    position = [pipe for _, pipe in nlp.pipeline].index(component)
    docs = nlp.pipe(map(copy_mentions, gold), batch_size=batch_size, disable=nlp.pipe_names[position:])
    candidates, (types, novelties) = component.predict(docs)
    if not (numpy.isfinite(types).all() and numpy.isfinite(novelties).all()):
        raise EmbreError("the pipeline gives probabilities that are no numbers: its weights cannot be used")
    labels = component.labels, component.novelty_labels
    gold_types, gold_novelties = find_targets(gold, candidates, *labels, is_strict=False)
    return ScoredCandidates(
        [get_document_id(reference) for reference in gold],
        [get_relations(reference) for reference in gold],
        component.decide(candidates, (types, novelties), threshold=0.0),
        types,
        novelties,
        gold_types.argmax(axis=1),
        numpy.where(gold_novelties.any(axis=1), gold_novelties.argmax(axis=1) if gold_novelties.size else -1, -1),
        component.cfg["type_certainty"],
    )


def calibrate(
    nlp: Language, gold: Sequence[Doc], *, level: Optional[str] = None, batch_size: int = 64
) -> Dict[str, Any]:
    """Set the temperatures and the threshold of a pipeline's relation component. An error leaves them as they were.

    nlp (Language): The pipeline; its component and its config are changed in place.
    gold (Sequence[Doc]): Held-out gold documents.
    level (Optional[str]): The level whose F1 chooses the threshold; the mean of all four if None.
    batch_size (int): The number of documents that the pipeline gets at once.
    RETURNS (Dict[str, Any]): `calibration` (see `measure_calibration`), the `threshold`, and `scores`, F1 at the four
        levels with it.
    RAISES (EmbreError): If the pipeline has no relation component, or the documents have no candidates.
    """
    cfg = find_component(nlp).cfg
    before = {name: cfg[name] for name in ("temperature", "novelty_temperature")}
    cfg.update(dict.fromkeys(before, 1.0))
    try:
        scored = score_candidates(nlp, gold, batch_size=batch_size)
    finally:
        cfg.update(before)
    if not any(scored.candidates):
        raise EmbreError("the documents have no candidates, so there is nothing to calibrate on")
    calibration = measure_calibration(scored)
    temperature, novelty_temperature = (calibration[name]["temperature"] for name in ("relation", "novelty"))
    scored.types = apply_temperature(scored.types, temperature)
    scored.novelties = apply_temperature(scored.novelties, novelty_temperature)
    threshold, scores = choose_threshold(scored, level)
    cfg.update(temperature=temperature, novelty_temperature=novelty_temperature, threshold=threshold)
    return {"calibration": calibration, "threshold": threshold, "scores": scores}


def choose_threshold(scored: ScoredCandidates, level: Optional[str] = None) -> Tuple[float, Dict[str, float]]:
    """The threshold with the best F1 at a level, or with the best mean of all four if that is None, and F1 at the four
    levels with it."""
    counts = {threshold: scored.count(threshold) for threshold in THRESHOLDS}
    levels = [level] if level else LEVELS
    best = max(counts, key=lambda threshold: sum(counts[threshold][name]["f"] for name in levels))
    return best, {name: counts[best][name]["f"] for name in LEVELS}


def measure_calibration(scored: ScoredCandidates) -> Dict[str, Dict[str, float]]:
    """The calibration error of the probability to be related (over all candidates) and of the novelty (over those that
    are related), as they are and with a temperature. That is fitted on every other document and measured on the rest,
    both ways round, so that it is not measured where it was fitted.

    scored (ScoredCandidates): The candidates of held-out documents.
    RETURNS (Dict[str, Dict[str, float]]): Under "relation" and "novelty": `temperature` (fitted on all documents),
        `ece` without it and `ece_after`.
    """
    is_odd = numpy.repeat(numpy.arange(len(scored.candidates)) % 2 == 1, list(map(len, scored.candidates)))
    known = scored.gold_novelties >= 0
    return {
        "relation": _measure_temperature(scored.types, scored.gold_types, is_odd),
        "novelty": _measure_temperature(scored.novelties[known], scored.gold_novelties[known], is_odd[known]),
    }


def _measure_temperature(
    probabilities: NDArray[numpy.floating], classes: NDArray[numpy.int64], is_odd: NDArray[numpy.bool_]
) -> Dict[str, float]:
    """Fit a temperature, and measure the error of the probability of the first class with and without it."""
    if not len(classes):
        return {"temperature": 1.0, "ece": 0.0, "ece_after": 0.0}
    scaled = numpy.empty(probabilities.shape)
    for own in (is_odd, ~is_odd):
        scaled[own] = apply_temperature(probabilities[own], fit_temperature(probabilities[~own], classes[~own]))
    return {
        "temperature": fit_temperature(probabilities, classes),
        "ece": expected_calibration_error(probabilities[:, 0], classes == 0),
        "ece_after": expected_calibration_error(scaled[:, 0], classes == 0),
    }


def apply_temperature(probabilities: NDArray[numpy.floating], temperature: float) -> NDArray[numpy.float64]:
    """Probabilities (n, classes) as they would be with scores divided by a temperature; above 1 is less certain."""
    powers = probabilities.astype("float64") ** (1.0 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(probabilities: NDArray[numpy.floating], classes: Sequence[int]) -> float:
    """The temperature, from 0.05 to 20, that makes the right classes of probabilities (n, classes) most likely."""
    if not len(classes):
        return 1.0
    scores = torch.from_numpy(numpy.log(numpy.clip(probabilities.astype("float64"), _LEAST, None)))
    targets = torch.as_tensor(numpy.asarray(classes, dtype="int64"))
    # The likelihood has one maximum in 1 / temperature; its logarithm keeps it positive.
    inverse = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([inverse], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(scores * inverse.exp(), targets)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(numpy.clip(numpy.exp(-inverse.item()), 0.05, 20.0))


def expected_calibration_error(probabilities: NDArray[numpy.floating], happened: Sequence[bool]) -> float:
    """How far probabilities (n,) are from how often their events happen: the mean difference over bins of equal width,
    weighted by their numbers of events."""
    outcomes = numpy.asarray(happened, dtype="float64")
    bins = numpy.minimum((probabilities * N_BINS).astype("int64"), N_BINS - 1)
    gaps = numpy.bincount(bins, weights=probabilities - outcomes, minlength=N_BINS)
    return float(numpy.abs(gaps).sum() / len(outcomes))
