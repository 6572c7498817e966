"""From a record to a `Doc` and back: mentions, relations, passages. The `Doc` keeps the record, so nothing is lost."""

from collections import Counter, defaultdict, deque
from itertools import count, product
from typing import Any, DefaultDict, Deque, Dict, List, Mapping, Optional, Set, Tuple

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc

from ..errors import InputError
from ..labels import TYPE_PAIRS, entity_type
from ..tokens import (
    Concept,
    ConceptIndex,
    Mention,
    Passage,
    Relation,
    get_document_id,
    get_mentions,
    get_passages,
    get_relations,
    set_document_id,
    set_mentions,
    set_passages,
    set_relations,
    tokenize_at,
)
from .fields import RelationFields, find_mentions, find_unread_key, is_same_text, read_relations
from .record import Anomalies, Node, Record, TextOffsets, find_offsets, get_infons, get_list, iter_nodes, iter_parts

# Where a `Doc` keeps its record, in `doc.user_data`.
RECORD_KEY = "embre_record"

_RELATED_TYPES = {frozenset(pair) for pair in TYPE_PAIRS}
# Half a kilobyte each: a few lines of a file can name thousands, and no text reports so many.
_MOST_RELATIONS = 20_000
_SCORES = ("score", "type_score", "novelty_score")

# The indices of the relations of a `Doc` that no relation of its record stands for yet.
_RelationKey = Tuple[Tuple[str, str], str, Optional[str]]
_Unmatched = DefaultDict[_RelationKey, Deque[int]]


def doc_from_record(record: Record, tokenizer: Tokenizer, anomalies: Anomalies) -> Doc:
    """Make a `Doc` of a record that has been checked, and keep the record on it."""
    source = record.dumps()
    offsets = find_offsets(record.document)
    whole, pieces = _find_mentions(record, offsets, anomalies)
    doc = _tokenize(tokenizer, offsets.text, [*whole, *pieces])
    set_mentions(doc, whole, pieces)
    doc.user_data[RECORD_KEY] = source
    set_document_id(doc, record.id)
    passages = get_list(record.document, "passages")
    set_passages(doc, (Passage(*ends, _find_section(passages[n])) for n, ends in offsets.passages.items()))
    set_relations(doc, _find_relations(record, doc, anomalies))
    return doc


def _find_mentions(record: Record, offsets: TextOffsets, anomalies: Anomalies) -> Tuple[List[Mention], List[Mention]]:
    """Find the mentions in one piece, and the pieces of discontinuous ones."""
    whole: List[Mention] = []
    pieces: List[Mention] = []
    for passage, annotation in iter_parts(record.document, "annotations"):
        name = f"annotation {annotation.get('id')}"
        try:
            keys = find_mentions(annotation, passage, offsets)
        except InputError as error:
            raise InputError(f"{name} {error.cause}", document=record.id) from None
        if len(keys) < len(get_list(annotation, "locations")) or not keys:
            anomalies.add(Anomalies.NO_LOCATION, record.id, f"{name} has no location, or an empty one")
        texts = [offsets.text[key.start : key.end] for key in keys]
        if keys and not is_same_text(annotation.get("text"), texts):
            detail = f"{name} has {annotation['text']!r}, the document {' ... '.join(texts)!r} at its offsets"
            anomalies.add(Anomalies.TEXT_DIFFERS, record.id, detail)
        unread = None if keys and keys[0].identifier else find_unread_key(annotation)
        if unread is not None:
            anomalies.add(Anomalies.UNKNOWN_KEY, record.id, f"{name} has {unread!r}, which is not read")
        if not all(offsets.is_inside(passage, key.start, key.end) for key in keys):
            anomalies.add(Anomalies.OTHER_PASSAGE, record.id, f"{name} lies outside its passage")
        (whole if len(keys) == 1 else pieces).extend(keys)
    return whole, pieces


def _tokenize(tokenizer: Tokenizer, text: str, keys: List[Mention]) -> Doc:
    boundaries = {boundary for key in keys for boundary in (key.start, key.end)}
    # Spaces are not tokens, except where a mention starts or ends with one.
    edges = {edge for key in keys for edge in (key.start, key.end - 1) if text[edge].isspace()}
    return tokenize_at(tokenizer, text, boundaries, spaces=edges)


def _find_section(passage: Node) -> str:
    # PubTator3's full texts have the section, and as type whether it is a heading; abstracts have a type only.
    infons = get_infons(passage)
    return str(infons.get("section_type") or infons.get("section") or infons.get("type") or "")


