"""Files to finished files: what every engine runs, here or on another machine."""

from contextlib import closing
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

from spacy.language import Language
from spacy.tokens import Doc

from ..formats import Rejected, read_each
from ..formats.reading import describe_error
from ..formats.record import Anomalies
from .joining import write_file
from .outputs import make_output
from .predict import Item, predict_each
from .sources import Source
from .storage import storage_of
from .work import Document, Report, WorkFolder

# What so many documents leave in the vocabulary is little, and to start worker processes after them costs little.
_REMEMBERED = 2000


class Settings(NamedTuple):
    """How files are annotated.

    kind (str): The kind of output.
    work (str): The work folder.
    targets (Optional[Dict[int, str]]): Where the output of each file goes; None if all files have one output.
    shard_size (int): How many documents are written at once.
    batch_size (int): How many documents the pipeline gets at once.
    n_process (int): How many processes predict.
    gpu (bool): Whether a GPU predicts.
    """

    kind: str
    work: str
    targets: Optional[Dict[int, str]]
    shard_size: int
    batch_size: int
    n_process: int
    gpu: bool


class Progress(NamedTuple):
    """How far the work is.

    documents (int): How many documents were predicted.
    size (int): How many bytes of the inputs were read.
    """

    documents: int
    size: int


@dataclass
class _Entry(Item):
    """A document of a file on its way, or what stands in its place, or the end of the file.

    source (Source): The file.
    number (int): Which document it is, from 1; at the end, how many there were.
    doc (Optional[Doc]): The document; None where there is none, or it is in a finished shard.
    error (Optional[Exception]): What the pipeline failed with.
    rejected (Optional[Rejected]): Why there is no document.
    end (Optional[Anomalies]): At the end of the file, what was odd in it.
    """

    source: Source
    number: int
    doc: Optional[Doc] = None
    error: Optional[Exception] = None
    rejected: Optional[Rejected] = None
    end: Optional[Anomalies] = None


def annotate_files(
    nlp: Language,
    sources: List[Source],
    settings: Settings,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Annotate files, and leave what came of them in the work folder. Shards that are there are not made again.

    nlp (Language): The pipeline.
    sources (List[Source]): The files. Those that are finished are not read.
    settings (Settings): How.
    on_progress (Callable[[Progress], None]): Takes how far the work is, from time to time.
    RETURNS (Progress): What was done.
    """
    run = _Run(nlp, settings, on_progress)
    entries = predict_each(
        nlp,
        run.read(sources),
        batch_size=settings.batch_size,
        n_process=settings.n_process,
        may_forget=run.may_forget,
        ends_batch=run.ends_batch,
    )
    with closing(entries):
        for entry in entries:
            run.take(entry)
    return run.progress


class _Run:
    def __init__(self, nlp: Language, settings: Settings, on_progress: Callable[[Progress], None]) -> None:
        self.nlp = nlp
        self.settings = settings
        self.work = WorkFolder(settings.work)
        self.output = make_output(settings.kind)
        self.on_progress = on_progress
        self.progress = Progress(0, 0)
        self._start_shard()

    def read(self, sources: List[Source]) -> Iterator[_Entry]:
        """An entry for each document, good or not, finished or not, and one for the end of each file."""
        before = 0
        for source in sources:
            if self.work.is_finished(source.index):
                continue
            finished = self.work.shards(source.index)
            notes = Anomalies()
            number = 0
            with storage_of(source.location).local(source.location) as path:
                found = read_each(
                    path,
                    self.nlp.vocab,
                    format=source.format,
                    name=source.name,
                    anomalies=notes,
                    on_position=lambda size, before=before: self._move_to(before + size),
                )
                for number, one in enumerate(found, 1):
                    if self._shard_of(number) in finished:
                        yield _Entry(source, number)
                    elif isinstance(one, Rejected):
                        yield _Entry(source, number, rejected=one)
                    else:
                        yield _Entry(source, number, one)
            before += source.size
            self._move_to(before)
            yield _Entry(source, number, end=notes)

    def may_forget(self, entry: _Entry, count: int) -> bool:
        """Whether the vocabulary may forget here what has come in since it did last."""
        # Where it forgets a batch ends, and what is counted begins with the run.
        if count < _REMEMBERED or (self.settings.gpu and not self.ends_batch(entry)):
            return False
        # The strings of a DocBin come in with its first document, and all others need them.
        return entry.end is not None or entry.source.format != "docbin"

    def ends_batch(self, entry: _Entry) -> bool:
        """Whether a batch must not go on here."""
        # On a GPU the last digits depend on what is in a batch, and that must not depend on where the run began.
        return self.settings.gpu and (entry.end is not None or entry.number % self.settings.shard_size == 0)

    def take(self, entry: _Entry) -> None:
        """Take what came out of the pipeline."""
        if entry.end is not None:
            if self.documents or self.report.rejected:
                self._finish_shard(entry)
            self._finish_file(entry)
        elif entry.doc is not None or entry.rejected is not None:
            self._add(entry)
            if entry.number % self.settings.shard_size == 0:
                self._finish_shard(entry)
        self.on_progress(self.progress)

    def _add(self, entry: _Entry) -> None:
        source, number, doc, rejected = entry.source, entry.number, entry.doc, entry.rejected
        if doc is not None:
            identifier = doc._.document_id or f"{source.stem}-{number}"
            try:
                if entry.error is not None:
                    raise entry.error
                piece, frame = self.output.encode(doc, identifier, self.anomalies)
            except Exception as error:
                rejected = Rejected(source.name, identifier, number, describe_error(error))
            else:
                relations = len(doc._.relations)
                self.documents.append(Document(number, identifier, relations, piece))
                self.report.add(Report(frame=frame, documents=1, relations=relations))
            self.progress = self.progress._replace(documents=self.progress.documents + 1)
        if rejected is not None:
            self.report.rejected.append(list(rejected))

    def _move_to(self, size: int) -> None:
        self.progress = self.progress._replace(size=size)

    def _shard_of(self, number: int) -> int:
        return (number - 1) // self.settings.shard_size

    def _start_shard(self) -> None:
        self.report = Report(shards=1)
        self.documents: List[Document] = []
        self.anomalies = Anomalies()

    def _finish_shard(self, entry: _Entry) -> None:
        if self.anomalies:
            self.report.notes.append(f"{entry.source.name}: {self.anomalies}")
        self.work.write_shard(entry.source.index, self._shard_of(entry.number), self.report, self.documents)
        self._start_shard()

    def _finish_file(self, entry: _Entry) -> None:
        source = entry.source
        report = Report(notes=[f"{source.name}: {entry.end}"] if entry.end else [])
        for number in range(self._shard_of(entry.number) + 1):
            report.add(self.work.read_report(source.index, number))
        if self.settings.targets is not None:
            write_file(self.work, source, report, self.output, self.settings.targets[source.index])
            report.shards = 0
        self.work.finish(source.index, report)
