"""Calibration: probabilities that mean what they say (temperature scaling), and the threshold.

Source: Guo et al. 2017, "On calibration of modern neural networks", sections 2 and 4.2.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from ..errors import EmbreError
from ..tokens import Relation, copy_mentions, get_relations
from .component import EmbreRelation, find_component
from .decision import decision_score
from .scoring import LEVELS, count_relations

N_BINS = 15
# The thresholds that are tried. Finer steps would only fit the noise of the documents.
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
# Probabilities are float32, so what is not above this is not told apart from 0.
_LEAST = 1e-7


@dataclass
class ScoredCandidates:
    """All candidates of documents with their probabilities, and the gold relations.

    documents (List[str]): The ids of the documents.
    gold (List[List[Relation]]): Their gold relations.
    candidates (List[List[Relation]]): All their candidates as relations, whatever their probability.
    labels (Tuple[str, ...]), novelty_labels (Tuple[str, ...]): The relation types and novelty labels of the pipeline.
    type_certainty (float): How much the pipeline counts the certainty of the type; see `decision_score`.
    """

    documents: List[str]
    gold: List[List[Relation]]
    candidates: List[List[Relation]]
    labels: Tuple[str, ...]
    novelty_labels: Tuple[str, ...]
    type_certainty: float

    def predicted(self, threshold: float) -> List[List[Relation]]:
        """What the pipeline would say at a threshold.

        threshold (float): The threshold.
        RETURNS (List[List[Relation]]): The relations of each document.
        """
        return [[one for one in found if self._score(one) >= threshold] for found in self.candidates]

    def _score(self, candidate: Relation) -> float:
        return decision_score(
            candidate.pair_probability, candidate.type_probabilities[candidate.type], self.type_certainty
        )

    def count(self, threshold: float) -> Dict[str, Dict[str, Any]]:
        """What `count_relations` returns at a threshold."""
        return count_relations(zip(self.gold, self.predicted(threshold)))

    def relation_classes(self) -> Tuple[NDArray[numpy.float64], List[int]]:
        """The probabilities of all candidates with "not related" first, shape (candidates, relation types + 1), and
        their right classes."""
        columns = {label: number for number, label in enumerate(self.labels, start=1)}
        rows, classes = [], []
        for candidate, gold in self._with_gold():
            of_types = [candidate.type_probabilities[label] for label in self.labels]
            rows.append([max(0.0, 1.0 - sum(of_types)), *of_types])
            classes.append(0 if gold is None else columns.get(gold.type, 0))
        return numpy.asarray(rows).reshape(-1, len(self.labels) + 1), classes

    def novelty_classes(self) -> Tuple[NDArray[numpy.float64], List[int]]:
        """The probabilities of novelty labels of the candidates that are related, shape (related, labels), and their
        right classes."""
        columns = {label: number for number, label in enumerate(self.novelty_labels)}
        found = [
            ([candidate.novelty_probabilities[label] for label in self.novelty_labels], columns[gold.novelty])
            for candidate, gold in self._with_gold()
            if gold is not None and gold.novelty in columns
        ]
        # There are none in a corpus without novelty, and then -1 could not be told from 0.
        rows = numpy.asarray([row for row, _ in found]).reshape(len(found), len(self.novelty_labels))
        return rows, [wanted for _, wanted in found]

    def _with_gold(self) -> Iterator[Tuple[Relation, Optional[Relation]]]:
        for candidates, relations in zip(self.candidates, self.gold):
            gold = {relation.pair: relation for relation in relations}
            for candidate in candidates:
                yield candidate, gold.get(candidate.pair)


def score_candidates(nlp: Language, gold: Sequence[Doc], *, batch_size: int = 64) -> ScoredCandidates:
    """Ask a pipeline for the probabilities of all candidates.

    nlp (Language): The pipeline.
    gold (Sequence[Doc]): The gold documents.
    batch_size (int): The number of documents that the pipeline gets at once.
    RETURNS (ScoredCandidates): The scored candidates.
    RAISES (EmbreError): If the pipeline has no relation component.
    """
    pipe = find_component(nlp)
    with _threshold(pipe, 0.0):
        docs = list(nlp.pipe((copy_mentions(reference) for reference in gold), batch_size=batch_size))
    return ScoredCandidates(
        [reference._.document_id for reference in gold],
        [get_relations(reference) for reference in gold],
        [get_relations(doc) for doc in docs],
        pipe.labels,
        pipe.novelty_labels,
        pipe.cfg["type_certainty"],
    )


@contextmanager
def _threshold(pipe: EmbreRelation, threshold: float) -> Iterator[None]:
    before = pipe.cfg["threshold"]
    pipe.cfg["threshold"] = threshold
    try:
        yield
    finally:
        pipe.cfg["threshold"] = before


def choose_threshold(scored: ScoredCandidates, level: Optional[str] = None) -> Tuple[float, Dict[str, float]]:
    """The threshold with the best F1.

    scored (ScoredCandidates): The scored candidates of held-out documents.
    level (Optional[str]): The level that counts; the mean of all four if None.
    RETURNS (Tuple[float, Dict[str, float]]): The threshold, and F1 at the four levels with it.
    """
    found = {}
    for threshold in THRESHOLDS:
        counts = scored.count(threshold)
        found[threshold] = {name: counts[name]["f"] for name in LEVELS}
    best = max(found, key=lambda one: found[one][level] if level else sum(found[one].values()))
    return best, found[best]


def measure_calibration(scored: ScoredCandidates) -> Dict[str, Dict[str, float]]:
    """The calibration error of the probability to be related (over all candidates) and of the novelty (over those that
    are related), as it is and with a temperature. The temperature is fitted on one half of the documents and measured
    on the other, both ways round, so that it is not measured where it was fitted.

    scored (ScoredCandidates): The scored candidates of held-out documents.
    RETURNS (Dict[str, Dict[str, float]]): Under "relation" and "novelty": `temperature` (fitted on all documents),
        `ece` without it and `ece_after`.
    """
    halves = [_select(scored, numbers) for numbers in _halves(len(scored.documents))]
    result = {}
    for name, classes, event in (
        ("relation", ScoredCandidates.relation_classes, _related),
        ("novelty", ScoredCandidates.novelty_classes, _first),
    ):
        probabilities, wanted = classes(scored)
        parts = [classes(half) for half in halves]
        before, after, happened = [], [], []
        for own, other in (parts, parts[::-1]):
            scaled = apply_temperature(own[0], fit_temperature(*other)) if len(own[1]) else own[0]
            before.append(event(own[0], own[1])[0])
            after.append(event(scaled, own[1])[0])
            happened.extend(event(own[0], own[1])[1])
        result[name] = {
            "temperature": fit_temperature(probabilities, wanted),
            "ece": expected_calibration_error(numpy.concatenate(before), happened),
            "ece_after": expected_calibration_error(numpy.concatenate(after), happened),
        }
    return result


def calibrate(
    nlp: Language, gold: Sequence[Doc], *, level: Optional[str] = None, batch_size: int = 64
) -> Dict[str, Any]:
    """Set the temperatures and the threshold of a pipeline's relation component.

    nlp (Language): The pipeline; its component and its config are changed in place.
    gold (Sequence[Doc]): Held-out gold documents.
    level (Optional[str]): The level whose F1 chooses the threshold; the mean of all four if None.
    batch_size (int): The number of documents that the pipeline gets at once.
    RETURNS (Dict[str, Any]): `calibration` (see `measure_calibration`), the `threshold`, and `scores`, F1 at the four
        levels with it.
    RAISES (EmbreError): If the pipeline has no relation component, or the documents have no candidates.
    """
    pipe = find_component(nlp)
    settings = {"temperature": 1.0, "novelty_temperature": 1.0}
    pipe.cfg.update(settings)
    scored = score_candidates(nlp, gold, batch_size=batch_size)
    if not any(scored.candidates):
        raise EmbreError("the documents have no candidates, so there is nothing to calibrate on")
    calibration = measure_calibration(scored)
    settings["temperature"] = calibration["relation"]["temperature"]
    settings["novelty_temperature"] = calibration["novelty"]["temperature"]
    pipe.cfg.update(settings)
    threshold, scores = choose_threshold(score_candidates(nlp, gold, batch_size=batch_size), level)
    settings["threshold"] = threshold
    pipe.cfg.update(settings)
    # The config says what the component does; a pipeline that is trained on from here starts with it.
    nlp.get_pipe_config(pipe.name).update(settings)
    return {"calibration": calibration, "threshold": threshold, "scores": scores}


def _halves(count: int) -> Tuple[List[int], List[int]]:
    return list(range(0, count, 2)), list(range(1, count, 2))


def _select(scored: ScoredCandidates, numbers: List[int]) -> ScoredCandidates:
    return ScoredCandidates(
        [scored.documents[i] for i in numbers],
        [scored.gold[i] for i in numbers],
        [scored.candidates[i] for i in numbers],
        scored.labels,
        scored.novelty_labels,
        scored.type_certainty,
    )


def _related(probabilities: NDArray[numpy.float64], wanted: List[int]) -> Tuple[NDArray[numpy.float64], List[bool]]:
    return 1.0 - probabilities[:, 0], [one > 0 for one in wanted]


def _first(probabilities: NDArray[numpy.float64], wanted: List[int]) -> Tuple[NDArray[numpy.float64], List[bool]]:
    if not probabilities.shape[1]:
        return numpy.zeros(0), []
    return probabilities[:, 0], [one == 0 for one in wanted]


def accuracy_on_gold_pairs(scored: ScoredCandidates) -> Dict[str, Any]:
    """How often type and novelty are right where the pair is given: no threshold plays a part.

    scored (ScoredCandidates): The scored candidates.
    RETURNS (Dict[str, Any]): `pairs`, the number of gold relations that are candidates; `type_accuracy` and
        `novelty_accuracy` among them, None where there is nothing to ask.
    """
    probabilities, wanted = scored.relation_classes()
    related = [row for row, one in enumerate(wanted) if one > 0]
    novelties, novelty_wanted = scored.novelty_classes()
    return {
        "pairs": len(related),
        "type_accuracy": _accuracy(probabilities[related, 1:], [wanted[row] - 1 for row in related]),
        "novelty_accuracy": _accuracy(novelties, novelty_wanted),
    }


def _accuracy(probabilities: NDArray[numpy.float64], wanted: List[int]) -> Optional[float]:
    if not wanted or not probabilities.shape[1]:
        return None
    return float((probabilities.argmax(axis=1) == numpy.asarray(wanted)).mean())


def apply_temperature(probabilities: NDArray[numpy.floating], temperature: float) -> NDArray[numpy.float64]:
    """What probabilities would be if the scores before softmax were divided by a temperature.

    probabilities (NDArray): Probabilities of classes; shape (n, classes).
    temperature (float): The temperature; above 1 makes them less certain.
    RETURNS (NDArray[float64]): The new probabilities; shape (n, classes).
    """
    scores = numpy.log(numpy.clip(probabilities.astype("float64"), _LEAST, None)) / temperature
    scores = numpy.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def fit_temperature(probabilities: NDArray[numpy.floating], classes: Sequence[int]) -> float:
    """The temperature with which the right classes are most likely.

    probabilities (NDArray): Probabilities of classes at temperature 1; shape (n, classes).
    classes (Sequence[int]): The right class of each row.
    RETURNS (float): The temperature, between 0.05 and 20; 1 if there are no rows.
    """
    if not len(classes):
        return 1.0
    scores = torch.from_numpy(numpy.log(numpy.clip(probabilities.astype("float64"), _LEAST, None)))
    wanted = torch.as_tensor(list(classes))
    # The likelihood has one maximum in 1 / temperature; its logarithm keeps it positive.
    inverse = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([inverse], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(scores * inverse.exp(), wanted)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(numpy.clip(numpy.exp(-inverse.item()), 0.05, 20.0))


def expected_calibration_error(
    probabilities: NDArray[numpy.floating], happened: Sequence[bool], n_bins: int = N_BINS
) -> float:
    """How far probabilities are from how often what they foretell happens: the mean difference over bins of equal
    width, weighted by what is in them.

    probabilities (NDArray): The probability of each event; shape (n,).
    happened (Sequence[bool]): Whether it happened.
    n_bins (int): The number of bins.
    RETURNS (float): The error, from 0 to 1; 0 if there are no events.
    """
    if not len(probabilities):
        return 0.0
    scored = numpy.asarray(happened, dtype="float64")
    bins = numpy.minimum((probabilities * n_bins).astype("int64"), n_bins - 1)
    gaps = numpy.bincount(bins, weights=probabilities - scored, minlength=n_bins)
    return float(numpy.abs(gaps).sum() / len(scored))
