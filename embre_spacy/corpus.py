"""The corpus readers of `spacy train`: one corpus, or several that do not annotate the same things."""

from bisect import bisect_right
from collections import Counter, defaultdict
from functools import partial
from glob import glob
from itertools import combinations, islice
from pathlib import Path
from random import Random
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import srsly
from pydantic import BaseModel, Field
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans
from spacy.vocab import Vocab

from . import tokens
from .errors import InputError
from .formats import read
from .formats.doc import read_scores
from .labels import ENTITY_TYPES, TYPE_PAIRS, entity_type
from .splits import read_ids
from .util import describe_validation_error, load_pipeline


def create_corpus(path: Optional[Union[str, Path]], limit: int = 0) -> Callable[[Language], Iterable[Example]]:
    """Create the reader of a corpus (`embre_spacy.Corpus.v1`). The predicted documents of its examples have the gold
    mentions for relations, but no entities: a recognizer beside is scored by what it finds.

    path (Optional[Union[str, Path]]): A file in any format that `embre_spacy.read` reads, or a folder with DocBin
        files.
    limit (int): The largest number of documents to read; 0 for all.
    RETURNS (Callable[[Language], Iterable[Example]]): Reads the corpus for a pipeline.
    """
    return partial(_read_examples, path=path, limit=limit)


def _read_examples(nlp: Language, *, path: Optional[Union[str, Path]], limit: int) -> Iterator[Example]:
    if path is None or str(path) == "":
        raise InputError("no path is given: set `paths.train` and `paths.dev` in the config or on the command line")
    references = (reference for file in list_corpus_files(path) for reference in read(file, nlp.vocab))
    reference = None
    for reference in islice(references, limit if limit > 0 else None):
        yield Example(tokens.copy_mentions(reference), reference)
    if reference is None:
        raise InputError("the corpus has no documents", file=str(path))


def create_mention_corpus(
    path: Optional[Union[str, Path]],
    more: Optional[str] = None,
    share: float = 0.25,
    limit: int = 0,
    seed: int = 0,
    entity_types: Optional[Dict[str, List[str]]] = None,
    pipeline: Optional[Union[str, Path]] = None,
    exclude: Optional[Union[str, Path]] = None,
) -> Callable[[Language], Iterable[Example]]:
    """Create the reader of a corpus for a recognizer of mentions (`embre_spacy.MentionCorpus.v1`). The predicted
    documents of its examples are plain text. Mentions have BioRED's types; where the type is one that BioRED does not
    know, or tokens do not meet the mention, nothing is learned. Documents come in random order, so that `max_epochs` in
    `[training]` may be -1.

    path (Optional[Union[str, Path]]): As of `embre_spacy.Corpus.v1`.
    more (Optional[str]): Files of other corpora, a pattern, such as documents that other recognizers have annotated.
        They are read side by side, and the documents of `path` again and again between theirs.
    share (float): The share of documents of `path` among all, if there are more; less than 1.
    limit (int): The largest number of documents of `path`, and of `more`; 0 for all.
    seed (int): The seed of the order.
    entity_types (Optional[Dict[str, List[str]]]): The entity types that files of `more` annotate, by what their names
        begin with. Other files annotate all.
    pipeline (Optional[Union[str, Path]]): A pipeline, a folder or the name of a package, whose entities stand for those
        of the types that a file does not annotate. Without one nothing is learned of the text between its mentions.
    exclude (Optional[Union[str, Path]]): A file with the ids of documents of `more` to leave out.
    RETURNS (Callable[[Language], Iterable[Example]]): Reads the corpus for a pipeline.
    RAISES (InputError): Where it is read, if there is no such file, or it cannot be used.
    """
    others = partial(_read_others, pattern=more, types=entity_types or {}, pipeline=pipeline, exclude=exclude)
    others = others if more else None
    return partial(_read_mentions, path=path, others=others, share=share, limit=limit, random=Random(seed))


def _read_mentions(
    nlp: Language,
    *,
    path: Optional[Union[str, Path]],
    others: Optional[Callable],
    share: float,
    limit: int,
    random: Random,
) -> Iterator[Example]:
    examples = [_keep_mentions(nlp, example.reference) for example in _read_examples(nlp, path=path, limit=limit)]
    left = random.sample(examples, len(examples))
    if others is None:
        yield from left
        return
    for example in islice(others(nlp, random), limit or None):
        yield example
        while random.random() < share:
            yield _draw(left, examples, random)


def _draw(left: List[Any], items: Sequence[Any], random: Random) -> Any:
    """Draw one of some items; each comes once before one comes again. `left` are those that are still to come."""
    if not left:
        left.extend(random.sample(items, len(items)))
    return left.pop()


