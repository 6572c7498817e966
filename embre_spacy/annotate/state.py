"""The state of a run: what it does and what is finished, so that the same run goes on after it was killed.

It is the folder `OUTPUT.parts`, next to the output. `settings.json` says which run it is; each finished unit is a
file; `complete.json` is there when all outputs are. All of them appear whole or not at all.
"""

import json
import re
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union
from uuid import uuid4

from ..files import add_file_to_errors, find_file, list_names, open_input, open_output, remove_file, remove_folder
from ..formats.record import Envelope
from ..util import diff_settings

SETTINGS, COMPLETE = "settings.json", "complete.json"
# The number of the unit and the name of the run: workers of a killed run may go on when the next one has begun.
_UNIT = re.compile(r"(\d{8})\.([0-9a-f]{8})")
_OWN = re.compile(rf"{re.escape(COMPLETE)}|{_UNIT.pattern}|\..+\.part", re.DOTALL)
# Where a cause counts the documents of the section that was read.
_NUMBER = re.compile(r"(?<=\bdocument )\d+(?= of the file\b)")


class Outcome(NamedTuple):
    """What came of one document."""

    file: int  # the index of its file
    number: int  # within the section of the file that the unit has, from 1
    document: Optional[str]  # its id, as far as it is known
    cause: Optional[str] = None  # why it was set aside
    was_read: bool = True  # without an error
    relations: int = 0  # how many it has
    envelope: Optional[Envelope] = None
    data: bytes = b""  # what the writer made of it

    def shift(self, number: int) -> "Outcome":
        """The same, where so many documents of the file come before the unit."""
        cause = self.cause and _NUMBER.sub(lambda match: str(int(match[0]) + number), self.cause)
        return self._replace(number=self.number + number, cause=cause)


class UnitReport(NamedTuple):
    """What a unit has to say of a file beside the outcomes: `Anomalies.counts`, and what is written already."""

    file: int
    anomalies: Dict[str, Tuple[int, str, str]]
    documents: int = 0
    relations: int = 0


def dump(line: Union[Outcome, UnitReport]) -> bytes:
    """An outcome or a report as a line of JSON, and the data after it."""
    data = line.data if isinstance(line, Outcome) else b""
    fields = [*line[:-1], len(data)] if isinstance(line, Outcome) else line._asdict()
    return json.dumps(fields).encode("utf-8") + b"\n" + data


def load(file: BinaryIO) -> Iterator[Union[Outcome, UnitReport]]:
    """The outcomes and reports that `dump` wrote."""
    while line := file.readline():
        fields = json.loads(line)
        if isinstance(fields, dict):
            yield UnitReport(**fields)
        else:
            *fields, envelope, size = fields
            yield Outcome(*fields, envelope and Envelope(*envelope), file.read(size))


class RunState:
    """The state of a run in a folder, with the name of the run if it is known."""

    def __init__(self, location: str, run: str = "") -> None:
        self.location = location
        self.run = run

    def resume(self, settings: Dict[str, Any]) -> Optional[List[str]]:
        """Take up the run of the folder, and say how its settings differ from these; None if no run was begun."""
        if find_file(f"{self.location}/{SETTINGS}") is None:
            return None
        before, after = self._load(SETTINGS), dict(settings)
        self.run = before.pop("run")
        return [*_diff_inputs(before.pop("inputs"), after.pop("inputs")), *diff_settings(before, after)]

    def begin(self, settings: Dict[str, Any]) -> None:
        """Begin a run. What the folder had goes."""
        self.remove()
        self.run = uuid4().hex[:8]
        self._write(SETTINGS, {**settings, "run": self.run})

    def finished(self) -> Set[int]:
        """The indices of the finished units."""
        matches = map(_UNIT.fullmatch, list_names(self.location))
        return {int(match[1]) for match in matches if match and match[2] == self.run}

    def create_unit(self, index: int) -> AbstractContextManager[BinaryIO]:
        """Open the file of a unit for writing. The unit is finished when it is closed."""
        return open_output(self._unit(index))

    def read_unit(self, index: int) -> Iterator[Union[Outcome, UnitReport]]:
        """The outcomes and reports of a finished unit."""
        with add_file_to_errors(self._unit(index)), open_input(self._unit(index)) as file:
            yield from load(file)

    def mark_complete(self, summary: Dict[str, Any]) -> None:
        """Say that all outputs are written, and what came of the run."""
        self._write(COMPLETE, summary)

    def summary(self) -> Optional[Dict[str, Any]]:
        """What came of the run, if all outputs are written."""
        return self._load(COMPLETE) if find_file(f"{self.location}/{COMPLETE}") else None

    def is_foreign(self) -> bool:
        """Whether a folder without settings has files that no run writes."""
        return any(not _OWN.fullmatch(name) for name in list_names(self.location))

    def remove(self) -> None:
        """Remove the folder, the settings last: as long as they are there, it says how far the run is."""
        for name in list_names(self.location):
            if name not in (SETTINGS, COMPLETE):
                remove_file(f"{self.location}/{name}")
        remove_file(f"{self.location}/{SETTINGS}")
        remove_folder(self.location)

    def _unit(self, index: int) -> str:
        return f"{self.location}/{index:08d}.{self.run}"

    def _load(self, name: str) -> Any:
        with add_file_to_errors(f"{self.location}/{name}"), open_input(f"{self.location}/{name}") as file:
            return json.loads(file.read())

    def _write(self, name: str, value: Any) -> None:
        with open_output(f"{self.location}/{name}", make_folder=True) as file:
            file.write((json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8"))


def _diff_inputs(before: List[List[Any]], after: List[List[Any]]) -> List[str]:
    for old, new in zip(before, after):
        if old[0] != new[0]:
            return [f"the input {new[0]} stands where {old[0]} was"]
        if old != new:
            return [f"the input {new[0]} has changed"]
    return [] if len(before) == len(after) else [f"the inputs were {len(before)} files and are {len(after)}"]
