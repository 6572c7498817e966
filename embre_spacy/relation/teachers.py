"""Teachers: relation components of trained pipelines, from whose probabilities another learns (distillation)."""

import hashlib
from typing import Any, Dict, List, Mapping, Sequence

import numpy
import srsly
from spacy.tokens import Doc

from ..errors import EmbreError
from ..tokens import Candidate, get_mentions
from .loss import Probabilities


class Teachers:
    """The mean probabilities of trained relation components, named by their pipelines. Each document is predicted once:
    its probabilities are kept, 4 bytes for each class of each candidate. Raises EmbreError if a teacher has other
    labels than the component that learns."""

    def __init__(
        self, components: Mapping[str, Any], relation_types: Sequence[str], novelty_labels: Sequence[str]
    ) -> None:
        self._teachers = []
        for name, teacher in components.items():
            of_types = _find_columns(name, teacher.labels, relation_types, "relation types")
            of_novelties = _find_columns(name, teacher.novelty_labels, novelty_labels, "novelty labels")
            # "Not related" comes first.
            self._teachers.append((teacher, [0, *(column + 1 for column in of_types)], of_novelties))
        self._probabilities: Dict[bytes, Probabilities] = {}

    def predict(self, docs: Sequence[Doc], candidates: Sequence[List[Candidate]]) -> Probabilities:
        """The mean probabilities of the p candidates of at least one document: of relation types, "not related" first,
        shape (p, relation types + 1), and of novelty labels, shape (p, novelty labels)."""
        contents = ([doc.text, get_mentions(doc), of_doc] for doc, of_doc in zip(docs, candidates))
        keys = [hashlib.sha256(srsly.msgpack_dumps(content)).digest() for content in contents]
        new = {key: pair for key, pair in zip(keys, zip(docs, candidates)) if key not in self._probabilities}
        if new:
            new_docs, new_candidates = zip(*new.values())
            said = []
            for teacher, of_types, of_novelties in self._teachers:
                _, (types, novelties) = teacher.predict(new_docs, new_candidates)
                said.append((types[:, of_types], novelties[:, of_novelties]))
            types, novelties = (numpy.mean(of_all, axis=0) for of_all in zip(*said))
            ends = numpy.cumsum([len(of_doc) for of_doc in new_candidates])[:-1]
            self._probabilities.update(zip(new, zip(numpy.split(types, ends), numpy.split(novelties, ends))))
        types, novelties = zip(*(self._probabilities[key] for key in keys))
        return numpy.concatenate(types), numpy.concatenate(novelties)


def _find_columns(name: str, labels: Sequence[str], expected: Sequence[str], kind: str) -> List[int]:
    """The columns of a teacher's labels, in the order of those of the component that learns."""
    if sorted(labels) != sorted(expected):
        raise EmbreError(f"{name}: the teacher has the {kind} {', '.join(labels)}, and not {', '.join(expected)}")
    return [list(labels).index(label) for label in expected]
