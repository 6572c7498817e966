"""Comparing documents: two files, or a pipeline and a file."""

from typing import Any, Dict, Iterable, List, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from .corpus import make_predicted
from .errors import InputError
from .relation.counts import count_relations
from .tokens import get_relations


def score_documents(gold: Iterable[Doc], predicted: Iterable[Doc]) -> Tuple[Dict[str, Dict[str, Any]], List[str]]:
    """Score documents against gold documents with the same ids.

    gold (Iterable[Doc]): The gold documents.
    predicted (Iterable[Doc]): The predicted documents, in any order.
    RETURNS (Tuple[Dict[str, Dict[str, Any]], List[str]]): What `count_relations` returns, and the ids of the gold
        documents that were not predicted: their relations count as missed.
    RAISES (InputError): If a predicted document is not among the gold ones.
    """
    found = {doc._.document_id: get_relations(doc) for doc in predicted}
    expected = {doc._.document_id: get_relations(doc) for doc in gold}
    for document in found:
        if document not in expected:
            raise InputError("is predicted, but not among the gold documents", document=document)
    counts = count_relations((relations, found.get(document, ())) for document, relations in expected.items())
    return counts, [document for document in expected if document not in found]


def evaluate_pipeline(nlp: Language, gold: Iterable[Doc], *, batch_size: int = 64) -> Dict[str, Dict[str, Any]]:
    """Score what a pipeline says of documents whose mentions are given.

    nlp (Language): The pipeline.
    gold (Iterable[Doc]): The gold documents.
    batch_size (int): The number of documents that the pipeline gets at once.
    RETURNS (Dict[str, Dict[str, Any]]): What `count_relations` returns.
    """
    references = list(gold)
    docs = nlp.pipe((make_predicted(reference) for reference in references), batch_size=batch_size)
    return count_relations((get_relations(reference), get_relations(doc)) for reference, doc in zip(references, docs))
