"""The pipeline component `embre_concepts`: identifiers for mentions that have none."""

import re
import tempfile
from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import chain
from math import log
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from spacy import util
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples

from ..errors import EmbreError
from ..labels import GENE, TAXON, VARIANT, entity_type
from ..terminology import Name, Terminology, identify_variant, normalize_name, write_names
from ..tokens import (
    LOCAL_PREFIX,
    Mention,
    get_sentences,
    identify_mentions,
    is_local,
    normalize_identifier,
    split_identifiers,
)
from .abbreviations import find_abbreviations
from .names import iter_spellings, split_composite

# On BioRED's dev, a threshold of 84 finds more, but less often the right ones; 90 finds less.
DEFAULT_CONFIG: Dict[str, Any] = {"threshold": 87.0, "terminologies": []}
# How often the name of a mention of the training data counts, beside one of a terminology.
TRAINING_WEIGHT = 3.0
_NAMES_FILE = "names.sqlite"
_HUMAN, _RODENTS = "9606", ("10090", "10116")
# What speaks for one of several genes of a name: the share of the document's mentions of taxa that are of its taxon;
# that the nearest in the sentence is; that the document mentions none, and it is human; the logarithm of its weight;
# that its symbol is written as in its taxon. With these most genes of BioRED's train are right.
_SHARE, _NEAREST, _DEFAULT, _WEIGHT, _STYLE = 2.5, 3.0, 0.4, 0.3, 1.0
# As symbols of people (TP53) and of mice and rats (Trp53) are written.
_OF_PEOPLE, _OF_RODENTS = re.compile("[A-Z0-9-]{2,}"), re.compile("[A-Z][a-z]+[a-z0-9-]*")
# The reference SNP number that stands beside another name of a variant: "R620W (rs2476601)".
_NUMBER_BESIDE = r"\s*[(\[:;/=]\s*(rs\d+)"


@Language.factory("embre_concepts", assigns=["token.ent_kb_id"], requires=["doc.ents"], default_config=DEFAULT_CONFIG)
def make_embre_concepts(nlp: Language, name: str, threshold: float, terminologies: List[str]) -> "ConceptLinker":
    """The factory of `embre_concepts`.

    nlp (Language): The pipeline.
    name (str): The name of the component in the pipeline.
    threshold (float): How much alike a mention and a name must be if they are not equal, from 0 to 100 (rapidfuzz's
        `ratio`).
    terminologies (List[str]): Files of `terminology build`, which are looked up where they lie, after learned names.
    RETURNS (ConceptLinker): The component.
    """
    return ConceptLinker(name, threshold=threshold, terminologies=terminologies)


class _Context(NamedTuple):
    """What a document says of its names."""

    text: str
    long_forms: Dict[str, str]
    sentences: List[int]  # where they start, and where the last ends
    taxa: List[Tuple[int, str]]  # where they are mentioned
    shares: Counter  # how often
    terms: Dict[Tuple[str, str], List[Name]]  # what has been found


