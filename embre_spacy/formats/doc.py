"""From a record to a `Doc` and back: mentions, relations, passages. The `Doc` keeps the record, so nothing is lost."""

import math
from collections import Counter, defaultdict, deque
from itertools import chain, count, islice, product
from typing import Any, DefaultDict, Deque, Dict, Iterator, List, Optional, Set, Tuple

from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc

from .. import tokens
from ..errors import InputError
from ..labels import TYPE_PAIRS, entity_type
from ..tokens import Concept, ConceptIndex, Mention, Passage, Relation
from .fields import Argument, RelationFields, find_mentions, find_unread_key, is_same_text, read_relations
from .record import Anomalies, Node, Record, TextOffsets, find_offsets, get_infons, get_list, iter_nodes, iter_parts

# Where a `Doc` keeps its record, in `doc.user_data`.
RECORD_KEY = "embre_record"

_RELATED_TYPES = {frozenset(pair) for pair in TYPE_PAIRS}
# Half a kilobyte each: a few lines of a file can name thousands, and no text reports so many.
_MOST_RELATIONS = 20_000
_SCORES = ("score", "type_score", "novelty_score")
_PREDICTED = (*_SCORES, "evidence", "evidence_offsets")


def doc_from_record(record: Record, tokenizer: Tokenizer, anomalies: Anomalies) -> Doc:
    """Make a `Doc` of a record that has been checked, and keep the record on it."""
    source = record.dumps()
    offsets = find_offsets(record.document)
    whole, pieces = _find_mentions(record, offsets, anomalies)
    places = [mention[:2] for mention in chain(whole, pieces)]
    # Spaces are not tokens, except where a mention starts or ends with one.
    spaces = {one for start, end in places for one in (start, end - 1) if offsets.text[one].isspace()}
    doc = tokens.tokenize_at(tokenizer, offsets.text, set(chain.from_iterable(places)), spaces=spaces)
    tokens.set_mentions(doc, whole, pieces)
    doc.user_data[RECORD_KEY] = source
    tokens.set_document_id(doc, record.id)
    infons = [get_infons(passage) for passage in get_list(record.document, "passages")]
    # PubTator3's full texts have the section, and as type whether it is a heading; abstracts have a type only.
    sections = [str(one.get("section_type") or one.get("section") or one.get("type") or "") for one in infons]
    tokens.set_passages(doc, (Passage(*place, sections[number]) for number, place in offsets.passages.items()))
    tokens.set_relations(doc, _find_relations(record, doc, anomalies))
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
        start, end = (0, len(offsets.text)) if passage is None else offsets.passages.get(passage, (0, 0))
        if any(key.start < start or key.end > end for key in keys):
            anomalies.add(Anomalies.OTHER_PASSAGE, record.id, f"{name} lies outside its passage")
        (whole if len(keys) == 1 else pieces).extend(keys)
    return whole, pieces


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
    if fields is None:
        return []
    made: Dict[Tuple[str, str], Relation] = {}
    for sources, targets in product(_find_concepts(fields.source, concepts), _find_concepts(fields.target, concepts)):
        pairs = list(product(sources, targets))
        # One number can be a gene and a taxon of a document: prefer a pair of types that BioRED relates.
        best = next((pair for pair in pairs if frozenset((pair[0].type, pair[1].type)) in _RELATED_TYPES), pairs[0])
        relation = Relation(*best, fields.type, fields.novelty)
        made.setdefault(relation.pair, relation)
    return list(made.values())


def _find_concepts(argument: Argument, concepts: ConceptIndex) -> Iterator[List[Concept]]:
    """What each identifier can name: the concepts of the type, or else of any type, or else a new one."""
    for identifier in tokens.split_identifiers(argument.field):
        found = concepts.find(identifier)
        of_type = [concept for concept in found if concept.type == argument.type]
        yield of_type or found or [Concept(identifier, argument.type)]


def read_scores(doc: Doc, file: str) -> Dict[Tuple[str, str], float]:
    """The probabilities that the relations of a document have in its file as "score", the highest of each pair."""
    scores: Dict[Tuple[str, str], float] = {}
    concepts = ConceptIndex(doc)
    for relation, fields in read_relations(_get_record(doc).document):
        value = get_infons(relation).get("score", 1.0)
        try:
            score = float(value)
        except (OverflowError, TypeError, ValueError):
            score = math.nan
        if not 0.0 <= score <= 1.0:
            cause = f"relation {relation.get('id')} has the score {value!r}, which is not a number from 0 to 1"
            raise InputError(cause, file=file, document=tokens.get_document_id(doc))
        for made in _make_relations(fields, concepts):
            scores[made.pair] = max(score, scores.get(made.pair, 0.0))
    return scores


