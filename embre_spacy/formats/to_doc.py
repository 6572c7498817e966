"""From a record to a `Doc`."""

from collections import defaultdict
from typing import Dict, List, Tuple

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, Span

from ..errors import InputError
from ..labels import TYPE_PAIRS
from ..tokens import MENTIONS_KEY, Concept, Passage, Relation, get_concepts, set_passages, tokenize_at
from .anomalies import NO_LOCATION, NO_SUCH_CONCEPT, NOT_UNDERSTOOD, OTHER_PASSAGE, TEXT_DIFFERS, Anomalies
from .layout import Layout
from .mention_fields import MentionKey, annotations_by_id, mention_keys, same_text
from .record import Node, Record, children, infons, owners
from .relation_fields import RelationFields, relation_fields

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
    layout = Layout(record.document)
    whole, pieces = _mentions(record, layout, anomalies)
    doc = _tokenize(tokenizer, layout.text, [*whole, *pieces])
    entities, others = _without_overlap(whole)
    spans = [_span(doc, key) for key in entities]
    doc.set_ents([span for span in spans if span.label_])
    # A `Doc` takes an entity without a label for none.
    others = [*pieces, *others, *(key for key in entities if not key.label)]
    if others:
        doc.spans[MENTIONS_KEY] = [_span(doc, key) for key in sorted(others, key=lambda key: (key.start, -key.end))]
    doc.user_data[RECORD_KEY] = source
    doc._.document_id = record.id
    set_passages(doc, _passages(record, layout))
    doc._.relations = _relations(record, doc, anomalies)
    return doc


def _passages(record: Record, layout: Layout) -> List[Passage]:
    passages = children(record.document, "passages")
    ends: Dict[int, Tuple[int, int]] = {}
    for segment in layout.segments:
        start, _ = ends.get(segment.passage, (segment.start, 0))
        ends[segment.passage] = start, segment.start + len(segment.text)
    return [Passage(start, end, _section(passages[number])) for number, (start, end) in ends.items()]


def _section(passage: Node) -> str:
    """What a passage is: PubTator3's full texts say the section and, as type, whether it is a heading or a
    paragraph; abstracts have a type only."""
    found = infons(passage)
    return str(found.get("section_type") or found.get("section") or found.get("type") or "")


def _mentions(record: Record, layout: Layout, anomalies: Anomalies) -> Tuple[List[MentionKey], List[MentionKey]]:
    """Mentions in one piece, and pieces of discontinuous ones."""
    whole: List[MentionKey] = []
    pieces: List[MentionKey] = []
    for passage, owner in owners(record.document):
        for annotation in children(owner, "annotations"):
            name = f"annotation {annotation.get('id')}"
            try:
                keys = mention_keys(annotation, passage, layout)
            except InputError as error:
                raise InputError(f"{name} {error.cause}", document=record.id) from None
            if len(keys) < len(children(annotation, "locations")) or not keys:
                anomalies.add(NO_LOCATION, record.id, f"{name} has no location, or one of no length")
            texts = [layout.text[key.start : key.end] for key in keys]
            if keys and not same_text(annotation.get("text"), texts):
                detail = f"{name} says {annotation['text']!r}, the text at its offsets {' ... '.join(texts)!r}"
                anomalies.add(TEXT_DIFFERS, record.id, detail)
            if passage is not None and not _in_passage(annotation, passage, layout):
                anomalies.add(OTHER_PASSAGE, record.id, f"{name} lies outside its passage")
            (whole if len(keys) == 1 else pieces).extend(keys)
    return whole, pieces


def _in_passage(annotation: Node, passage: int, layout: Layout) -> bool:
    return all(
        layout.to_characters(passage, location["offset"], location["length"])[2]
        for location in children(annotation, "locations")
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
    for _, owner in owners(record.document):
        for relation in children(owner, "relations"):
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
