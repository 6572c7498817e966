"""The work folder: what is finished of a run, so that one that was killed goes on where it was.

`plan.json` says which run it is. For each input file there is a folder with the shards that are finished, and when the
file is, a report. All of them appear whole or not at all.
"""

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Set

from ..files import add_file_to_errors
from ..formats import Rejected
from .plan import Plan
from .storage import storage_of


class Document(NamedTuple):
    """A document that has been annotated.

    number (int): Which document of its file it is, from 1.
    identifier (str): Its id.
    relations (int): How many relations it has.
    piece (Any): What the kind of output made of it.
    """

    number: int
    identifier: str
    relations: int
    piece: Any


@dataclass
class Report:
    """What came of the documents of one file, or of one shard.

    frame (Optional[List[Any]]): The frame of the first document that came out.
    shards (int): How many shards there are; none when the output of the file is written.
    documents (int): How many documents came out.
    relations (int): How many relations they have.
    rejected (List[List[Any]]): The fields of `Rejected` of each document that was set aside.
    notes (List[str]): What is odd and was kept.
    """

    frame: Optional[List[Any]] = None
    shards: int = 0
    documents: int = 0
    relations: int = 0
    rejected: List[List[Any]] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)

    @property
    def rejects(self) -> List[Rejected]:
        """The documents that were set aside."""
        return [Rejected(*fields) for fields in self.rejected]

    def add(self, other: "Report") -> None:
        """Add what came of more documents.

        other (Report): The report on them.
        """
        self.frame = self.frame or other.frame
        self.shards += other.shards
        self.documents += other.documents
        self.relations += other.relations
        self.rejected += other.rejected
        self.notes += other.notes


class WorkFolder:
    """A work folder.

    location (str): Where it lies.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        self._storage = storage_of(location)

    def plan(self) -> Optional[Plan]:
        """The plan of the run that was begun; None if none was."""
        return self._load("plan.json") if self._storage.find(f"{self.location}/plan.json") else None

    def begin(self, plan: Plan) -> None:
        """Begin a run.

        plan (Dict[str, Any]): Its plan.
        """
        self._storage.write(f"{self.location}/plan.json", _dump(plan))

    def shards(self, index: int) -> Set[int]:
        """Which shards of a file are finished.

        index (int): The number of the file.
        RETURNS (Set[int]): Their numbers.
        """
        names = [entry.location.rsplit("/", 1)[1] for entry in self._storage.files(self._folder(index))]
        return {int(name.split(".")[0]) for name in names if not name.startswith(".")}

    def write_shard(self, index: int, number: int, report: Report, documents: List[Document]) -> None:
        """Finish a shard.

        index (int): The number of the file.
        number (int): The number of the shard, from 0.
        report (Report): What came of its documents.
        documents (List[Document]): Those that came out.
        """
        lines = [_dump(asdict(report)), *map(_dump, documents)]
        self._storage.write(self._shard(index, number), b"".join(lines))

    def read_report(self, index: int, number: int) -> Report:
        """The report on a shard.

        index (int), number (int): The numbers of the file and of the shard.
        RETURNS (Report): The report.
        """
        with self._open(self._shard(index, number)) as file:
            return Report(**json.loads(file.readline()))

    def read_documents(self, index: int, number: int) -> Iterator[Document]:
        """The documents of a shard.

        index (int), number (int): The numbers of the file and of the shard.
        YIELDS (Document): The documents.
        """
        with self._open(self._shard(index, number)) as file:
            file.readline()
            while line := file.readline():
                yield Document(*json.loads(line))

    def finished(self) -> Set[int]:
        """Which files are finished.

        RETURNS (Set[int]): Their numbers.
        """
        names = [entry.location.rsplit("/", 1)[1] for entry in self._storage.files(self.location)]
        return {int(name.split(".")[0]) for name in names if name.endswith(".json") and name[0].isdigit()}

    def is_finished(self, index: int) -> bool:
        """Whether a file is finished.

        index (int): Its number.
        RETURNS (bool): Whether it is.
        """
        return self._storage.find(f"{self.location}/{index:08d}.json") is not None

    def finish(self, index: int, report: Report) -> None:
        """Finish a file.

        index (int): Its number.
        report (Report): What came of its documents. If its output is written, its shards are not needed any more.
        """
        self._storage.write(f"{self.location}/{index:08d}.json", _dump(asdict(report)))
        if not report.shards:
            self._storage.remove_folder(self._folder(index))

    def report(self, index: int) -> Report:
        """What came of a file that is finished.

        index (int): Its number.
        RETURNS (Report): The report.
        """
        return Report(**self._load(f"{index:08d}.json"))

    def mark_complete(self, summary: Dict[str, Any]) -> None:
        """Say that all outputs are written.

        summary (Dict[str, Any]): What came of the run.
        """
        self._storage.write(f"{self.location}/complete.json", _dump(summary))

    def summary(self) -> Optional[Dict[str, Any]]:
        """What came of the run, if all outputs are written."""
        return self._load("complete.json") if self._storage.find(f"{self.location}/complete.json") else None

    def is_foreign(self) -> bool:
        """Whether a folder of this name, in which no run was begun, has files that are not of a run."""
        names = {entry.location.rsplit("/", 1)[1] for entry in self._storage.files(self.location, deep=True)}
        return any(name != "complete.json" and not name.endswith(".part") for name in names)

    def remove(self) -> None:
        """Remove the folder, the marks last: as long as it is a work folder, it says how far the run is."""
        for entry in self._storage.files(self.location, deep=True):
            if not entry.location.endswith(("/plan.json", "/complete.json")):
                self._storage.remove(entry.location)
        self._storage.remove(f"{self.location}/plan.json")
        self._storage.remove_folder(self.location)

    def _load(self, name: str) -> Any:
        with self._open(f"{self.location}/{name}") as file:
            return json.loads(file.read())

    @contextmanager
    def _open(self, location: str) -> Iterator[BinaryIO]:
        with add_file_to_errors(location), self._storage.open(location) as file:
            yield file

    def _folder(self, index: int) -> str:
        return f"{self.location}/{index:08d}"

    def _shard(self, index: int, number: int) -> str:
        return f"{self._folder(index)}/{number:06d}.jsonl"


def _dump(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8")