def record_from_doc(doc: Doc, fallback_id: str) -> Record:
    """Make the record of a `Doc`, with `fallback_id` if it has no id. What its file has stays as it was if the `Doc`
    has it still (but for new probabilities), or never had it (annotations without a location, relations that are not
    between two concepts). New annotations and relations get ids of their own."""
    record = _get_record(doc)
    identifier = tokens.get_document_id(doc) or fallback_id
    if str(record.document.get("id")) != identifier:
        record.document["id"] = identifier
    offsets = find_offsets(record.document)
    _update_relations(record, doc, offsets)
    _update_annotations(record.document, doc, offsets)
    return record


def _get_record(doc: Doc) -> Record:
    """The record that a `Doc` keeps, or a new one if that is of another text (`Span.as_doc` copies user data)."""
    text = doc.text
    if RECORD_KEY in doc.user_data:
        try:
            record = Record.loads(doc.user_data[RECORD_KEY])
        except (TypeError, ValueError, RecursionError) as error:
            cause = f"the record in `doc.user_data` is damaged: {' '.join(str(error).split())[:200]}"
            raise InputError(cause, document=tokens.get_document_id(doc)) from error
        if TextOffsets(record.document).text == text:
            return record
    passage: Node = {"infons": {}, "offset": 0, "text": text, "sentences": [], "annotations": [], "relations": []}
    document = {"id": "", "infons": {}, "passages": [passage], "annotations": [], "relations": []}
    return Record(document, "", {"source": "embre_spacy", "date": "", "key": "", "infons": {}})


def check_user_data(doc: Doc) -> None:
    """Raise an InputError if a document comes from bytes with damaged `doc.user_data`, or without all its strings."""
    identifier = tokens.get_document_id(doc)
    try:
        doc.text, tokens.get_mentions(doc)
    except KeyError as error:
        raise InputError("the strings of its tokens or mentions are missing", document=identifier) from error
    tokens.get_relations(doc)
    tokens.get_passages(doc)
    record = _get_record(doc)
    _find_mentions(record, find_offsets(record.document), Anomalies())


def _update_annotations(document: Node, doc: Doc, offsets: TextOffsets) -> None:
    ids = [str(annotation.get("id")) for _, annotation in iter_parts(document, "annotations")]
    unmatched: Counter[Mention] = Counter(tokens.get_mentions(doc))
    by_place: DefaultDict[Tuple[int, int, str], List[Mention]] = defaultdict(list)
    for mention in unmatched.elements():
        by_place[mention[:3]].append(mention)
    for passage, node in iter_nodes(document):
        kept: List[Node] = []
        for annotation in get_list(node, "annotations"):
            keys = Counter(find_mentions(annotation, passage, offsets))
            if all(unmatched[key] >= needed for key, needed in keys.items()):
                unmatched.subtract(keys)
                kept.append(annotation)
                continue
            # One without an identifier may have got one. The pieces of a discontinuous one have none in common.
            found = [mention for key in keys for mention in by_place[key[:3]][: keys[key]] if unmatched[mention] > 0]
            if len(found) == keys.total() and not any(tokens.split_identifiers(key.identifier) for key in keys):
                unmatched.subtract(found)
                infons = {**get_infons(annotation), "identifier": tokens.hide_local(found[0].identifier)}
                kept.append({**annotation, "infons": infons} if len(found) == 1 else annotation)
        if node.get("annotations"):
            node["annotations"] = kept
    used_ids = [int(id) for id in ids if id.isascii() and id.isdigit() and len(id) < 10]
    for id, (start, end, label, identifier) in enumerate(sorted(unmatched.elements()), max(used_ids, default=-1) + 1):
        node, offset, length = offsets.to_file(start, end)
        identifier = tokens.hide_local(identifier)
        infons = {"identifier": identifier, "type": label} if identifier else {"type": label}
        locations = [{"offset": offset, "length": length}]
        annotation = {"id": str(id), "infons": infons, "text": offsets.text[start:end], "locations": locations}
        node["annotations"] = [*get_list(node, "annotations"), annotation]


