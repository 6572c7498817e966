"""From a record to a `Doc` and back."""

from collections import Counter, defaultdict, deque
from typing import Any, DefaultDict, Deque, Dict, List, Optional, Set, Tuple
from typing import Counter as CounterOf

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, Span

from ..errors import InputError
from ..labels import TYPE_PAIRS, entity_type
from ..tokens import (
    MENTIONS_KEY,
    Concept,
    Passage,
    Relation,
    get_concepts,
    get_mentions,
    normalize_identifier,
    set_passages,
    split_identifiers,
    tokenize_at,
)
from .fields import MentionKey, RelationFields, RelationKey, annotations_by_id, mention_keys, relation_fields, same_text
from .record import (
    NO_LOCATION,
    NO_SUCH_CONCEPT,
    NOT_UNDERSTOOD,
    OTHER_PASSAGE,
    TEXT_DIFFERS,
    Anomalies,
    Node,
    Record,
    TextOffsets,
    get_infons,
    get_list,
    iter_nodes,
)

RECORD_KEY = "embre_record"

_Concepts = Dict[str, List[Concept]]
_ALLOWED = {frozenset(pair) for pair in TYPE_PAIRS}


def doc_from_record(record: Record, tokenizer: Tokenizer, anomalies: Anomalies) -> Doc:
    """Make a `Doc` of a record, and keep the record on it.

    record (Record): The record; its document has been checked.
    tokenizer (Tokenizer): The tokenizer.
    anomalies (Anomalies): Where to report what is odd and kept.
    RETURNS (Doc): The document.
    RAISES (InputError): If an annotation lies outside the text, or the text cannot be a `Doc`.
    """
    source = record.dumps()
    offsets = TextOffsets(record.document)
    whole, pieces = _mentions(record, offsets, anomalies)
    doc = _tokenize(tokenizer, offsets.text, [*whole, *pieces])
    entities, others = _without_overlap(whole)
    spans = [_span(doc, key) for key in entities]
    doc.set_ents([span for span in spans if span.label_])
    # A `Doc` takes an entity without a label for none.
    others = [*pieces, *others, *(key for key in entities if not key.label)]
    if others:
        doc.spans[MENTIONS_KEY] = [_span(doc, key) for key in sorted(others, key=lambda key: (key.start, -key.end))]
    doc.user_data[RECORD_KEY] = source
    doc._.document_id = record.id
    set_passages(doc, _passages(record, offsets))
    doc._.relations = _relations(record, doc, anomalies)
    return doc


def _passages(record: Record, offsets: TextOffsets) -> List[Passage]:
    passages = get_list(record.document, "passages")
    ends: Dict[int, Tuple[int, int]] = {}
    for segment in offsets.segments:
        start, _ = ends.get(segment.passage, (segment.start, 0))
        ends[segment.passage] = start, segment.start + len(segment.text)
    return [Passage(start, end, _section(passages[number])) for number, (start, end) in ends.items()]


def _section(passage: Node) -> str:
    """What a passage is: PubTator3's full texts say the section and, as type, whether it is a heading or a
    paragraph; abstracts have a type only."""
    found = get_infons(passage)
    return str(found.get("section_type") or found.get("section") or found.get("type") or "")


def _mentions(record: Record, offsets: TextOffsets, anomalies: Anomalies) -> Tuple[List[MentionKey], List[MentionKey]]:
    """Mentions in one piece, and pieces of discontinuous ones."""
    whole: List[MentionKey] = []
    pieces: List[MentionKey] = []
    for passage, owner in iter_nodes(record.document):
        for annotation in get_list(owner, "annotations"):
            name = f"annotation {annotation.get('id')}"
            try:
                keys = mention_keys(annotation, passage, offsets)
            except InputError as error:
                raise InputError(f"{name} {error.cause}", document=record.id) from None
            if len(keys) < len(get_list(annotation, "locations")) or not keys:
                anomalies.add(NO_LOCATION, record.id, f"{name} has no location, or one of no length")
            texts = [offsets.text[key.start : key.end] for key in keys]
            if keys and not same_text(annotation.get("text"), texts):
                detail = f"{name} says {annotation['text']!r}, the text at its offsets {' ... '.join(texts)!r}"
                anomalies.add(TEXT_DIFFERS, record.id, detail)
            if passage is not None and not _in_passage(annotation, passage, offsets):
                anomalies.add(OTHER_PASSAGE, record.id, f"{name} lies outside its passage")
            (whole if len(keys) == 1 else pieces).extend(keys)
    return whole, pieces