def _read_others(
    nlp: Language,
    random: Random,
    *,
    pattern: str,
    types: Dict[str, List[str]],
    pipeline: Optional[Union[str, Path]],
    exclude: Optional[Union[str, Path]],
) -> Iterator[Example]:
    """Examples of the documents of files, drawn from each as often as its size says, so that all end together."""
    files = sorted(glob(pattern, recursive=True))
    if not files:
        raise InputError("there is no such file", file=pattern)
    excluded = read_ids(Path(exclude)) if exclude else set()
    labeller = load_pipeline(pipeline) if pipeline else None
    readers = {file: read(file, nlp.vocab, on_anomalies=lambda line: None) for file in files}
    sizes = {file: Path(file).stat().st_size for file in files}
    while readers:
        (file,) = random.choices(list(readers), [sizes[file] for file in readers])
        doc = next(readers[file], None)
        if doc is None:
            del readers[file]
        elif tokens.get_document_id(doc) not in excluded:
            name = Path(file).name.lower()
            annotated = (types[start] for start in types if name.startswith(start.lower()))
            yield _keep_mentions(nlp, doc, next(annotated, ENTITY_TYPES), labeller)


def _keep_mentions(
    nlp: Language, doc: Doc, types: Iterable[str] = ENTITY_TYPES, labeller: Optional[Language] = None
) -> Example:
    """An example of a plain text and the mentions in it, but for those that entities cannot hold. `labeller` finds
    those of other types."""
    reference = nlp.make_doc(doc.text)
    known: List[Span] = []
    unknown: List[Span] = []
    for start, end, label, _ in tokens.get_mentions(doc):
        span = reference.char_span(start, end, label=entity_type(label))
        is_known = span is not None and span.label_ in ENTITY_TYPES
        (known if is_known else unknown).append(span or reference.char_span(start, end, alignment_mode="expand"))
    entities = filter_spans(known)
    missing = filter_spans(tokens.find_free(unknown, entities))
    others = set(ENTITY_TYPES).difference(map(entity_type, types))
    if others and labeller is not None:
        found = [ent for ent in labeller(doc.text).ents if ent.label_ in others]
        spans = (reference.char_span(ent.start_char, ent.end_char, label=ent.label_) for ent in found)
        entities += tokens.find_free(filter(None, spans), [*entities, *missing])
        others = set()
    reference.set_ents(entities, missing=missing, default="missing" if others else "outside")
    return Example(nlp.make_doc(doc.text), reference)


def list_corpus_files(path: Union[str, Path]) -> List[Path]:
    """List the files of a corpus: the file itself, or all DocBin files below the folder."""
    path = Path(path)
    if not path.exists():
        raise InputError("there is no such file or folder", file=str(path))
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob("*.spacy"))
    if not files:
        raise InputError("there is no .spacy file in this folder or below it", file=str(path))
    return files


class CorpusSpec(BaseModel):
    """What the YAML file says of a corpus. Other keys, such as its source and licence, are for people."""

    name: str
    file: str  # its file or files, a pattern, beside the YAML file or below its folder
    # What its relation types mean, as `type`; nothing is learned of such pairs if that is null. They mean themselves if
    # there are none.
    labels: Dict[str, Dict[str, Any]] = {}
    type_pairs: List[Tuple[str, str]] = list(TYPE_PAIRS)  # of entity types, those that it annotates
    negatives: bool = True  # whether a pair that it says nothing of is not related
    negatives_scope: str = "document"  # where that holds; "sentence" for pairs with mentions in one sentence
    negatives_weight: float = Field(1.0, ge=0, le=1)  # how much such a pair counts beside one that is annotated
    explicit_negatives: List[str] = []  # the labels of pairs that are not related
    scores: bool = False  # whether the infon "score" of a relation is the probability that it is right


class _Specs(BaseModel):
    corpora: List[CorpusSpec]


def create_mixed_corpus(
    path: Optional[Union[str, Path, List[str]]], shares: Dict[str, float], limit: int = 0, seed: int = 0
) -> Callable[[Language], Iterable[Example]]:
    """Create a reader that draws documents of several corpora without end (`embre_spacy.MixedCorpus.v1`), as BioREx
    trains on nine (Lai and others 2023). It needs `max_epochs = -1` in `[training]`.

    Relations get the types that the labels of their corpus stand for. A pair that has several is learned as equally
    probable to have each. What a corpus does not judge is no candidate in training.

    path (Optional[Union[str, Path, List[str]]]): A YAML file with the key `corpora`, a list of the fields of
        `CorpusSpec`; or several such files.
    shares (Dict[str, float]): How often a document is drawn from each corpus, relative to the others. Corpora that are
        not named are not read.
    limit (int): The largest number of documents of each corpus; 0 for all.
    seed (int): The seed of the order.
    RETURNS (Callable[[Language], Iterable[Example]]): Reads the corpora for a pipeline.
    """
    return partial(_draw_examples, path=path, shares=shares, limit=limit, seed=seed)