class ConceptLinker(Pipe):
    """Gives the mentions of a document that have no identifier one: of its names, the names of terminologies, or what
    variants say of themselves; or else one of the document alone, which all mentions of that name share (LOCAL_PREFIX).
    """

    def __init__(
        self, name: str = "embre_concepts", *, threshold: float = 87.0, terminologies: Sequence[Union[str, Path]] = ()
    ) -> None:
        """Make the component; see `make_embre_concepts`. RAISES (EmbreError): If a file is no terminology."""
        if not 0.0 < threshold <= 100.0:
            raise EmbreError(f"`threshold` of {name} must be above 0 and at most 100, not {threshold}")
        self.name = name
        self.threshold = threshold
        self.names: Optional[Terminology] = None
        self.terminologies = [Terminology(path) for path in terminologies]

    def __call__(self, doc: Doc) -> Doc:
        identify_mentions(doc, self.find_identifiers)
        return doc

    def find_identifiers(self, doc: Doc, mentions: Sequence[Mention]) -> List[str]:
        """The identifiers of mentions of a document, as `kb_id_` holds them; those that have one keep it."""
        text = doc.text
        starts = [*(start for start, _ in get_sentences(doc)), len(text)]
        context = _Context(text, find_abbreviations(text), starts, [], Counter(), {})
        found = [""] * len(mentions)
        # Genes belong to the taxa of the document.
        for index in sorted(range(len(mentions)), key=lambda index: entity_type(mentions[index].label) != TAXON):
            mention = mentions[index]
            is_known = bool(split_identifiers(mention.identifier))
            found[index] = mention.identifier if is_known else self._identify(mention, context)
            if entity_type(mention.label) == TAXON and not is_local(found[index]):
                context.taxa.append((mention.start, normalize_identifier(found[index])))
                context.shares[context.taxa[-1][1]] += 1
        return found

    def _identify(self, mention: Mention, context: _Context) -> str:
        name, type = context.text[mention.start : mention.end], entity_type(mention.label)
        if type == VARIANT:
            beside = re.compile(re.escape(name) + _NUMBER_BESIDE).search(context.text)
            terms = self._find(name, type)
            if identifier := beside[1] if beside else terms[0].identifier if terms else identify_variant(name):
                return identifier
        elif terms := self._find_name(name, type, context):
            return _choose(terms, mention, context)
        parts = [self._find_name(part, type, context) for part in split_composite(name)]
        if parts and all(parts):
            return ",".join(dict.fromkeys(_choose(terms, mention, context) for terms in parts))
        return LOCAL_PREFIX + normalize_name(context.long_forms.get(name, name))

    def _find_name(self, name: str, type: str, context: _Context) -> List[Name]:
        """The concepts of a name: of equal names, or else of names alike. The long form of an abbreviation comes first:
        elsewhere it may be short for something else. Genes may have the one in one species, the other in another."""
        if (name, type) not in context.terms:
            forms = context.long_forms
            spelled = " ".join(forms.get(word, word) for word in name.split())
            names = list(dict.fromkeys((forms.get(name, name), name, spelled)))
            equal = (self._find_equal(each, type) for each in names)
            if type == GENE:
                # Of genes that are alike two in three are others.
                context.terms[name, type] = list(chain.from_iterable(equal))
            else:
                alike = (file.find_alike(each, type, self.threshold) for each in names for file in self._files)
                context.terms[name, type] = next(filter(None, chain(equal, alike)), [])
        return context.terms[name, type]

    def _find_equal(self, name: str, type: str) -> List[Name]:
        return next(filter(None, (self._find(spelling, type) for spelling in iter_spellings(name))), [])

    def _find(self, name: str, type: str) -> List[Name]:
        """The concepts of a name, the surest first. A gene may be that of a taxon that only some terminology has."""
        found: List[Name] = []
        for file in self._files:
            found += file.find(name, type) if type == GENE or not found else []
        return found

    @property
    def _files(self) -> List[Terminology]:
        return [*([] if self.names is None else [self.names]), *self.terminologies]

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        documents: Optional[Sequence[str]] = None,
        names: Optional[Sequence[str]] = None,
    ) -> None:
        """Learn the names of the training documents, and those of files. They are saved with the pipeline.

        documents (Optional[Sequence[str]]): Files of training documents, beside the examples, which `spacy assemble`
            has none of.
        names (Optional[Sequence[str]]): Files that `build_terminology` takes: what it makes, tables, documents.
        RAISES (EmbreError): If a file cannot be used.
        """
        # Not above: spaCy imports this module at its start, and formats take long to import.
        from ..terminology.build import collect_names, read_names

        examples = list(get_examples())
        validate_examples(examples, "ConceptLinker.initialize")
        files = (read_names(file) for file in documents or ())
        learned = chain(collect_names(example.reference for example in examples), *files)
        weighted = (name._replace(weight=TRAINING_WEIGHT * name.weight) for name in learned)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _NAMES_FILE
            write_names(path, chain(weighted, *(read_names(file) for file in names or ())))
            self.names = Terminology(path.read_bytes())

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The learned names."""
        return util.to_bytes({_NAMES_FILE: lambda: self._content}, exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "ConceptLinker":
        """Load what `to_bytes` returned. RAISES (EmbreError): If it is damaged."""
        util.from_bytes(bytes_data, {_NAMES_FILE: self._load}, exclude)
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the learned names. The terminologies of the config stay where they are."""
        util.to_disk(path, {_NAMES_FILE: lambda file: file.write_bytes(self._content)}, exclude)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "ConceptLinker":
        """Load what `to_disk` saved. RAISES (EmbreError): If it is damaged."""
        util.from_disk(path, {_NAMES_FILE: lambda file: self._load(file.read_bytes())}, exclude)
        return self

    @property
    def _content(self) -> bytes:
        return b"" if self.names is None else self.names.content

    def _load(self, content: bytes) -> None:
        self.names = Terminology(content) if content else None


def _choose(terms: Sequence[Name], mention: Mention, context: _Context) -> str:
    """Of the concepts that have a name the surest, or of genes the one that the document most likely means."""
    if entity_type(mention.label) != GENE:
        return terms[0].identifier
    name = context.text[mention.start : mention.end]
    total = context.shares.total()
    number = bisect_right(context.sentences, mention.start)
    ends = context.sentences[number - 1 : number + 1]
    first, last = (bisect_left(context.taxa, (end,)) for end in ends)
    within = context.taxa[first:last]
    nearest = min(within, key=lambda place: abs(place[0] - mention.start))[1] if within else None

    def rate(term: Name) -> Tuple[float, str]:
        is_human = term.taxon == _HUMAN
        style = _OF_PEOPLE if is_human else _OF_RODENTS if term.taxon in _RODENTS else None
        score = _WEIGHT * log(term.weight + 0.1) + _NEAREST * (term.taxon == nearest)
        score += _SHARE * context.shares[term.taxon] / total if total else _DEFAULT * is_human
        return score + _STYLE * bool(style and style.fullmatch(name)), term.identifier

    return max(terms, key=rate).identifier
