"""Evaluation: scores of predicted documents, or of a pipeline, against gold documents."""

from typing import Any, Dict, Iterable, List, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from .errors import InputError
from .relation.scoring import count_relations
from .tokens import Relation, copy_mentions, get_document_id, get_relations


def score_documents(gold: Iterable[Doc], predicted: Iterable[Doc]) -> Tuple[Dict[str, Dict[str, Any]], List[str]]:
    """Score documents against gold documents with the same ids.

    gold (Iterable[Doc]): The gold documents.
    predicted (Iterable[Doc]): The predicted documents, in any order.
    RETURNS (Tuple[Dict[str, Dict[str, Any]], List[str]]): What `count_relations` returns, and the ids of the gold
        documents that were not predicted: their relations count as missed.
    RAISES (InputError): If a predicted document is not among the gold ones, or a document has no id.
    """
    predicted_relations = _relations_by_id(predicted, "predicted")
    gold_relations = _relations_by_id(gold, "gold")
    for document in predicted_relations:
        if document not in gold_relations:
            raise InputError("is predicted, but not among the gold documents", document=document)
    counts = count_relations(
        (relations, predicted_relations.get(document, ())) for document, relations in gold_relations.items()
    )
    return counts, [document for document in gold_relations if document not in predicted_relations]


def _relations_by_id(docs: Iterable[Doc], what: str) -> Dict[str, List[Relation]]:
    relations = [(get_document_id(doc), get_relations(doc)) for doc in docs]
    n_without_id = sum(not document for document, _ in relations)
    if n_without_id:
        raise InputError(f"{n_without_id} of the {len(relations)} {what} documents have no id to compare them by")
    return dict(relations)


def evaluate_pipeline(nlp: Language, gold: Iterable[Doc], *, batch_size: int = 64) -> Dict[str, Dict[str, Any]]:
    """Score the relations that a pipeline finds in documents whose mentions are given.

    nlp (Language): The pipeline.
    gold (Iterable[Doc]): The gold documents.
    batch_size (int): The number of documents that the pipeline gets at once.
    RETURNS (Dict[str, Dict[str, Any]]): What `count_relations` returns.
    """
    references = list(gold)
    docs = nlp.pipe((copy_mentions(reference) for reference in references), batch_size=batch_size)
    return count_relations((get_relations(reference), get_relations(doc)) for reference, doc in zip(references, docs))
