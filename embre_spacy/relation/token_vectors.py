"""Vectors of tokens from a tok2vec layer: a listener to a component that others listen to as well, or any other."""

from typing import Callable, List, Sequence, Tuple

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from .instance import Instance

Tok2Vec = Model[List[Doc], List[Floats2d]]


def find_width(tok2vec: Tok2Vec, docs: Sequence[Doc]) -> int:
    """The width of the vectors of an initialized layer.

    tok2vec (Model[List[Doc], List[Floats2d]]): The layer. Not all layers can tell their width.
    docs (Sequence[Doc]): Documents to try it with, at least one. None of them is empty.
    RETURNS (int): The width.
    """
    return tok2vec.predict(list(docs[:1]))[0].shape[1]


def read_tokens(
    tok2vec: Tok2Vec, instances: Sequence[Instance], is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], List[Doc]]]:
    """The vectors of the tokens of all documents with candidates.

    tok2vec (Model[List[Doc], List[Floats2d]]): The layer that makes them.
    instances (Sequence[Instance]): The documents with their candidates. At least one has any.
    is_train (bool): Whether there will be a gradient.
    RETURNS (Tuple[Floats2d, Callable]): The vectors, one document after the other, and what takes their gradient back.
    """
    # A listener has been sent the vectors of a whole batch to learn from, but finds them with each document otherwise.
    instances = [instance for instance in instances if instance.candidates or is_train]
    found, backprop = tok2vec([instance.doc for instance in instances], is_train)
    used = [number for number, instance in enumerate(instances) if instance.candidates]

    def backprop_tokens(d_vectors: Floats2d) -> List[Doc]:
        d_found = [tok2vec.ops.alloc2f(*vectors.shape) for vectors in found]
        first = 0
        for number in used:
            last = first + len(found[number])
            d_found[number] = d_vectors[first:last]
            first = last
        return backprop(d_found)

    return tok2vec.ops.xp.concatenate([found[number] for number in used]), backprop_tokens


def return_nothing(tok2vec: Tok2Vec, docs: Sequence[Doc]) -> None:
    """Give a layer a gradient of zero for documents that there is nothing to learn from.

    What listeners listen to goes backward when the last of them has returned its gradient. If that one kept silent,
    what the others have learned from the same documents would be lost.

    tok2vec (Model[List[Doc], List[Floats2d]]): The layer.
    docs (Sequence[Doc]): The documents. If all are empty, none of their vectors were sent.
    """
    if any(len(doc) for doc in docs):
        found, backprop = tok2vec.begin_update(list(docs))
        backprop([tok2vec.ops.alloc2f(*vectors.shape) for vectors in found])