def _in_passage(annotation: Node, passage: int, offsets: TextOffsets) -> bool:
    return all(
        offsets.to_characters(passage, location["offset"], location["length"])[2]
        for location in get_list(annotation, "locations")
        if location["length"]
    )


def _tokenize(tokenizer: Tokenizer, text: str, keys: List[MentionKey]) -> Doc:
    boundaries = {boundary for key in keys for boundary in (key.start, key.end)}
    # Spaces are no tokens, but a mention that starts or ends with one needs it to be.
    edges = {edge for key in keys for edge in (key.start, key.end - 1) if text[edge].isspace()}
    return tokenize_at(tokenizer, text, boundaries, spaces=edges)


def _without_overlap(keys: List[MentionKey]) -> Tuple[List[MentionKey], List[MentionKey]]:
    """Those that can all be entities, longer ones first, and those that overlap them."""
    taken: List[MentionKey] = []
    others: List[MentionKey] = []
    occupied: Dict[int, int] = {}
    for key in sorted(keys, key=lambda key: (key.start - key.end, key.start)):
        # Longer ones come first, so that nothing can lie wholly inside one that comes later.
        if key.start in occupied or key.end - 1 in occupied:
            others.append(key)
        else:
            taken.append(key)
            occupied.update(dict.fromkeys(range(key.start, key.end), 1))
    return taken, others


def _span(doc: Doc, key: MentionKey) -> Span:
    span = doc.char_span(key.start, key.end, label=key.label, kb_id=key.identifier)
    if span is None:
        raise RuntimeError(f"no token boundary at {key}")
    return span


def _relations(record: Record, doc: Doc, anomalies: Anomalies) -> List[Relation]:
    concepts: _Concepts = defaultdict(list)
    for concept in get_concepts(doc):
        concepts[concept.key].append(concept)
    annotations = annotations_by_id(record.document)
    relations: List[Relation] = []
    for _, owner in iter_nodes(record.document):
        for relation in get_list(owner, "relations"):
            name = f"relation {relation.get('id')}"
            fields = relation_fields(relation, annotations)
            if fields is None:
                anomalies.add(NOT_UNDERSTOOD, record.id, f"{name} is not a typed relation between two concepts")
                continue
            found = [_relate(fields, source, target, concepts) for source, target in fields.pairs]
            relations.extend(found)
            missing = [c.id for one in found for c in (one.source, one.target) if not c.mentions]
            if missing:
                detail = f"{name} names {missing[0]}, which no annotation has"
                anomalies.add(NO_SUCH_CONCEPT, record.id, detail)
    return relations


def _relate(fields: RelationFields, source: str, target: str, concepts: _Concepts) -> Relation:
    sources = _named(source, fields.source.type, concepts)
    targets = _named(target, fields.target.type, concepts)
    # A number can be a gene and a taxon of one document: prefer types that can be related.
    pairs = [(first, second) for first in sources for second in targets]
    chosen = next((pair for pair in pairs if frozenset((pair[0].type, pair[1].type)) in _ALLOWED), pairs[0])
    return Relation(*chosen, fields.type, fields.novelty)


def _named(identifier: str, type: str, concepts: _Concepts) -> List[Concept]:
    missing = Concept(identifier, type)
    found = concepts.get(missing.key, [])
    return [concept for concept in found if concept.type == type] or found or [missing]


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
    offsets = TextOffsets(record.document)
    annotations = annotations_by_id(record.document)
    _update_relations(record, doc, annotations)
    _update_annotations(record.document, doc, offsets)
    return record


def _stored_record(doc: Doc) -> Optional[Record]:
    if RECORD_KEY not in doc.user_data:
        return None
    try:
        record = Record.loads(doc.user_data[RECORD_KEY])
        # The record of another text came along with the user data (`Span.as_doc`): it says nothing about this one.
        return record if TextOffsets(record.document).text == doc.text else None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError("the record of its file is damaged", document=doc._.document_id or None) from error


def _new_record(doc: Doc) -> Record:
    passage: Node = {"infons": {}, "offset": 0, "text": doc.text, "sentences": [], "annotations": [], "relations": []}
    return Record(
        {"id": "", "infons": {}, "passages": [passage], "annotations": [], "relations": []},
        format="",
        collection={"source": "embre_spacy", "date": "", "key": "", "infons": {}},
    )


