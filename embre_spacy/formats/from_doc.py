"""From a `Doc` back to a record: what its file had, with mentions and relations as the `Doc` has them now."""

from collections import Counter, defaultdict, deque
from typing import Counter as CounterOf
from typing import DefaultDict, Deque, Dict, List, Optional, Set

from spacy.tokens import Doc

from ..errors import InputError
from ..tokens import Relation, get_mentions
from .layout import Layout
from .mention_fields import MentionKey, annotations_by_id, mention_keys
from .new_relations import add_relations, replace_scores
from .record import Node, Record, children, owners
from .relation_fields import RelationKey, relation_fields
from .to_doc import RECORD_KEY

# The relations of a `Doc` that no relation of its file stands for yet, as numbers, by what they are compared by.
_Numbers = DefaultDict[RelationKey, Deque[int]]


def record_from_doc(doc: Doc, fallback_id: str) -> Record:
    """Make the record of a `Doc`.

    Annotations and relations of the file that are still on the `Doc` are in the record as they were in the file; those
    that are gone from it are left out; those that are new get ids of their own. A relation of the file that has been
    predicted gets the probabilities that it was predicted with. What never was on the `Doc` (annotations without a
    location, relations that are not between two concepts) stays.

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
    relations: List[Relation] = doc._.relations
    numbers: _Numbers = defaultdict(deque)
    for number, relation in enumerate(relations):
        numbers[_key(relation)].append(number)
    used_ids: Set[str] = set()
    for _, owner in owners(record.document):
        used_ids.update(str(node.get("id")) for node in children(owner, "relations"))
        updated = [_updated(node, annotations, relations, numbers) for node in children(owner, "relations")]
        if owner.get("relations"):
            owner["relations"] = [node for node in updated if node is not None]
    new = sorted(number for left in numbers.values() for number in left)
    add_relations(record, doc, [relations[number] for number in new], used_ids)


def _updated(node: Node, annotations: Dict[str, Node], relations: List[Relation], numbers: _Numbers) -> Optional[Node]:
    """A relation of the file as it is now; None if it is not true any more. What it stands for is taken."""
    fields = relation_fields(node, annotations)
    keys = fields.keys if fields else []
    if not all(numbers[key] for key in keys):
        return None
    predicted = [relations[numbers[key][0]] for key in keys if relations[numbers[key][0]].type_probabilities]
    if predicted and len(keys) > 1:
        # It stands for several pairs, and has room for the probabilities of one: each is written on its own.
        return None
    for key in keys:
        numbers[key].popleft()
    return replace_scores(node, predicted[0]) if predicted else node


def _key(relation: Relation) -> RelationKey:
    return relation.pair, relation.type, relation.novelty
