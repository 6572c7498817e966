"""Teachers: relation components of trained pipelines, from whose probabilities another learns (distillation)."""

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
    """The mean probabilities of trained relation components. Each document is predicted once: its probabilities are
    kept, 4 bytes for each class of each candidate. Raises EmbreError if a teacher has other labels than the component
    that learns. `components` are named by their pipelines, for errors."""

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
        """The mean probabilities of the p candidates of at least one document: of relation types, "not related" first,
        shape (p, relation types + 1), and of novelty labels, shape (p, novelty labels)."""
        keys = [_digest(doc, of_doc) for doc, of_doc in zip(docs, candidates)]
        new = {key: pair for key, pair in zip(keys, zip(docs, candidates)) if key not in self._probabilities}
        if new:
            new_docs, new_candidates = zip(*new.values())
            predictions = [teacher.predict(new_docs, new_candidates)[1] for teacher in self._teachers]
            types, novelties = (
                numpy.mean(
                    [scores[head][:, columns[head]] for scores, columns in zip(predictions, self._columns)], axis=0
                )
                for head in (0, 1)
            )
            ends = numpy.cumsum([len(of_doc) for of_doc in new_candidates])[:-1]
            self._probabilities.update(zip(new, zip(numpy.split(types, ends), numpy.split(novelties, ends))))
        types, novelties = zip(*(self._probabilities[key] for key in keys))
        return numpy.concatenate(types), numpy.concatenate(novelties)


def _find_columns(name: str, labels: Sequence[str], expected: Sequence[str], kind: str) -> List[int]:
    """The columns of a teacher's labels, in the order of those of the component that learns."""
    if sorted(labels) != sorted(expected):
        raise EmbreError(f"{name}: the teacher has the {kind} {', '.join(labels)}, and not {', '.join(expected)}")
    return [list(labels).index(label) for label in expected]


def _digest(doc: Doc, candidates: Sequence[Candidate]) -> bytes:
    """What tells documents apart: text, mentions and candidates."""
    return hashlib.sha256(srsly.msgpack_dumps([doc.text, get_mentions(doc), candidates])).digest()
