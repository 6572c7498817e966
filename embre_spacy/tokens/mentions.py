"""Mentions: where a document names something, and what."""

from typing import Callable, Iterable, List, NamedTuple

from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import filter_spans

from .identifiers import split_identifiers

# The span group of the mentions that `doc.ents` cannot hold: overlapping, nested and discontinuous ones.
MENTIONS_KEY = "mentions"
# That of the mentions that examples bring for relations: they count in place of all others.
_GIVEN_KEY = "embre_given_mentions"


class Mention(NamedTuple):
    """A stretch of text that names a concept."""

    start: int  # in characters of `doc.text`
    end: int
    label: str  # as in the file
    identifier: str  # the field with the identifiers, as in the file


def get_mentions(doc: Doc) -> List[Mention]:
    """All mentions of a document: its entities and those that only `doc.spans["mentions"]` can hold, in the order of
    the text, enclosing ones first."""
    spans = _read_group(doc, _GIVEN_KEY) or get_own_spans(doc)
    return sorted(map(_read_span, spans), key=lambda mention: (mention.start, -mention.end))


def _read_span(span: Span) -> Mention:
    return Mention(span.start_char, span.end_char, span.label_, _find_identifiers(span))


def get_own_spans(doc: Doc) -> List[Span]:
    """The mentions that a document has of its own, and not for relations alone, as spans."""
    return [*doc.ents, *_read_group(doc, MENTIONS_KEY)]


def find_free(spans: Iterable[Span], taken: Iterable[Span]) -> List[Span]:
    """Those that overlap with none that is taken."""
    characters = {character for span in taken for character in range(span.start_char, span.end_char)}
    return [span for span in spans if characters.isdisjoint(range(span.start_char, span.end_char))]


def _read_group(doc: Doc, key: str) -> List[Span]:
    """The spans of a group, of which the characters and names are right, but not always the tokens."""
    group = doc.spans.get(key)
    try:
        return list(group or ())
    except IndexError:
        # Where tokens were merged, spaCy leaves the numbers of tokens in span groups as they were, and refuses those
        # that no token has any more. If each character is a token, there are enough.
        text = doc.text
        characters = Doc(doc.vocab, words=list(text), spaces=[False] * len(text), user_data=doc.user_data)
        return list(SpanGroup(characters).from_bytes(group.to_bytes()))


def _find_identifiers(span: Span) -> str:
    """The field with the identifiers of a mention: `kb_id_`, or else what rulers set, or scispaCy's linker found."""
    fields = [span.kb_id_, span.id_]
    # Asking `span._` would leave its default, a list, in the user data.
    if ranked := span.doc.user_data.get(("._.", "kb_ents", span.start_char, span.end_char)):
        fields.append(ranked[0][0])
    return next((field for field in fields if split_identifiers(field)), span.kb_id_)


def set_mentions(doc: Doc, mentions: Iterable[Mention], pieces: Iterable[Mention] = ()) -> None:
    """Replace the mentions of a document. Those that `doc.ents` can hold are there, the longest first; others are in
    `doc.spans["mentions"]`, and so are the pieces of discontinuous ones."""
    spans = [_make_span(doc, mention) for mention in mentions]
    # spaCy ignores an entity without a label.
    entities = [span for span in filter_spans(spans) if span.label]
    doc.set_ents(entities)
    chosen = set(map(id, entities))
    others = [*(_make_span(doc, piece) for piece in pieces), *(span for span in spans if id(span) not in chosen)]
    if others:
        doc.spans[MENTIONS_KEY] = sorted(others, key=lambda span: (span.start_char, -span.end_char))


def identify_mentions(doc: Doc, find: Callable[[Doc, List[Mention]], List[str]]) -> None:
    """Give the mentions of a document the identifiers that a function finds for them, in the order of the text; all
    else of them stays. Those that examples bring for relations alone are left out."""
    entities, others = list(doc.ents), _read_group(doc, MENTIONS_KEY)
    spans = sorted([*entities, *others], key=lambda span: (span.start_char, -span.end_char))
    mentions = list(map(_read_span, spans))
    identifiers = find(doc, mentions)
    new = {
        id(span): Span(span.doc, span.start, span.end, label=span.label, kb_id=identifier, span_id=span.id)
        for span, mention, identifier in zip(spans, mentions, identifiers)
        if identifier != mention.identifier
    }
    doc.set_ents([new.get(id(span), span) for span in entities], default="unmodified")
    if any(id(span) in new for span in others):
        group = (new.get(id(span), span) for span in others)
        # Where tokens were merged, they are spans of characters.
        doc.spans[MENTIONS_KEY] = [span if span.doc is doc else _make_span(doc, _read_span(span)) for span in group]


def give_mentions(doc: Doc, mentions: Iterable[Mention]) -> None:
    """Give a document mentions for relations alone: `doc.ents` stays as it is."""
    doc.spans[_GIVEN_KEY] = [_make_span(doc, mention) for mention in mentions]


def _make_span(doc: Doc, mention: Mention) -> Span:
    start, end, label, identifier = mention
    return doc.char_span(start, end, label=label, kb_id=identifier, alignment_mode="expand")
