"""Finished shards to outputs."""

import json
from typing import Any, Dict, Iterator, List

from ..formats import Rejected
from .outputs import Output
from .sources import Source
from .storage import storage_of
from .work import Document, Report, WorkFolder


def write_file(work: WorkFolder, source: Source, report: Report, output: Output, target: str) -> None:
    """Write the output of one file, if any of its documents came out; one of an earlier run goes in any case.

    work (WorkFolder): The work folder.
    source (Source): The file.
    report (Report): What came of its documents.
    output (Output): The kind of output.
    target (str): Where it is to lie.
    """
    documents = _documents(work, source, report)
    _write(output, report, (document.piece for document in documents), target)


def write_all(work: WorkFolder, sources: List[Source], output: Output, target: str) -> Report:
    """Write the one output of all files, in their order. Of documents with one id only the first is in it.

    work (WorkFolder): The work folder, in which all files are finished.
    sources (List[Source]): The files.
    output (Output): The kind of output.
    target (str): Where it is to lie.
    RETURNS (Report): What came of the documents.
    """
    total = sum_reports(work, sources)
    seen: Dict[str, int] = {}
    repeated: List[Rejected] = []

    def pieces() -> Iterator[Any]:
        for source in sources:
            for document in _documents(work, source, work.report(source.index)):
                first = seen.setdefault(document.identifier, source.index)
                if first == source.index:
                    yield document.piece
                else:
                    cause = f"{sources[first].name} has this document too"
                    repeated.append(Rejected(source.name, document.identifier, document.number, cause))
                    total.documents -= 1
                    total.relations -= document.relations

    _write(output, total, pieces(), target)
    place = {source.name: source.index for source in sources}
    total.rejected += map(list, repeated)
    total.rejected.sort(key=lambda fields: (place[fields[0]], fields[2]))
    return total


def sum_reports(work: WorkFolder, sources: List[Source]) -> Report:
    """What came of the documents of all files.

    work (WorkFolder): The work folder, in which all files are finished.
    sources (List[Source]): The files.
    RETURNS (Report): The report.
    """
    total = Report()
    for source in sources:
        total.add(work.report(source.index))
    return total


def write_rejects(rejects: List[Rejected], target: str) -> None:
    """Write which documents were set aside and why, an object on every line; if none were, there is no such file.

    rejects (List[Rejected]): The documents.
    target (str): The file.
    """
    storage = storage_of(target)
    if rejects:
        lines = [json.dumps(rejected._asdict(), ensure_ascii=False) + "\n" for rejected in rejects]
        storage.write(target, "".join(lines).encode("utf-8"))
    else:
        storage.remove(target)


def _documents(work: WorkFolder, source: Source, report: Report) -> Iterator[Document]:
    for number in range(report.shards):
        yield from work.read_documents(source.index, number)


def _write(output: Output, report: Report, pieces: Iterator[Any], target: str) -> None:
    if report.documents or output.may_be_empty:
        with storage_of(target).create(target) as file:
            output.join(report.frame, pieces, file)
    else:
        storage_of(target).remove(target)