def _update_annotations(document: Node, doc: Doc, offsets: TextOffsets) -> None:
    present: CounterOf[MentionKey] = Counter(
        MentionKey(span.start_char, span.end_char, span.label_, span.kb_id_) for span in get_mentions(doc)
    )
    used_ids = list(annotations_by_id(document))
    for passage, owner in iter_nodes(document):
        kept: List[Node] = []
        for annotation in get_list(owner, "annotations"):
            wanted = Counter(mention_keys(annotation, passage, offsets))
            if all(present[key] >= count for key, count in wanted.items()):
                present.subtract(wanted)
                kept.append(annotation)
        if owner.get("annotations"):
            owner["annotations"] = kept
    next_id = max([int(used) for used in used_ids if used.isascii() and used.isdigit() and len(used) < 10] or [-1]) + 1
    for number, key in enumerate(sorted(present.elements()), next_id):
        owner, offset, length = offsets.to_file(key.start, key.end)
        found = {"identifier": key.identifier} if key.identifier else {}
        annotation = {
            "id": str(number),
            "infons": {**found, "type": key.label},
            "text": doc.text[key.start : key.end],
            "locations": [{"offset": offset, "length": length}],
        }
        owner["annotations"] = [*get_list(owner, "annotations"), annotation]


def _update_relations(record: Record, doc: Doc, annotations: Dict[str, Node]) -> None:
    relations: List[Relation] = doc._.relations
    numbers: _Numbers = defaultdict(deque)
    for number, relation in enumerate(relations):
        numbers[_key(relation)].append(number)
    used_ids: Set[str] = set()
    for _, owner in iter_nodes(record.document):
        used_ids.update(str(node.get("id")) for node in get_list(owner, "relations"))
        updated = [_updated(node, annotations, relations, numbers) for node in get_list(owner, "relations")]
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


_SCORES = ("score", "type_score", "novelty_score")


def add_relations(record: Record, doc: Doc, relations: List[Relation], used_ids: Set[str]) -> None:
    """Add relations to the document of a record, with ids that its file did not have.

    record (Record): The record; changed in place.
    doc (Doc): Its `Doc`.
    relations (List[Relation]): The relations. The probabilities of predicted ones become infons: "score" (that the
        two are related at all), "type_score" and "novelty_score".
    used_ids (Set[str]): The ids of the relations of the file, whether they are still there or not.
    """
    if not relations:
        return
    document = record.document
    existing = [relation for _, owner in iter_nodes(document) for relation in get_list(owner, "relations")]
    roles = [get_infons(relation)["role1"] for relation in existing if "role1" in get_infons(relation)]
    has_roles = bool(roles) or record.shape == "PubTator3" or "relations_display" in document
    added: List[Node] = []
    number = len(used_ids)
    for relation in relations:
        while f"R{number}" in used_ids:
            number += 1
        sides: Dict[str, Any]
        if has_roles:
            as_text = record.format == "bioc-xml"
            sides = {"role1": _role(relation.source, doc, as_text), "role2": _role(relation.target, doc, as_text)}
        else:
            sides = {"entity1": relation.source.id, "entity2": relation.target.id}
        novelty = {} if relation.novelty is None else {"novel": relation.novelty}
        found = {**sides, "type": relation.type, **novelty, **_scores(relation)}
        added.append({"id": f"R{number}", "infons": found, "nodes": []})
        number += 1
    document["relations"] = [*get_list(document, "relations"), *added]


def replace_scores(node: Node, relation: Relation) -> Node:
    """A relation of a file with the probabilities that it has been predicted with, in place of any that it had.

    node (Dict[str, Any]): The relation of the file.
    relation (Relation): The predicted one.
    RETURNS (Dict[str, Any]): The relation, otherwise as it is.
    """
    others = {key: value for key, value in get_infons(node).items() if key not in _SCORES}
    return {**node, "infons": {**others, **_scores(relation)}}


def _role(concept: Concept, doc: Doc, as_text: bool) -> Any:
    """A role as PubTator3 has it, with its own name of the type, which the mentions still have."""
    type = concept.type
    for mention in get_mentions(doc):
        keys = map(normalize_identifier, split_identifiers(mention.kb_id_))
        if concept.key in keys and entity_type(mention.label_) == concept.type:
            type = mention.label_
            break
    return f"{type}|{concept.id}" if as_text else {"identifier": concept.id, "type": type}


def _scores(relation: Relation) -> Dict[str, str]:
    found: Dict[str, float] = {}
    if relation.pair_probability is not None:
        found["score"] = relation.pair_probability
    if relation.type in relation.type_probabilities:
        found["type_score"] = relation.type_probabilities[relation.type]
    if relation.novelty in relation.novelty_probabilities:
        found["novelty_score"] = relation.novelty_probabilities[relation.novelty]
    # Text, as PubTator3 has its scores.
    return {key: f"{value:.4f}" for key, value in found.items()}
