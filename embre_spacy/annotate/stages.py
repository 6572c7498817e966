"""The five stages that a unit goes through: read, prepare, predict, decide, write.

Where a CPU predicts, one process takes a unit through all of them. For a GPU some processes read and prepare, one
predicts, and others decide and write: what goes from one to the next can be pickled.
"""

import pickle
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from itertools import chain, count, groupby, islice
from operator import attrgetter
from typing import Any, Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from spacy.tokens import Doc

from ..errors import EmbreError, add_file_to_errors, describe_error
from ..files import FileSection
from ..formats import Rejected, read_each
from ..formats.reading import read_ids
from ..formats.record import Anomalies
from ..relation import find_component
from ..relation.component import split_by_tokens
from ..tokens import build_tokenizer, get_concepts, get_document_id, get_mentions, get_relations, set_relations
from ..util import load_pipeline
from .outputs import OutputWriter
from .state import NO_IDENTIFIERS, Outcome, RunState, dump, load
from .units import InputFile, Unit

# A document that the pipeline fails on is set aside. This many failures in a row mean that the pipeline is at fault.
_MAX_FAILURES = 100


@dataclass(frozen=True)
class AnnotateOptions:
    """How to annotate: the arguments of `annotate`, and what `run` derives from them."""

    model: str
    checksum: str
    format: str
    location: str  # of the state
    run: str
    batch_size: int = 64
    n_process: int = 1
    gpu_id: int = -1
    actors: Optional[int] = None
    quote_formulas: bool = False
    is_split: bool = False  # whether to predict in a process of its own, as for a GPU


class Portion(NamedTuple):
    """Documents of a chunk that are predicted together: their outcomes, arrays, and probabilities."""

    outcomes: List[Outcome]
    batch: Any
    scores: Any = None


@dataclass
class Chunk:
    """`batch_size` documents of a unit, prepared in portions, but for those that were set aside."""

    outcomes: List[Outcome]
    portions: List[Portion] = field(default_factory=list)

    @property
    def n_read(self) -> int:
        return sum(outcome.was_read for outcome in self.outcomes)

    @property
    def with_docs(self) -> List[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.doc is not None]


