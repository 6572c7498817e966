"""Training and held-out documents, and what is refused because nothing could be learned from it."""

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc

from ..errors import EmbreError
from ..tokens import get_mentions
from .config import PretrainingConfig
from .examples import ConceptTarget, find_targets
from .masking import SPLIT_STREAM, make_rng


@dataclass
class Corpus:
    """The documents of one side, with what can be masked in them.

    docs (List[Doc]): The documents.
    targets (List[List[ConceptTarget]]): The concepts of each.
    """

    docs: List[Doc]
    targets: List[List[ConceptTarget]]

    @property
    def n_concepts(self) -> int:
        return sum(map(len, self.targets))

    def describe(self) -> Dict[str, Any]:
        """The sizes of the corpus.

        RETURNS (Dict[str, Any]): Numbers by name.
        """
        concepts = [len(found) for found in self.targets]
        return {
            "documents": len(self.docs),
            "mentions": sum(len(get_mentions(doc)) for doc in self.docs),
            "concepts": sum(concepts),
            "concepts_per_document": round(float(numpy.mean(concepts)), 1),
            # Never all concepts of a document are masked, so these teach nothing but words.
            "documents_with_fewer_than_two_concepts": sum(count < 2 for count in concepts),
        }


def join_corpora(
    docs: Sequence[Doc], others: Iterable[Iterable[Doc]], dev_docs: Sequence[Doc]
) -> Tuple[List[Doc], List[str]]:
    """Put corpora together. No document comes twice, and none that is held out.

    docs (Sequence[Doc]): The documents of the first corpus, all kept.
    others (Iterable[Iterable[Doc]]): Those of the other corpora.
    dev_docs (Sequence[Doc]): The held-out documents.
    RETURNS (Tuple[List[Doc], List[str]]): The documents, and a line for each reason to leave some out.
    """
    held_out = {doc._.document_id for doc in dev_docs}
    found = {doc._.document_id for doc in docs}
    joined = list(docs)
    in_dev = twice = 0
    for corpus in others:
        for doc in corpus:
            name = doc._.document_id
            if name and name in held_out:
                in_dev += 1
            elif name and name in found:
                twice += 1
            else:
                joined.append(doc)
                found.add(name)
    lines = []
    if in_dev:
        lines.append(f"{in_dev} documents are left out: they are among the held-out documents")
    if twice:
        lines.append(f"{twice} documents are left out: they are there already")
    return joined, lines


def make_corpora(
    docs: Sequence[Doc], dev_docs: Optional[Sequence[Doc]], config: PretrainingConfig
) -> Tuple[Corpus, Optional[Corpus]]:
    """Find out what can be masked, and hold documents out if none are given.

    docs (Sequence[Doc]): The training documents.
    dev_docs (Optional[Sequence[Doc]]): The held-out documents; a share of the training documents if None.
    config (PretrainingConfig): The settings.
    RETURNS (Tuple[Corpus, Optional[Corpus]]): Training and held-out documents; None if the share to hold out is 0.
    RAISES (EmbreError): If nothing can be learned from the training documents.
    """
    train = _read(docs, config)
    _refuse_unusable(train, config)
    if dev_docs is not None:
        if not len(dev_docs):
            raise EmbreError("there are no held-out documents")
        return train, _read(dev_docs, config)
    share = config.training.dev_share
    if not share:
        return train, None
    if len(docs) < 2:
        raise EmbreError("one document cannot be split: give held-out documents, or set [training] dev_share to 0")
    count = min(max(1, round(share * len(docs))), len(docs) - 1)
    held_out = set(make_rng(config.training.seed, SPLIT_STREAM).permutation(len(docs))[:count].tolist())
    rest, dev = Corpus([], []), Corpus([], [])
    for number, (doc, targets) in enumerate(zip(train.docs, train.targets)):
        part = dev if number in held_out else rest
        part.docs.append(doc)
        part.targets.append(targets)
    _refuse_unusable(rest, config)
    return rest, dev


def _read(docs: Sequence[Doc], config: PretrainingConfig) -> Corpus:
    return Corpus(list(docs), [find_targets(doc, unidentified=config.masking.unidentified) for doc in docs])


def _refuse_unusable(train: Corpus, config: PretrainingConfig) -> None:
    if not train.docs:
        raise EmbreError("there are no documents")
    if not config.masking.concept_rate:
        return
    if not any(get_mentions(doc) for doc in train.docs):
        raise EmbreError("the documents have no mentions, so there are no concepts to mask")
    if not any(train.targets):
        raise EmbreError(
            "the mentions have no identifiers, so there are no concepts to mask; "
            'set [masking] unidentified to true and [objective] objectives to ["type"] to mask mentions by their text'
        )
    if all(len(found) < 2 for found in train.targets):
        raise EmbreError("no document names two concepts, and never all of a document may be masked")
