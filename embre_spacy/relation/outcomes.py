"""What a pipeline thinks of every candidate, next to what is right: for thresholds, calibration and experiments."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from ..errors import EmbreError
from ..tokens import Relation, copy_mentions, get_relations
from ..util import find_component
from .calibration import apply_temperature, expected_calibration_error, fit_temperature
from .component import EmbreRelation
from .counts import LEVELS, count_relations
from .decision import score_candidates

# The thresholds that are tried. Finer steps would only fit the noise of the documents.
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass
class Outcomes:
    """All candidates of documents with their probabilities, and the gold relations.

    documents (List[str]): The ids of the documents.
    gold (List[List[Relation]]): Their gold relations.
    candidates (List[List[Relation]]): All their candidates as relations, whatever their probability.
    labels (Tuple[str, ...]), novelty_labels (Tuple[str, ...]): The relation types and novelty labels of the pipeline.
    type_certainty (float): How much the pipeline counts the certainty of the type; see `score_candidates`.
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
        return score_candidates(
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


def collect_outcomes(nlp: Language, gold: Sequence[Doc], *, batch_size: int = 64) -> Outcomes:
    """Ask a pipeline for the probabilities of all candidates.

    nlp (Language): The pipeline.
    gold (Sequence[Doc]): The gold documents.
    batch_size (int): The number of documents that the pipeline gets at once.
    RETURNS (Outcomes): The outcomes.
    RAISES (EmbreError): If the pipeline has no relation component.
    """
    pipe = find_component(nlp)
    with _threshold(pipe, 0.0):
        docs = list(nlp.pipe((copy_mentions(reference) for reference in gold), batch_size=batch_size))
    return Outcomes(
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


def choose_threshold(outcomes: Outcomes, level: Optional[str] = None) -> Tuple[float, Dict[str, float]]:
    """The threshold with the best F1.

    outcomes (Outcomes): The outcomes on held-out documents.
    level (Optional[str]): The level that counts; the mean of all four if None.
    RETURNS (Tuple[float, Dict[str, float]]): The threshold, and F1 at the four levels with it.
    """
    found = {}
    for threshold in THRESHOLDS:
        counts = outcomes.count(threshold)
        found[threshold] = {name: counts[name]["f"] for name in LEVELS}
    best = max(found, key=lambda one: found[one][level] if level else sum(found[one].values()))
    return best, found[best]


def measure_calibration(outcomes: Outcomes) -> Dict[str, Dict[str, float]]:
    """The calibration error of the probability to be related (over all candidates) and of the novelty (over those that
    are related), as it is and with a temperature. The temperature is fitted on one half of the documents and measured
    on the other, both ways round, so that it is not measured where it was fitted.

    outcomes (Outcomes): The outcomes on held-out documents.
    RETURNS (Dict[str, Dict[str, float]]): Under "relation" and "novelty": `temperature` (fitted on all documents),
        `ece` without it and `ece_after`.
    """
    halves = [_select(outcomes, numbers) for numbers in _halves(len(outcomes.documents))]
    result = {}
    for name, classes, event in (
        ("relation", Outcomes.relation_classes, _related),
        ("novelty", Outcomes.novelty_classes, _first),
    ):
        probabilities, wanted = classes(outcomes)
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
    outcomes = collect_outcomes(nlp, gold, batch_size=batch_size)
    if not any(outcomes.candidates):
        raise EmbreError("the documents have no candidates, so there is nothing to calibrate on")
    calibration = measure_calibration(outcomes)
    settings["temperature"] = calibration["relation"]["temperature"]
    settings["novelty_temperature"] = calibration["novelty"]["temperature"]
    pipe.cfg.update(settings)
    threshold, scores = choose_threshold(collect_outcomes(nlp, gold, batch_size=batch_size), level)
    settings["threshold"] = threshold
    pipe.cfg.update(settings)
    # The config says what the component does; a pipeline that is trained on from here starts with it.
    nlp.get_pipe_config(pipe.name).update(settings)
    return {"calibration": calibration, "threshold": threshold, "scores": scores}


def _halves(count: int) -> Tuple[List[int], List[int]]:
    return list(range(0, count, 2)), list(range(1, count, 2))


def _select(outcomes: Outcomes, numbers: List[int]) -> Outcomes:
    return Outcomes(
        [outcomes.documents[i] for i in numbers],
        [outcomes.gold[i] for i in numbers],
        [outcomes.candidates[i] for i in numbers],
        outcomes.labels,
        outcomes.novelty_labels,
        outcomes.type_certainty,
    )


def _related(probabilities: NDArray[numpy.float64], wanted: List[int]) -> Tuple[NDArray[numpy.float64], List[bool]]:
    return 1.0 - probabilities[:, 0], [one > 0 for one in wanted]


def _first(probabilities: NDArray[numpy.float64], wanted: List[int]) -> Tuple[NDArray[numpy.float64], List[bool]]:
    if not probabilities.shape[1]:
        return numpy.zeros(0), []
    return probabilities[:, 0], [one == 0 for one in wanted]


def accuracy_on_gold_pairs(outcomes: Outcomes) -> Dict[str, Any]:
    """How often type and novelty are right where the pair is given: no threshold plays a part.

    outcomes (Outcomes): The outcomes.
    RETURNS (Dict[str, Any]): `pairs`, the number of gold relations that are candidates; `type_accuracy` and
        `novelty_accuracy` among them, None where there is nothing to ask.
    """
    probabilities, wanted = outcomes.relation_classes()
    related = [row for row, one in enumerate(wanted) if one > 0]
    novelties, novelty_wanted = outcomes.novelty_classes()
    return {
        "pairs": len(related),
        "type_accuracy": _accuracy(probabilities[related, 1:], [wanted[row] - 1 for row in related]),
        "novelty_accuracy": _accuracy(novelties, novelty_wanted),
    }


def _accuracy(probabilities: NDArray[numpy.float64], wanted: List[int]) -> Optional[float]:
    if not wanted or not probabilities.shape[1]:
        return None
    return float((probabilities.argmax(axis=1) == numpy.asarray(wanted)).mean())