class Stages:
    """The stages, with the pipeline that runs them, on a GPU or, with -1, on the CPU. Every process has one."""

    def __init__(self, options: AnnotateOptions, gpu_id: int = -1) -> None:
        self.options = options
        self.nlp = load_pipeline(options.model, gpu_id)
        self.component = find_component(self.nlp)
        names, components = zip(*self.nlp.pipeline)
        self.before = names[: components.index(self.component)]
        self.after = names[len(self.before) + 1 :]
        # A tokenizer made inside a memory zone is invalid after it; this one must last.
        self.tokenizer = build_tokenizer(self.nlp.vocab)
        self.writer = OutputWriter(options.format, options.quote_formulas)
        self._failures = 0
        # A file, its ids, a byte where a section of it starts, and how many documents there are before that.
        self._known: Tuple[int, Set[str], int, int] = (-1, set(), 0, 0)

    @property
    def can_split(self) -> bool:
        """Whether no component before `embre_relation` has a model, which would need the GPU too."""
        return not any(getattr(self.nlp.get_pipe(name), "is_trainable", False) for name in self.before)

    def annotate_unit(self, unit: Unit, on_documents: Callable[[int], None] = lambda count: None) -> int:
        """Take a unit through all stages, finish it, and give the number of documents that were read."""
        counts: List[int] = []

        def annotate_chunks() -> Iterator[bytes]:
            for chunk in self.iter_chunks(unit):
                self.prepare(chunk)
                self.predict(chunk)
                self.decide(chunk)
                yield self.write(chunk)
                counts.append(chunk.n_read)
                on_documents(chunk.n_read)

        finish_unit(unit, annotate_chunks(), self.options)
        return sum(counts)

    def iter_prepared(self, unit: Unit) -> Iterator[Chunk]:
        """Read and prepare a unit, and yield chunks with packed documents, which can go to another process."""
        for chunk in self.iter_chunks(unit):
            self.prepare(chunk)
            for outcome in chunk.with_docs:
                outcome.doc = outcome.doc.to_bytes()
            yield chunk

    def save_chunks(self, unit: Unit, path: str) -> None:
        """Read and prepare a unit, and save its chunks, one after the other."""
        with add_file_to_errors(path), open(path, "wb") as file:
            for chunk in self.iter_prepared(unit):
                pickle.dump(chunk, file)

    def write_predicted(self, chunk: Chunk) -> bytes:
        """Decide and write a chunk with packed documents."""
        with self.nlp.memory_zone():
            for outcome in chunk.with_docs:
                outcome.doc = self._unpack(outcome.doc)
            self.decide(chunk)
            return self.write(chunk)

    def _unpack(self, doc: Union[Doc, bytes]) -> Doc:
        return Doc(self.nlp.vocab).from_bytes(doc) if isinstance(doc, bytes) else doc

    def iter_chunks(self, unit: Unit) -> Iterator[Chunk]:
        """Read a unit, `batch_size` documents at a time. Their strings are freed when the next chunk is asked for."""
        outcomes = self.read(unit)
        is_docbin = unit.files[0].format == "docbin"
        # All documents of a DocBin need the strings that come in with the first.
        with self.nlp.memory_zone() if is_docbin else nullcontext():
            while True:
                with nullcontext() if is_docbin else self.nlp.memory_zone():
                    chunk = Chunk(list(islice(outcomes, self.options.batch_size)))
                    if not chunk.outcomes:
                        return
                    yield chunk
                    # No document may be referenced after its memory zone ends.
                    chunk.outcomes, chunk.portions = [], []

    def read(self, unit: Unit) -> Iterator[Outcome]:
        """Read the documents of a unit, and after those of a file what is odd in it."""
        for file in unit.files:
            anomalies = Anomalies()
            number = 0
            part = {"format": file.format, "section": file.section, "stem": file.stem}
            docs = read_each(file.location, self.nlp.vocab, **part, anomalies=anomalies, tokenizer=self.tokenizer)
            for number, doc in enumerate(docs, 1):
                if isinstance(doc, Rejected):
                    yield Outcome(file.index, number, doc.document, doc.cause)
                else:
                    identifier = get_document_id(doc) or self._make_id(file, number)
                    yield Outcome(file.index, number, identifier, was_read=True, doc=doc)
            yield Outcome(file.index, number, anomalies=anomalies.counts)

    def _make_id(self, file: InputFile, number: int) -> str:
        """An id for a document that has none, with its number in the file; no other document there has it."""
        known, ids, passed, before = self._known
        start = file.section.start if file.section else 0
        if known != file.index or start < passed:
            ids, passed, before = set(read_ids(file.location, self.nlp.vocab, file.format)), 0, 0
        if passed < start:
            section = FileSection(passed, start, 1)
            before += sum(1 for _ in read_ids(file.location, self.nlp.vocab, file.format, section))
        self._known = file.index, ids, start, before
        stem = f"{file.stem}-{before + number}"
        names = chain([stem], (f"{stem}.{suffix}" for suffix in count(2)))
        return next(name for name in names if name not in ids)

    def prepare(self, chunk: Chunk) -> None:
        """Run the components before `embre_relation`, and make arrays of the documents that are left."""
        self._run_components(chunk, self.before)
        left = chunk.with_docs
        device = "cpu" if self.options.gpu_id < 0 else "gpu"
        for start, end in split_by_tokens([outcome.doc for outcome in left], device):
            self._run_each(left[start:end], lambda some: chunk.portions.append(self._prepare(some)))

    def _prepare(self, outcomes: List[Outcome]) -> Portion:
        return Portion(outcomes, self.component.prepare(self._unpack(outcome.doc) for outcome in outcomes))

    def predict(self, chunk: Chunk) -> None:
        """Give each portion its probabilities."""
        portions, chunk.portions = chunk.portions, []
        for portion in portions:
            self._run_each(portion.outcomes, partial(self._predict, chunk, portion))

    def _predict(self, chunk: Chunk, portion: Portion, outcomes: List[Outcome]) -> None:
        if len(outcomes) < len(portion.outcomes):
            portion = self._prepare(outcomes)
        chunk.portions.append(portion._replace(scores=self.component.classify(portion.batch)))

    def decide(self, chunk: Chunk) -> None:
        """Set the relations of the documents, and run the components after `embre_relation`."""
        for portion in chunk.portions:
            decided = self.component.decide(portion.batch.candidates, portion.scores)
            for outcome, relations in zip(portion.outcomes, decided):
                set_relations(outcome.doc, relations)
        self._run_components(chunk, self.after)

    def write(self, chunk: Chunk) -> bytes:
        """Make data of the documents, which are forgotten, and serialize the outcomes."""
        for outcome in chunk.outcomes:
            # One that the pipeline failed on has no document any more.
            self._failures = 0 if outcome.doc is not None else self._failures + outcome.was_read
            if self._failures == _MAX_FAILURES:
                cause = f"{_MAX_FAILURES} documents in a row; the last error was {outcome.cause}"
                raise EmbreError(f"the pipeline failed on {cause}")
        for outcome in chunk.with_docs:
            self._run_each([outcome], self._encode)
        return b"".join(map(dump, chunk.outcomes))

    def _encode(self, outcomes: List[Outcome]) -> None:
        (outcome,) = outcomes
        anomalies = Anomalies()
        if get_mentions(outcome.doc) and not get_concepts(outcome.doc):
            anomalies.add(NO_IDENTIFIERS, outcome.document or "", "")
        outcome.data = self.writer.encode(outcome.doc, outcome.document or "", anomalies)
        outcome.documents, outcome.relations = 1, len(get_relations(outcome.doc))
        outcome.anomalies, outcome.doc = anomalies.counts, None

    def _run_components(self, chunk: Chunk, names: Sequence[str]) -> None:
        """Run some components as `nlp.pipe` does."""
        disable = [name for name in self.nlp.pipe_names if name not in names]

        def run(outcomes: List[Outcome]) -> None:
            before = [outcome.doc for outcome in outcomes]
            docs = list(self.nlp.pipe(before, batch_size=self.options.batch_size, disable=disable))
            if len(docs) != len(outcomes):
                raise EmbreError("a component returned more or fewer documents than it was given")
            for outcome, doc in zip(outcomes, docs):
                outcome.doc = doc

        if names:
            self._run_each(chunk.with_docs, run)

    def _run_each(self, outcomes: List[Outcome], function: Callable[[List[Outcome]], None]) -> None:
        """Run a function on documents at once. If it fails, run it on each alone, and set aside what it fails on."""
        try:
            function(outcomes)
        except Exception as error:
            if len(outcomes) > 1:
                for outcome in outcomes:
                    self._run_each([outcome], function)
                return
            (outcome,) = outcomes
            if isinstance(error, MemoryError):
                raise EmbreError(f"document {outcome.document}: there is not enough memory for it") from error
            outcome.doc, outcome.cause = None, describe_error(error)


