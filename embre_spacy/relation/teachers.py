"""Teachers: trained pipelines whose probabilities another learns from, beside gold (distillation)."""

import hashlib
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy
import srsly
from numpy.typing import NDArray

from ..errors import EmbreError
from ..tokens import get_mentions
from .instance import Instance

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

    def predict(self, instances: Sequence[Instance]) -> TeacherProbabilities:
        """The means of the probabilities of all teachers.

        instances (Sequence[Instance]): Documents with p candidates in all.
        RETURNS (Tuple[NDArray[float32], NDArray[float32]]): Of relation types, shape (p, relation types + 1) with "not
            related" first, and of novelty labels, shape (p, novelty labels).
        """
        keys = [_digest(instance) for instance in instances]
        new = {key: instance for key, instance in zip(keys, instances) if key not in self._probabilities}
        if new:
            answers = [teacher.classify(list(new.values())) for teacher in self._teachers]
            for key, *of_document in zip(new, *answers):
                types = [found[:, columns] for (_, found, _), (columns, _) in zip(of_document, self._columns)]
                novelties = [found[:, columns] for (_, _, found), (_, columns) in zip(of_document, self._columns)]
                self._probabilities[key] = numpy.mean(types, axis=0), numpy.mean(novelties, axis=0)
        types, novelties = zip(*(self._probabilities[key] for key in keys))
        return numpy.concatenate(types), numpy.concatenate(novelties)


def _find_columns(name: str, known: Sequence[str], wanted: Sequence[str], what: str) -> List[int]:
    """The columns of a teacher's classes, in the order of those of the one that is taught."""
    if sorted(known) != sorted(wanted):
        raise EmbreError(f"{name}: the teacher knows the {what} {', '.join(known)}, and not {', '.join(wanted)}")
    return [list(known).index(label) for label in wanted]


def _digest(instance: Instance) -> bytes:
    """What tells documents apart, with their mentions and candidates."""
    mentions = [(span.start_char, span.end_char, span.label_, span.kb_id_) for span in get_mentions(instance.doc)]
    return hashlib.sha256(srsly.msgpack_dumps([instance.doc.text, mentions, instance.candidates])).digest()
