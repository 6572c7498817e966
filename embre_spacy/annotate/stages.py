"""The five stages that a unit goes through: read, prepare, predict, decide, write.

Where a CPU predicts, one process takes a unit through all of them. For a GPU some processes read and prepare, one
predicts, and others decide and write: what goes from one to the next can be pickled.
"""

import pickle
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain, count, groupby, islice
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Set, Tuple, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import EmbreError, describe_error
from ..files import FileSection, is_uri
from ..formats import Rejected, read_each
from ..formats.reading import read_ids
from ..formats.record import Anomalies, Envelope
from ..relation import find_component
from ..relation.component import split_by_tokens
from ..tokens import build_tokenizer, get_concepts, get_document_id, get_mentions, get_relations, set_relations
from ..util import load_pipeline
from .outputs import OutputWriter, create_writer
from .state import NO_IDENTIFIERS, Outcome, RunState, UnitReport, dump, load
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


@dataclass
class Entry:
    """A document on its way through the stages, or the end of a file."""

    file: int  # the index of its file
    number: int  # within the section of the file that the unit has, from 1
    document: Optional[str] = None  # its id, as far as it is known
    doc: Union[Doc, bytes, None] = None  # packed between processes, None if it was set aside
    cause: Optional[str] = None  # why it was set aside
    was_read: bool = True  # without an error
    anomalies: Optional[Anomalies] = None  # at the end of the file, what was odd in it


@dataclass
class _KnownIds:
    """The ids of a file, and how many documents it has before a byte where a section starts."""

    file: int = -1
    ids: Set[str] = field(default_factory=set)
    start: int = 0
    before: int = 0


@dataclass
class Portion:
    """Documents of a chunk that are predicted together: their places in it, arrays, and probabilities."""

    places: List[int]
    batch: Any
    scores: Any = None