def _find_relations(record: Record, doc: Doc, anomalies: Anomalies) -> List[Relation]:
    concepts = ConceptIndex(doc)
    relations: List[Relation] = []
    for relation, fields in read_relations(record.document):
        name = f"relation {relation.get('id')}"
        made = _make_relations(fields, concepts)
        if not made:
            anomalies.add(Anomalies.NOT_UNDERSTOOD, record.id, f"{name} is not a typed relation between two concepts")
        relations.extend(made)
        if len(relations) > _MOST_RELATIONS:
            raise InputError(f"its relations name more than {_MOST_RELATIONS:,} pairs of concepts", document=record.id)
        missing = [side.id for each in made for side in (each.source, each.target) if not side.mentions]
        if missing:
            anomalies.add(Anomalies.NO_SUCH_CONCEPT, record.id, f"{name} names {missing[0]}, which no annotation has")
    return relations


def _make_relations(fields: Optional[RelationFields], concepts: ConceptIndex) -> List[Relation]:
    """The relations that a relation of the file stands for, each pair of concepts once, whatever the direction."""
    made: Dict[Tuple[str, str], Relation] = {}
    if fields is not None:
        for source, target in product(fields.source.identifiers, fields.target.identifiers):
            relation = _relate(fields, source, target, concepts)
            made.setdefault(relation.pair, relation)
    return list(made.values())


def _relate(fields: RelationFields, source: str, target: str, concepts: ConceptIndex) -> Relation:
    sources = _find_concepts(source, fields.source.type, concepts)
    targets = _find_concepts(target, fields.target.type, concepts)
    # One number can be a gene and a taxon of a document: prefer a pair of types that BioRED relates.
    pairs = [(first, second) for first in sources for second in targets]
    best = next((pair for pair in pairs if frozenset((pair[0].type, pair[1].type)) in _RELATED_TYPES), pairs[0])
    return Relation(*best, fields.type, fields.novelty)


def _find_concepts(identifier: str, type: str, concepts: ConceptIndex) -> List[Concept]:
    """The concepts that an identifier can name: those of the type, or else of any type, or else a new one."""
    found = concepts.find(identifier)
    return [concept for concept in found if concept.type == type] or found or [Concept(identifier, type)]


def record_from_doc(doc: Doc, fallback_id: str) -> Record:
    """Make the record of a `Doc`, from a file or not.

    Annotations and relations of the file that are still on the `Doc` stay as they were in the file; those that are gone
    are left out; new ones get ids of their own. A relation of the file that has been predicted gets its new
    probabilities. What never was on the `Doc` (annotations without a location, relations that are not between two
    concepts) stays. A document that has no id gets `fallback_id`.
    """
    record = _load_record(doc) or _new_record(doc)
    identifier = get_document_id(doc) or fallback_id
    if str(record.document.get("id")) != identifier:
        record.document["id"] = identifier
    _update_relations(record, doc)
    _update_annotations(record.document, doc)
    return record


def _load_record(doc: Doc) -> Optional[Record]:
    if RECORD_KEY not in doc.user_data:
        return None
    try:
        record = Record.loads(doc.user_data[RECORD_KEY])
    except (TypeError, ValueError, RecursionError) as error:
        cause = " ".join(str(error).split())[:200]
        raise InputError(
            f"the record in `doc.user_data` is damaged: {cause}", document=get_document_id(doc) or None
        ) from error
    # `Span.as_doc` copies the user data, so the record can belong to another text. It is ignored then.
    return record if TextOffsets(record.document).text == doc.text else None


def check_user_data(doc: Doc) -> None:
    """Check what a document that comes from bytes carries in `doc.user_data`, and that all its strings came with it.
    RAISES (InputError): If it is damaged."""
    try:
        doc.text, get_mentions(doc)
    except KeyError as error:
        raise InputError("the strings of its tokens or mentions are missing", document=get_document_id(doc)) from error
    get_relations(doc)
    get_passages(doc)
    get_document_id(doc)
    record = _load_record(doc)
    if record is not None:
        _find_mentions(record, find_offsets(record.document), Anomalies())


def _new_record(doc: Doc) -> Record:
    passage: Node = {"infons": {}, "offset": 0, "text": doc.text, "sentences": [], "annotations": [], "relations": []}
    return Record(
        {"id": "", "infons": {}, "passages": [passage], "annotations": [], "relations": []},
        format="",
        collection={"source": "embre_spacy", "date": "", "key": "", "infons": {}},
    )


