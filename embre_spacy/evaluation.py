"""Evaluation: scores of predicted documents, or of a pipeline, against gold documents."""

from operator import itemgetter
from typing import Any, Dict, Hashable, Iterable, List, Set, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from . import tokens
from .errors import InputError
from .labels import entity_type
from .relation.scoring import count_items, count_relations

# What is counted of a document, each with its entity type first.
_Items = Set[Tuple[str, Hashable]]


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


def _relations_by_id(docs: Iterable[Doc], what: str) -> Dict[str, List[tokens.Relation]]:
    relations = [(tokens.get_document_id(doc), tokens.get_relations(doc)) for doc in docs]
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
    docs = nlp.pipe(map(tokens.copy_mentions, references), batch_size=batch_size)
    return count_relations(zip(map(tokens.get_relations, references), map(tokens.get_relations, docs)))


def evaluate_from_text(nlp: Language, gold: Iterable[Doc], *, batch_size: int = 64) -> Dict[str, Dict[str, Any]]:
    """Score what a pipeline finds in texts alone: mentions, identifiers and relations. A relation is right if both its
    identifiers are, as in subtask 2 of the BioRED track at BioCreative VIII (Islamaj and others 2024). Concepts without
    an identifier, and their relations, are not among what it finds.

    RETURNS (Dict[str, Dict[str, Any]]): What `count_relations` returns; "mentions", which must agree in start, end and
        entity type; and "concepts", in identifier and entity type. Both have gold, tp, fp, fn, p, r, f, and the same
        under "per_entity_type". The recall of concepts is the share of gold concepts whose identifier is right.
    """
    references = list(gold)
    by_type = {"per_entity_type": itemgetter(0)}
    docs = list(nlp.pipe((_copy_text(nlp, reference) for reference in references), batch_size=batch_size))
    return {
        "mentions": count_items(zip(map(_list_mentions, references), map(_list_mentions, docs)), by_type),
        "concepts": count_items(zip(map(_list_concepts, references), map(_list_concepts, docs)), by_type),
        **count_relations(zip(map(tokens.get_relations, references), map(_list_relations, docs))),
    }


def _copy_text(nlp: Language, reference: Doc) -> Doc:
    doc = nlp.make_doc(reference.text)
    tokens.set_document_id(doc, tokens.get_document_id(reference))
    tokens.set_passages(doc, tokens.get_passages(reference))
    return doc


def _list_mentions(doc: Doc) -> _Items:
    return {(entity_type(mention.label), (mention.start, mention.end)) for mention in tokens.get_mentions(doc)}


def _list_concepts(doc: Doc) -> _Items:
    # What holds within one document is no identifier of gold's.
    return {(one.type, one.key) for one in tokens.get_concepts(doc) if not tokens.is_local(one.key)}


def _list_relations(doc: Doc) -> List[tokens.Relation]:
    return [relation for relation in tokens.get_relations(doc) if not any(map(tokens.is_local, relation.pair))]
