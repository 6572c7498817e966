"""Teachers: trained pipelines whose probabilities another learns from, beside gold (distillation)."""

import hashlib
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy
import srsly
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..errors import EmbreError
from ..tokens import Candidate, get_mentions

TeacherProbabilities = Tuple[NDArray[numpy.float32], NDArray[numpy.float32]]


class Teachers:
    """What trained pipelines say of candidates.

    A document is asked about once: its probabilities are kept, 4 bytes for each class of each candidate.

    components (Mapping[str, EmbreRelation]): The relation components of the pipelines, by names for errors.
    relation_types (Sequence[str]): The relation types of the one that is taught, in the order of the classes.
    novelty_labels (Sequence[str]): Its novelty labels.
    RAISES (EmbreError): If a component has other labels.
    """

    def __init__(
        self, components: Mapping[str, Any], *, relation_types: Sequence[str], novelty_labels: Sequence[str]
    ) -> None:
        self._teachers = list(components.values())
        self._columns = [
            (
                # "Not related" comes first.
                [0, *(column + 1 for column in _find_columns(name, teacher.labels, relation_types, "relation types"))],
                _find_columns(name, teacher.novelty_labels, novelty_labels, "novelty labels"),
            )
            for name, teacher in components.items()
        ]
        self._probabilities: Dict[bytes, TeacherProbabilities] = {}

    def predict(self, docs: Sequence[Doc], candidates: Sequence[List[Candidate]]) -> TeacherProbabilities:
        """The means of the probabilities of all teachers.

        docs (Sequence[Doc]): The documents, at least one.
        candidates (Sequence[List[Candidate]]): The candidates of each, p in all.
        RETURNS (Tuple[NDArray[float32], NDArray[float32]]): Of relation types, shape (p, relation types + 1) with "not
            related" first, and of novelty labels, shape (p, novelty labels).
        """
        keys = [_digest(doc, of_doc) for doc, of_doc in zip(docs, candidates)]
        new = {key: number for number, key in enumerate(keys) if key not in self._probabilities}
        if new:
            of_new = [candidates[number] for number in new.values()]
            answers = [teacher.predict([docs[number] for number in new.values()], of_new) for teacher in self._teachers]
            types, novelties = (
                numpy.mean(
                    [scores[kind][:, columns[kind]] for (_, scores), columns in zip(answers, self._columns)], axis=0
                )
                for kind in (0, 1)
            )
            ends = numpy.cumsum([len(of_doc) for of_doc in of_new])[:-1]
            self._probabilities.update(zip(new, zip(numpy.split(types, ends), numpy.split(novelties, ends))))
        types, novelties = zip(*(self._probabilities[key] for key in keys))
        return numpy.concatenate(types), numpy.concatenate(novelties)


def _find_columns(name: str, known: Sequence[str], wanted: Sequence[str], what: str) -> List[int]:
    """The columns of a teacher's classes, in the order of those of the one that is taught."""
    if sorted(known) != sorted(wanted):
        raise EmbreError(f"{name}: the teacher knows the {what} {', '.join(known)}, and not {', '.join(wanted)}")
    return [list(known).index(label) for label in wanted]


def _digest(doc: Doc, candidates: Sequence[Candidate]) -> bytes:
    """What tells documents apart, with their mentions and candidates."""
    mentions = [(span.start_char, span.end_char, span.label_, span.kb_id_) for span in get_mentions(doc)]
    return hashlib.sha256(srsly.msgpack_dumps([doc.text, mentions, candidates])).digest()