def _update_annotations(document: Node, doc: Doc) -> None:
    offsets = find_offsets(document)
    ids = [str(annotation.get("id")) for _, annotation in iter_parts(document, "annotations")]
    unmatched: Counter[Mention] = Counter(get_mentions(doc))
    for passage, node in iter_nodes(document):
        kept: List[Node] = []
        for annotation in get_list(node, "annotations"):
            keys = Counter(find_mentions(annotation, passage, offsets))
            if all(unmatched[key] >= needed for key, needed in keys.items()):
                unmatched.subtract(keys)
                kept.append(annotation)
        if node.get("annotations"):
            node["annotations"] = kept
    used_ids = [int(id) for id in ids if id.isascii() and id.isdigit() and len(id) < 10]
    text = doc.text
    for id, key in enumerate(sorted(unmatched.elements()), max(used_ids, default=-1) + 1):
        node, offset, length = offsets.to_file(key.start, key.end)
        identifier = {"identifier": key.identifier} if key.identifier else {}
        annotation = {
            "id": str(id),
            "infons": {**identifier, "type": key.label},
            "text": text[key.start : key.end],
            "locations": [{"offset": offset, "length": length}],
        }
        node["annotations"] = [*get_list(node, "annotations"), annotation]


def _update_relations(record: Record, doc: Doc) -> None:
    relations = get_relations(doc)
    concepts = ConceptIndex(doc)
    unmatched: _Unmatched = defaultdict(deque)
    for index, relation in enumerate(relations):
        unmatched[_key(relation)].append(index)
    read = read_relations(record.document)
    used_ids = {str(relation.get("id")) for relation, _ in read}
    all_fields = (fields for _, fields in read)
    for _, node in iter_nodes(record.document):
        kept: List[Node] = []
        for relation, fields in zip(get_list(node, "relations"), all_fields):
            made = _make_relations(fields, concepts)
            kept.extend(_match(relation, [_key(one) for one in made], relations, unmatched))
        if node.get("relations"):
            node["relations"] = kept
    new = sorted(index for indices in unmatched.values() for index in indices)
    if new:
        _add_relations(record, doc, [relations[index] for index in new], used_ids)


def _key(relation: Relation) -> _RelationKey:
    return relation.pair, relation.type, relation.novelty


def _match(relation: Node, keys: List[_RelationKey], relations: List[Relation], unmatched: _Unmatched) -> List[Node]:
    """A relation of the file, updated, or none if the `Doc` has it no more. Takes its matches out of `unmatched`."""
    if not all(unmatched[key] for key in keys):
        return []
    predicted = [relations[unmatched[key][0]] for key in keys if relations[unmatched[key][0]].type_probabilities]
    if predicted and len(keys) > 1:
        # It stands for several pairs, and can hold the probabilities of one only: each is written on its own.
        return []
    for key in keys:
        unmatched[key].popleft()
    if not predicted:
        return [relation]
    others = {key: value for key, value in get_infons(relation).items() if key not in _SCORES}
    return [{**relation, "infons": {**others, **_make_scores(predicted[0])}}]


def _add_relations(record: Record, doc: Doc, relations: List[Relation], used_ids: Set[str]) -> None:
    """Add relations in the style of the file, with new ids. Probabilities of predicted relations become
    infons: "score" (that the two are related at all), "type_score" and "novelty_score"."""
    document = record.document
    has_roles = (
        record.shape == "PubTator3"
        or "relations_display" in document
        or any("role1" in get_infons(relation) for _, relation in iter_parts(document, "relations"))
    )
    # PubTator3's names of types, which the mentions still have; of equal mentions that of the first.
    labels = {(*one[:2], entity_type(one.label)): one.label for one in reversed(get_mentions(doc))}
    added: List[Node] = []
    new_ids = (id for id in map("R{}".format, count(len(used_ids))) if id not in used_ids)
    for relation in relations:
        infons: Dict[str, Any] = {}
        for number, concept in enumerate((relation.source, relation.target), 1):
            if has_roles:
                infons[f"role{number}"] = _make_role(concept, labels, as_text=record.format == "bioc-xml")
            else:
                infons[f"entity{number}"] = concept.id
        infons["type"] = relation.type
        if relation.novelty is not None:
            infons["novel"] = relation.novelty
        added.append({"id": next(new_ids), "infons": {**infons, **_make_scores(relation)}, "nodes": []})
    document["relations"] = [*get_list(document, "relations"), *added]


def _make_role(concept: Concept, labels: Mapping[Tuple[int, int, str], str], as_text: bool) -> Any:
    """A role as PubTator3 has it."""
    keys = ((start, end, concept.type) for start, end in concept.mentions)
    type = next((labels[key] for key in keys if key in labels), concept.type)
    return f"{type}|{concept.id}" if as_text else {"identifier": concept.id, "type": type}


def _make_scores(relation: Relation) -> Dict[str, str]:
    scores = (
        relation.pair_probability,
        relation.type_probabilities.get(relation.type),
        relation.novelty_probabilities.get(relation.novelty),
    )
    # As text, like the scores of PubTator3.
    return {key: f"{score:.4f}" for key, score in zip(_SCORES, scores) if score is not None}
