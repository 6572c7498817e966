"""From a `Doc` back to a record: what its file had, with mentions and relations as the `Doc` has them now."""

from collections import Counter
from typing import Counter as CounterOf
from typing import Dict, List, Optional, Set

from spacy.tokens import Doc

from ..errors import InputError
from ..tokens import Relation, get_mentions
from .layout import Layout
from .mention_fields import MentionKey, annotations_by_id, mention_keys
from .new_relations import add_relations
from .record import Node, Record, children, owners
from .relation_fields import RelationKey, relation_fields
from .to_doc import RECORD_KEY


def record_from_doc(doc: Doc, fallback_id: str) -> Record:
    """Make the record of a `Doc`.

    Annotations and relations of the file that are still on the `Doc` are in the record as they were in the file; those
    that are gone from it are left out; those that are new get ids of their own. What never was on the `Doc`
    (annotations without a location, relations that are not between two concepts) stays.

    doc (Doc): The document, of a file or made otherwise.
    fallback_id (str): The id of a document that has none.
    RETURNS (Record): The record.
    RAISES (InputError): If the record on the `Doc` is damaged.
    """
    record = _stored_record(doc) or _new_record(doc)
    identifier = doc._.document_id or fallback_id
    if str(record.document.get("id")) != identifier:
        record.document["id"] = identifier
    layout = Layout(record.document)
    annotations = annotations_by_id(record.document)
    _update_relations(record, doc, annotations)
    _update_annotations(record.document, doc, layout)
    return record


def _stored_record(doc: Doc) -> Optional[Record]:
    if RECORD_KEY not in doc.user_data:
        return None
    try:
        record = Record.loads(doc.user_data[RECORD_KEY])
        # The record of another text came along with the user data (`Span.as_doc`): it says nothing about this one.
        return record if Layout(record.document).text == doc.text else None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError("the record of its file is damaged", document=doc._.document_id or None) from error


def _new_record(doc: Doc) -> Record:
    passage: Node = {"infons": {}, "offset": 0, "text": doc.text, "sentences": [], "annotations": [], "relations": []}
    return Record(
        {"id": "", "infons": {}, "passages": [passage], "annotations": [], "relations": []},
        format="",
        collection={"source": "embre_spacy", "date": "", "key": "", "infons": {}},
    )


def _update_annotations(document: Node, doc: Doc, layout: Layout) -> None:
    present: CounterOf[MentionKey] = Counter(
        MentionKey(span.start_char, span.end_char, span.label_, span.kb_id_) for span in get_mentions(doc)
    )
    used_ids = list(annotations_by_id(document))
    for passage, owner in owners(document):
        kept: List[Node] = []
        for annotation in children(owner, "annotations"):
            wanted = Counter(mention_keys(annotation, passage, layout))
            if all(present[key] >= count for key, count in wanted.items()):
                present.subtract(wanted)
                kept.append(annotation)
        if owner.get("annotations"):
            owner["annotations"] = kept
    next_id = max([int(used) for used in used_ids if used.isascii() and used.isdigit() and len(used) < 10] or [-1]) + 1
    for number, key in enumerate(sorted(present.elements()), next_id):
        owner, offset, length = layout.to_file(key.start, key.end)
        found = {"identifier": key.identifier} if key.identifier else {}
        annotation = {
            "id": str(number),
            "infons": {**found, "type": key.label},
            "text": doc.text[key.start : key.end],
            "locations": [{"offset": offset, "length": length}],
        }
        owner["annotations"] = [*children(owner, "annotations"), annotation]


def _update_relations(record: Record, doc: Doc, annotations: Dict[str, Node]) -> None:
    present: CounterOf[RelationKey] = Counter(_key(relation) for relation in doc._.relations)
    used_ids: Set[str] = set()
    for _, owner in owners(record.document):
        kept: List[Node] = []
        for relation in children(owner, "relations"):
            used_ids.add(str(relation.get("id")))
            fields = relation_fields(relation, annotations)
            wanted = Counter(fields.keys if fields else ())
            if all(present[key] >= count for key, count in wanted.items()):
                present.subtract(wanted)
                kept.append(relation)
        if owner.get("relations"):
            owner["relations"] = kept
    new = []
    for relation in reversed(doc._.relations):
        if present[_key(relation)] > 0:
            present[_key(relation)] -= 1
            new.append(relation)
    add_relations(record, doc, new[::-1], used_ids)


def _key(relation: Relation) -> RelationKey:
    return relation.pair, relation.type, relation.novelty