def _update_relations(record: Record, doc: Doc, offsets: TextOffsets) -> None:
    relations = tokens.get_relations(doc)
    infons = _describe_predicted(relations, doc, offsets)
    concepts = ConceptIndex(doc)
    # The indices of the relations that no relation of the record stands for yet.
    unmatched: DefaultDict[Tuple[Any, ...], Deque[int]] = defaultdict(deque)
    for index, relation in enumerate(relations):
        unmatched[relation.pair, relation.type, relation.novelty].append(index)
    read = read_relations(record.document)
    left = iter(read)
    for _, node in iter_nodes(record.document):
        kept: List[Node] = []
        for old, fields in islice(left, len(get_list(node, "relations"))):
            keys = [(made.pair, made.type, made.novelty) for made in _make_relations(fields, concepts)]
            matches = [unmatched[key][0] for key in keys if unmatched[key]]
            predicted = [infons[index] for index in matches if relations[index].type_probabilities]
            # If it stands for several pairs, it can hold the probabilities of one only: each is written on its own.
            if len(matches) < len(keys) or (predicted and len(keys) > 1):
                continue
            for key in keys:
                unmatched[key].popleft()
            if predicted:
                others = {key: value for key, value in get_infons(old).items() if key not in _PREDICTED}
                old = {**old, "infons": {**others, **predicted[0]}}
            kept.append(old)
        if node.get("relations"):
            node["relations"] = kept
    new = sorted(index for indices in unmatched.values() for index in indices)
    if new:
        added = [(relations[index], infons[index]) for index in new]
        _add_relations(record, doc, added, {str(old.get("id")) for old, _ in read})


def _add_relations(record: Record, doc: Doc, relations: List[Tuple[Relation, Node]], used_ids: Set[str]) -> None:
    """Add relations in the style of the file, with new ids, and with more infons."""
    document = record.document
    has_roles = (
        record.shape == "PubTator3"
        or "relations_display" in document
        or any("role1" in get_infons(relation) for _, relation in iter_parts(document, "relations"))
    )
    # PubTator3's names of types, which the mentions still have; of equal mentions that of the first.
    labels = {(*one[:2], entity_type(one.label)): one.label for one in reversed(tokens.get_mentions(doc))}
    added: List[Node] = []
    new_ids = (id for id in map("R{}".format, count(len(used_ids))) if id not in used_ids)
    for relation, others in relations:
        infons: Node = {}
        for number, concept in enumerate((relation.source, relation.target), 1):
            if not has_roles:
                infons[f"entity{number}"] = concept.id
                continue
            keys = ((start, end, concept.type) for start, end in concept.mentions)
            type = next((labels[key] for key in keys if key in labels), concept.type)
            role = {"identifier": concept.id, "type": type}
            infons[f"role{number}"] = f"{type}|{concept.id}" if record.format == "bioc-xml" else role
        infons["type"] = relation.type
        if relation.novelty is not None:
            infons["novel"] = relation.novelty
        added.append({"id": next(new_ids), "infons": {**infons, **others}, "nodes": []})
    document["relations"] = [*get_list(document, "relations"), *added]


def _describe_predicted(relations: List[Relation], doc: Doc, offsets: TextOffsets) -> List[Node]:
    """What prediction adds to each relation, as infons: probabilities, and the sentences that it is read from."""
    is_predicted = any(relation.type_probabilities for relation in relations)
    sentences = tokens.get_sentences(doc) if is_predicted else []
    described: List[Node] = []
    for relation in relations:
        types, novelties = relation.type_probabilities, relation.novelty_probabilities
        scores = (relation.pair_probability, types.get(relation.type), novelties.get(relation.novelty))
        # As text, like the scores of PubTator3.
        infons: Node = {key: f"{score:.4f}" for key, score in zip(_SCORES, scores) if score is not None}
        if types and (evidence := relation.evidence(doc, sentences)):
            places = (offsets.to_file(sentence.start_char, sentence.end_char)[1:] for sentence in evidence)
            infons["evidence"] = " ".join(sentence.text for sentence in evidence)
            infons["evidence_offsets"] = ";".join(f"{offset} {offset + length}" for offset, length in places)
        described.append(infons)
    return described