def _draw_examples(
    nlp: Language, *, path: Optional[Union[str, Path, List[str]]], shares: Mapping[str, float], limit: int, seed: int
) -> Iterator[Example]:
    files = path if isinstance(path, list) else [path]
    specs = {name: (spec, Path(str(file)).parent) for file in files for name, spec in read_corpus_specs(file).items()}
    unknown = sorted(set(shares) - set(specs))
    if unknown or not any(shares.values()):
        cause = f"it has no corpus {', '.join(unknown)}" if unknown else "no corpus has a share"
        raise InputError(cause, file=", ".join(map(str, files)))
    random = Random(seed)
    names = [name for name, share in shares.items() if share]
    docs = {name: list(read_judged(*specs[name], nlp.vocab, limit)) for name in names}
    left: Dict[str, List[Doc]] = {name: [] for name in names}
    while True:
        (name,) = random.choices(names, [shares[name] for name in names])
        reference = _draw(left[name], docs[name], random)
        yield Example(tokens.copy_mentions(reference), reference)


def read_corpus_specs(path: Optional[Union[str, Path]]) -> Dict[str, CorpusSpec]:
    """Read what a YAML file says of corpora, by name. RAISES (InputError): If it is absent or wrong."""
    if path is None or not Path(path).is_file():
        raise InputError("there is no such file of corpora", file=str(path))
    try:
        specs = _Specs.model_validate(srsly.read_yaml(path)).corpora
    except ValueError as error:
        raise InputError(describe_validation_error(error), file=str(path)) from error
    return {spec.name: spec for spec in specs}


def read_judged(spec: CorpusSpec, folder: Path, vocab: Vocab, limit: int = 0) -> Iterator[Doc]:
    """Read the documents of a corpus with BioRED's relation types and with what it judges; those that judge nothing
    are left out. RAISES (InputError): If a file is absent or wrong, or has a label that `spec` does not have."""
    files = sorted(folder.glob(spec.file))
    count = 0
    for file in files:
        for doc in read(file, vocab, on_anomalies=lambda line: None):
            if _judge(doc, spec, str(file)):
                count += 1
                yield doc
            if limit and count == limit:
                return
    if not count:
        cause = "no document judges anything" if files else f"there is no file {spec.file}"
        raise InputError(f"corpus {spec.name}: {cause}", file=str(folder))


def _judge(doc: Doc, spec: CorpusSpec, file: str) -> bool:
    """Replace the relations of a document by those that its corpus means, say which pairs it judges, and return
    whether there are any."""
    scores = read_scores(doc, file) if spec.scores else {}
    relations = tokens.get_relations(doc)
    judged = dict.fromkeys(_find_silent(doc, spec) if spec.negatives else (), spec.negatives_weight)
    types: Dict[Tuple[str, str], List[str]] = defaultdict(list)
    for relation in relations:
        label, pair = relation.type, relation.pair
        if spec.labels and label not in spec.labels:
            cause = f"corpus {spec.name} has no label {label!r}"
            raise InputError(cause, file=file, document=tokens.get_document_id(doc))
        meaning = spec.labels[label].get("type") if spec.labels else label
        if label in spec.explicit_negatives:
            judged[pair] = 1.0
        elif meaning is not None:
            types[pair].append(meaning)
        else:
            judged.pop(pair, None)
    judged.update(dict.fromkeys(types, 1.0))
    related: List[tokens.Relation] = []
    for relation in {relation.pair: relation for relation in relations if relation.pair in types}.values():
        labels = types[relation.pair]
        share = scores.get(relation.pair, 1.0) / len(labels)
        probabilities = {label: share * count for label, count in Counter(labels).most_common()}
        most_probable = next(iter(probabilities))
        sides = relation.source, relation.target
        related.append(tokens.Relation(*sides, most_probable, type_probabilities=probabilities))
    tokens.set_relations(doc, related)
    tokens.set_judged(doc, judged)
    return bool(judged)


def _find_silent(doc: Doc, spec: CorpusSpec) -> Iterator[Tuple[str, str]]:
    """The pairs of concepts that a corpus would have annotated, were they related."""
    allowed = {frozenset(pair) for pair in spec.type_pairs}
    is_sentence = spec.negatives_scope == "sentence"
    starts = [start for start, _ in tokens.get_sentences(doc)] if is_sentence else [0]
    concepts = tokens.get_concepts(doc)
    places = [{bisect_right(starts, start) for start, _ in concept.mentions} for concept in concepts]
    for (source, of_source), (target, of_target) in combinations(zip(concepts, places), 2):
        if frozenset((source.type, target.type)) in allowed and of_source & of_target:
            yield tokens.find_pair((source, target))