@dataclass
class Chunk:
    """`batch_size` documents of a unit, prepared in portions. Between processes the documents are bytes."""

    entries: Any
    portions: List[Portion] = field(default_factory=list)
    n_read: int = field(init=False)

    def __post_init__(self) -> None:
        self.n_read = sum(entry.was_read and entry.anomalies is None for entry in self.entries)

    def pack(self) -> None:
        """Serialize the documents, to send the chunk to another process."""
        entries = [replace(entry, doc=None if entry.doc is None else entry.doc.to_bytes()) for entry in self.entries]
        self.entries = pickle.dumps(entries)

    def unpack(self, vocab: Vocab) -> None:
        """Deserialize the documents."""
        self.entries = pickle.loads(self.entries)
        for entry in self.entries:
            entry.doc = None if entry.doc is None else Doc(vocab).from_bytes(entry.doc)


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
        self.writer = create_writer(options.format, options.quote_formulas)
        self.state = RunState(options.location, options.run)
        self._failures = 0
        self._known = _KnownIds()

    @property
    def can_split(self) -> bool:
        """Whether no component before `embre_relation` has a model, which would need the GPU too."""
        return not any(getattr(self.nlp.get_pipe(name), "is_trainable", False) for name in self.before)

    def annotate_unit(self, unit: Unit, on_documents: Callable[[int], None] = lambda count: None) -> int:
        """Take a unit through all stages, finish it, and give the number of documents that were read."""
        total = 0

        def annotate_chunks() -> Iterator[bytes]:
            nonlocal total
            for chunk in self.iter_chunks(unit):
                self.prepare(chunk)
                self.predict(chunk)
                self.decide(chunk)
                yield self.write(chunk)
                total += chunk.n_read
                on_documents(chunk.n_read)

        finish_unit(unit, annotate_chunks(), self.writer, self.state)
        return total

    def iter_prepared(self, unit: Unit) -> Iterator[Chunk]:
        """Read and prepare a unit, and yield packed chunks."""
        for chunk in self.iter_chunks(unit):
            self.prepare(chunk)
            chunk.pack()
            yield chunk

    def save_chunks(self, unit: Unit, path: str) -> None:
        """Read and prepare a unit, and save packed chunks, one after the other."""
        with open(path, "wb") as file:
            for chunk in self.iter_prepared(unit):
                pickle.dump(chunk, file)

    def write_predicted(self, chunk: Chunk) -> bytes:
        """Decide and write a packed chunk."""
        with self.nlp.memory_zone():
            chunk.unpack(self.nlp.vocab)
            self.decide(chunk)
            lines = self.write(chunk)
            chunk.entries, chunk.portions = [], []
        return lines

    def iter_chunks(self, unit: Unit) -> Iterator[Chunk]:
        """Read a unit, `batch_size` documents at a time. The strings that they add to the vocabulary are freed when the
        next chunk is requested: do not use a chunk after that."""
        entries = self.read(unit)
        is_docbin = unit.pieces[0].file.format == "docbin"
        # All documents of a DocBin need the strings that come in with the first.
        with self.nlp.memory_zone() if is_docbin else nullcontext():
            while True:
                with nullcontext() if is_docbin else self.nlp.memory_zone():
                    chunk = Chunk(list(islice(entries, self.options.batch_size)))
                    if not chunk.entries:
                        return
                    yield chunk
                    # No document may be referenced after its memory zone ends.
                    chunk.entries, chunk.portions = [], []

    def read(self, unit: Unit) -> Iterator[Entry]:
        """Read the documents of a unit. Those without an id get one that no other document of their file has."""
        for file, section in unit.pieces:
            anomalies = Anomalies()
            number = 0
            docs = read_each(
                file.location,
                self.nlp.vocab,
                format=file.format,
                name=file.name,
                anomalies=anomalies,
                tokenizer=self.tokenizer,
                section=section,
            )
            for number, doc in enumerate(docs, 1):
                if isinstance(doc, Rejected):
                    yield Entry(file.index, number, doc.document, cause=doc.cause, was_read=False)
                else:
                    identifier = get_document_id(doc) or self._make_id(file, section, number)
                    yield Entry(file.index, number, identifier, doc)
            yield Entry(file.index, number, anomalies=anomalies)

    def _make_id(self, file: InputFile, section: Optional[FileSection], number: int) -> str:
        """An id for a document that has none: its number in the file, of which a section does not know the start."""
        start = section.start if section else 0
        if self._known.file != file.index or start < self._known.start:
            self._known = _KnownIds(file.index, set(read_ids(file.location, self.nlp.vocab, file.format)))
        known = self._known
        if known.start < start:
            passed = FileSection(known.start, start, 1)
            known.before += sum(1 for _ in read_ids(file.location, self.nlp.vocab, file.format, passed))
            known.start = start
        stem = f"{file.stem}-{known.before + number}"
        names = chain([stem], (f"{stem}.{suffix}" for suffix in count(2)))
        return next(name for name in names if name not in known.ids)

    def prepare(self, chunk: Chunk) -> None:
        """Run the components before `embre_relation`, and make arrays of the documents that are left."""
        self._run_components(chunk.entries, self.before)
        places = [place for place, entry in enumerate(chunk.entries) if entry.doc is not None]
        docs = [chunk.entries[place].doc for place in places]
        for start, end in split_by_tokens(docs, "cpu" if self.options.gpu_id < 0 else "gpu"):
            self._run_each(
                chunk.entries, places[start:end], lambda some: chunk.portions.append(self._prepare(chunk, some))
            )

    def _prepare(self, chunk: Chunk, places: List[int]) -> Portion:
        return Portion(places, self.component.prepare([chunk.entries[place].doc for place in places]))

    def predict(self, chunk: Chunk) -> None:
        """Give each portion its probabilities."""
        portions, chunk.portions = chunk.portions, []
        for portion in portions:
            try:
                portion.scores = self.component.classify(portion.batch)
                chunk.portions.append(portion)
            except Exception:
                self._predict_each(chunk, portion.places)

    def _predict_each(self, chunk: Chunk, places: List[int]) -> None:
        """Predict one by one the documents whose batch failed."""
        is_packed = isinstance(chunk.entries, bytes)
        if is_packed:
            chunk.unpack(self.nlp.vocab)

        def predict(place: List[int]) -> None:
            batch = self.component.prepare([chunk.entries[place[0]].doc])
            chunk.portions.append(Portion(place, batch, self.component.classify(batch)))

        for place in places:
            self._run_each(chunk.entries, [place], predict)
        if is_packed:
            chunk.pack()

    def decide(self, chunk: Chunk) -> None:
        """Set the relations of the documents, and run the components after `embre_relation`."""
        for portion in chunk.portions:
            decided = self.component.decide(portion.batch.candidates, portion.scores)
            for place, relations in zip(portion.places, decided):
                set_relations(chunk.entries[place].doc, relations)
        self._run_components(chunk.entries, self.after)

    def write(self, chunk: Chunk) -> bytes:
        """Serialize outcomes of documents, and reports of the anomalies of their files, as `state.load` reads them."""
        lines: List[bytes] = []
        for index, entries in groupby(chunk.entries, key=lambda entry: entry.file):
            anomalies = Anomalies()
            for entry in entries:
                if entry.anomalies is None:
                    lines.append(dump(self._encode(entry, anomalies)))
                else:
                    anomalies.update(entry.anomalies.counts)
            if anomalies:
                lines.append(dump(UnitReport(index, anomalies.counts)))
        return b"".join(lines)

    def _encode(self, entry: Entry, anomalies: Anomalies) -> Outcome:
        outcome = Outcome(entry.file, entry.number, entry.document, entry.cause, entry.was_read)
        if entry.doc is None:
            self._failures += entry.was_read
            if self._failures == _MAX_FAILURES:
                cause = f"{_MAX_FAILURES} documents in a row; the last error was {entry.cause}"
                raise EmbreError(f"the pipeline failed on {cause}")
            return outcome
        self._failures = 0
        if get_mentions(entry.doc) and not get_concepts(entry.doc):
            anomalies.add(NO_IDENTIFIERS, entry.document or "", "")
        try:
            data, envelope = self.writer.encode(entry.doc, entry.document or "", anomalies)
        except MemoryError:
            raise
        except Exception as error:
            return outcome._replace(cause=describe_error(error))
        return outcome._replace(relations=len(get_relations(entry.doc)), envelope=envelope, data=data)

    def _run_components(self, entries: List[Entry], names: Sequence[str]) -> None:
        """Run some components as `nlp.pipe` does."""
        disable = [name for name in self.nlp.pipe_names if name not in names]

        def run(places: List[int]) -> None:
            docs = [entries[place].doc for place in places]
            results = list(self.nlp.pipe(docs, batch_size=self.options.batch_size, disable=disable))
            if len(results) != len(docs):
                raise EmbreError("a component returned more or fewer documents than it was given")
            for place, doc in zip(places, results):
                entries[place].doc = doc

        if names:
            self._run_each(entries, [place for place, entry in enumerate(entries) if entry.doc is not None], run)

    def _run_each(self, entries: List[Entry], places: List[int], function: Callable[[List[int]], None]) -> None:
        """Run a function on documents at once. If it fails, run it on each alone, and set aside what it fails on,
        unless what is missing is memory."""
        try:
            function(places)
        except Exception as error:
            if len(places) > 1:
                for place in places:
                    self._run_each(entries, [place], function)
                return
            entry = entries[places[0]]
            if isinstance(error, MemoryError):
                raise EmbreError(f"document {entry.document}: there is not enough memory for it") from error
            entry.doc, entry.cause = None, describe_error(error)