def finish_unit(unit: Unit, chunks: Iterable[bytes], options: AnnotateOptions) -> None:
    """Keep what `write` made of all chunks of a unit, or, if the files in it have outputs of their own, write these."""
    writer = OutputWriter(options.format, options.quote_formulas)
    targets = {file.index: file.target for file in unit.files if file.section is None and file.target}
    if targets:
        outcomes = chain.from_iterable(load(BytesIO(chunk)) for chunk in chunks)
        of_files = groupby(outcomes, key=attrgetter("file"))
        chunks = (_write_file(index, of_file, writer, targets[index]) for index, of_file in of_files)
    RunState(options.location, options.run).write_unit(unit.index, chunks)


def _write_file(index: int, outcomes: Iterator[Outcome], writer: OutputWriter, target: str) -> bytes:
    kept: List[Outcome] = []
    anomalies = Anomalies()
    total = Outcome(index, 0, anomalies=anomalies.counts)

    def iter_data() -> Iterator[bytes]:
        for outcome in outcomes:
            if outcome.cause is not None:
                kept.append(outcome)
                continue
            total.documents += outcome.documents
            total.relations += outcome.relations
            anomalies.update(outcome.anomalies)
            if outcome.data:
                yield outcome.data

    writer.write(iter_data(), target)
    return b"".join(map(dump, [*kept, total]))
