"""Relations between the concepts of a document."""

from typing import Any, Dict, Mapping, Optional, Tuple, Union

from .concepts import Concept


class Relation(dict):
    """Two concepts of one document that are related, how, and whether the document reports it as novel.

    A dictionary with the keys below (so that it is JSON and MessagePack as it stands), readable as attributes too. The
    pair is unordered; `source` and `target` only say in which order it was written or found.

    source (Concept), target (Concept): The two concepts.
    type (str): The relation type.
    novelty (Optional[str]): The novelty label, or None if it is not known.
    type_probabilities (Dict[str, float]): The probability of each relation type; what is missing to 1 is the
        probability that the two are not related. Empty for relations that were not predicted.
    novelty_probabilities (Dict[str, float]): The probability of each novelty label, given that the two are related.
    """

    __slots__ = ()

    def __init__(
        self,
        source: Union[Concept, Mapping[str, Any]],
        target: Union[Concept, Mapping[str, Any]],
        type: str,
        novelty: Optional[str] = None,
        type_probabilities: Optional[Mapping[str, float]] = None,
        novelty_probabilities: Optional[Mapping[str, float]] = None,
    ) -> None:
        super().__init__(
            source=source if isinstance(source, Concept) else Concept(**source),
            target=target if isinstance(target, Concept) else Concept(**target),
            type=type,
            novelty=novelty,
            type_probabilities=dict(type_probabilities or {}),
            novelty_probabilities=dict(novelty_probabilities or {}),
        )

    def __reduce__(self):
        return _rebuild_relation, (dict(self),)

    @property
    def source(self) -> Concept:
        return self["source"]

    @property
    def target(self) -> Concept:
        return self["target"]

    @property
    def type(self) -> str:
        return self["type"]

    @property
    def novelty(self) -> Optional[str]:
        return self["novelty"]

    @property
    def type_probabilities(self) -> Dict[str, float]:
        return self["type_probabilities"]

    @property
    def novelty_probabilities(self) -> Dict[str, float]:
        return self["novelty_probabilities"]

    @property
    def pair(self) -> Tuple[str, str]:
        """The two normalized identifiers in alphabetical order: the same for both directions and all resources."""
        first, second = sorted((self.source.key, self.target.key))
        return first, second

    @property
    def pair_probability(self) -> Optional[float]:
        """The probability that the two are related at all, or None for relations that were not predicted."""
        return sum(self.type_probabilities.values()) if self.type_probabilities else None

    def __str__(self) -> str:
        text = f"{self.source} -- {self.type} -- {self.target}"
        if self.novelty is not None:
            text += f" | novelty: {self.novelty}"
        probabilities = {
            "related": self.pair_probability,
            "type": self.type_probabilities.get(self.type),
            "novelty": self.novelty_probabilities.get(self.novelty),
        }
        known = [f"{name} {value:.2f}" for name, value in probabilities.items() if value is not None]
        return f"{text} | {', '.join(known)}" if known else text

    __repr__ = __str__


def _rebuild_relation(fields: Dict[str, Any]) -> Relation:
    return Relation(**fields)