def finish_unit(unit: Unit, chunks: Iterable[bytes], writer: OutputWriter, state: RunState) -> None:
    """Keep what `write` made of all chunks of a unit. With an output for each input, write those of the files that lie
    whole in this unit, and keep only their rejected documents."""
    targets = {file.index: file.target for file, section in unit.pieces if section is None and file.target}
    if not targets:
        state.write_unit(unit.index, chunks)
        return
    with tempfile.TemporaryFile(dir=None if is_uri(state.location) else state.location) as spool:
        spool.writelines(chunks)
        spool.seek(0)
        kept: List[bytes] = []
        for index, lines in groupby(load(spool), key=lambda line: line.file):
            kept += _write_file(index, lines, writer, targets[index])
    state.write_unit(unit.index, kept)


def _write_file(
    index: int, lines: Iterator[Union[Outcome, UnitReport]], writer: OutputWriter, target: str
) -> List[bytes]:
    """Write the output of a file, and return the lines to keep of it."""
    kept: List[bytes] = []
    documents = relations = 0

    def iter_documents() -> Iterator[Tuple[bytes, Optional[Envelope]]]:
        nonlocal documents, relations
        for line in lines:
            if isinstance(line, Outcome) and line.cause is None:
                documents, relations = documents + 1, relations + line.relations
                yield line.data, line.envelope
            else:
                kept.append(dump(line))

    writer.write(iter_documents(), target)
    return [*kept, dump(UnitReport(index, {}, documents, relations))]
