"""The pipeline component `embre_mentions`: spaCy's entity recognizer, which leaves the mentions of a document alone."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from spacy.pipeline.ner import DEFAULT_NER_MODEL
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from thinc.api import Model

from ..labels import VARIANT
from ..terminology import find_variants
from ..tokens import find_free, get_own_spans

# The most tokens that are predicted at once. With the network of `configs/mentions.cfg` each takes 16 kB.
MAX_TOKENS = 10_000
DEFAULT_CONFIG: Dict[str, Any] = {
    "add_to_given": False,
    "moves": None,
    "update_with_oracle_cut_size": 100,
    "incorrect_spans_key": None,
    "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    "model": DEFAULT_NER_MODEL,
}


@Language.factory(
    "embre_mentions",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config=DEFAULT_CONFIG,
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_embre_mentions(
    nlp: Language,
    name: str,
    model: Model,
    add_to_given: bool,
    moves: Optional[Any],
    update_with_oracle_cut_size: int,
    incorrect_spans_key: Optional[str],
    scorer: Optional[Callable],
) -> "MentionRecognizer":
    """The factory of `embre_mentions`.

    nlp (Language): The pipeline.
    name (str): The name of the component in the pipeline.
    model (Model): The model, as spaCy's `ner` has it; `tok2vec` may be a layer of its own or listen to another.
    add_to_given (bool): Whether mentions are also found in documents that bring some, where these leave room. They
        stay as they are in any case.
    moves (Optional[TransitionSystem]), update_with_oracle_cut_size (int), incorrect_spans_key (Optional[str]),
        scorer (Optional[Callable]): As for spaCy's `ner`.
    RETURNS (MentionRecognizer): The component.
    """
    return MentionRecognizer(nlp.vocab, **{key: value for key, value in locals().items() if key != "nlp"})


class MentionRecognizer(EntityRecognizer):
    """Finds the mentions of documents: spaCy's `EntityRecognizer`, but for documents that bring mentions, in `doc.ents`
    or `doc.spans["mentions"]`. These come out with exactly those, unless `add_to_given`. In a document without any
    mentions are found even if its file was annotated: files of texts that nobody has annotated look the same. One that
    has learned of variants also finds all that follow a notation, such as HGVS's."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "embre_mentions",
        moves: Optional[Any] = None,
        *,
        add_to_given: bool = False,
        **settings: Any,
    ) -> None:
        """Make the component; see `make_embre_mentions` for the settings."""
        super().__init__(vocab, model, name, moves, **settings)
        self.add_to_given = add_to_given

    def predict(self, docs: Iterable[Doc]) -> List[List[Any]]:
        """The states of the parser for each part of those documents that mentions are to be found in, which are
        predicted one by one: memory does not grow with the batch."""
        states: List[List[Any]] = []
        for doc in self._choose(docs):
            entities = _take_entities(doc)
            try:
                states.append([])
                for part in _cut(doc):
                    states[-1] += super().predict([part])
            finally:
                if entities:
                    doc.set_ents(entities)
        return states

    def set_annotations(self, docs: Iterable[Doc], states: Sequence[Sequence[Any]]) -> None:
        """Set what `predict` has found as the entities of the same documents."""
        knows_variants = VARIANT in self.labels
        for doc, of_parts in zip(self._choose(docs), states):
            given = get_own_spans(doc)
            entities = _take_entities(doc)
            found: List[Span] = []
            start = 0
            for part, state in zip(_cut(doc), of_parts):
                super().set_annotations([part], [state])
                found += [Span(doc, start + ent.start, start + ent.end, ent.label) for ent in part.ents]
                start += len(part)
            if knows_variants:
                places = find_variants(doc.text)
                variants = [span for place in places if (span := doc.char_span(*place, label=VARIANT))]
                found = [*variants, *find_free(found, variants)]
            doc.set_ents([*entities, *find_free(found, given)])

    def _choose(self, docs: Iterable[Doc]) -> List[Doc]:
        """Those documents that mentions are to be found in."""
        return [doc for doc in docs if self.add_to_given or not get_own_spans(doc)]


def _cut(doc: Doc) -> List[Doc]:
    """A document in parts of at most `MAX_TOKENS`, which end with a full stop if there is one in their second half."""
    if len(doc) <= MAX_TOKENS:
        # As it is, with the vectors that a layer before has left for listeners.
        return [doc]
    parts: List[Doc] = []
    start = 0
    while start < len(doc):
        end = min(start + MAX_TOKENS, len(doc))
        stops = range(end, start + MAX_TOKENS // 2, -1) if end < len(doc) else ()
        end = next((stop for stop in stops if doc[stop - 1].text == "."), end)
        parts.append(doc[start:end].as_doc())
        start = end
    return parts


def _take_entities(doc: Doc) -> List[Span]:
    """Take the entities of a document away: spaCy's recognizer would keep their places and learn their labels."""
    entities = list(doc.ents)
    if entities:
        doc.set_ents([], default="missing")
    return entities
