"""The state of a run: what it does and what is finished, so that the same run goes on after it was killed.

It is the folder `OUTPUT.parts`. `settings.json` says which run it is, and is there until all outputs are; each finished
unit is a file. They appear whole or not at all, and end with a digest, so that damage is noticed. The process that
leads has locked `lock`, its workers `workers`. `stdin` is a copy of standard input.
"""

import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from itertools import chain
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Optional, Set, Tuple, Union
from uuid import uuid4

from fsspec.implementations.local import LocalFileSystem
from spacy.tokens import Doc

from ..errors import EmbreError, add_file_to_errors
from ..files import find_file, find_storage, list_names, lock_file, open_input, open_output, remove_file, remove_folder
from ..util import diff_settings

SETTINGS, LOCK, WORKERS, STDIN = "settings.json", "lock", "workers", "stdin"
# A kind of anomaly that is noted once for all files.
NO_IDENTIFIERS = "documents with mentions of which none has an identifier"
# The number of the unit and the name of the run: workers of a killed run may go on when the next one has begun.
_UNIT = re.compile(r"(\d{8})\.([0-9a-f]{8})")
_OWN = re.compile(rf"{_UNIT.pattern}|\..+\.part|{LOCK}|{WORKERS}|{STDIN}", re.DOTALL)
# Where a cause counts the documents of the section that was read.
_NUMBER = re.compile(r"(?<=\bdocument )\d+(?= of the file\b)")


@dataclass
class Outcome:
    """What came of one document; or, with no id and no cause, what is to be said of a file beside its documents."""

    file: int  # the index of its file
    number: int  # within the section of the file that the unit has, from 1
    document: Optional[str] = None  # its id, as far as it is known
    cause: Optional[str] = None  # why it was set aside
    was_read: bool = False  # as a document without an error
    documents: int = 0  # how many came out: one, or those of a file that is written already
    relations: int = 0  # how many these have
    anomalies: Dict[str, Tuple[int, str, str]] = field(default_factory=dict)  # `Anomalies.counts`
    data: bytes = b""  # what the writer made of it
    doc: Union[Doc, bytes, None] = None  # in the stages; packed between processes

    def shift(self, number: int) -> None:
        """Count the documents of the file that come before the unit, too."""
        self.number += number
        self.cause = self.cause and _NUMBER.sub(lambda match: str(int(match[0]) + number), self.cause)


def dump(outcome: Outcome) -> bytes:
    """An outcome as a line of JSON, and the data after it."""
    *fields, data, _ = vars(outcome).values()
    return json.dumps([*fields, len(data)]).encode("utf-8") + b"\n" + data


def load(file: BinaryIO) -> Iterator[Outcome]:
    """The outcomes that `dump` wrote, as far as an empty line or the end of the file."""
    while (line := file.readline()) not in (b"\n", b""):
        *fields, size = json.loads(line)
        yield Outcome(*fields, file.read(size))


class RunState:
    """The state of a run in a folder, with the name of the run if it is known."""

    def __init__(self, location: str, run: str = "") -> None:
        self.location = location
        self.run = run

    @contextmanager
    def lead(self) -> Iterator[None]:
        """Have the folder for one run, and wait until the workers of one that was killed have ended."""
        if (lock := _open_lock(f"{self.location}/{LOCK}")) is None:
            raise EmbreError(f"{self.location}: another run is at work there")
        with lock:
            try:
                if workers := _open_lock(f"{self.location}/{WORKERS}", waits=True):
                    workers.close()
                yield
            finally:
                if workers := _open_lock(f"{self.location}/{WORKERS}"):
                    workers.close()
                    remove_file(f"{self.location}/{WORKERS}")
                for name in (STDIN, LOCK):
                    remove_file(f"{self.location}/{name}")
                remove_folder(self.location)

    def join(self) -> Any:
        """Say that this process works on the run, for as long as what is returned is kept. RAISES (InputError): If the
        run has ended: Ray starts workers anew that were killed, and may be late."""
        return _open_lock(f"{self.location}/{WORKERS}", joins=True, waits=True)

    def resume(self, settings: Dict[str, Any]) -> Optional[List[str]]:
        """Take up the run of the folder, and say how its settings differ from these; None if no run was begun."""
        if find_file(f"{self.location}/{SETTINGS}") is None:
            if not all(map(_OWN.fullmatch, list_names(self.location))):
                cause = "a folder of this name exists already, and it is not the state of a run"
                raise EmbreError(f"{self.location}: {cause}")
            return None
        if not self._is_whole(SETTINGS):
            return [f"{SETTINGS} is damaged"]
        with open_input(f"{self.location}/{SETTINGS}") as file:
            before, after = json.loads(file.readline()), dict(settings)
        self.run = before.pop("run")
        return [*_diff_inputs(before.pop("inputs"), after.pop("inputs")), *diff_settings(before, after)]

    def begin(self, settings: Dict[str, Any]) -> None:
        """Begin a run. What the folder has of another goes."""
        self.remove()
        self.run = uuid4().hex[:8]
        self._write(SETTINGS, [json.dumps({**settings, "run": self.run}).encode()])

    def finished(self) -> Set[int]:
        """The indices of the finished units. One that is damaged is not finished."""
        matches = map(_UNIT.fullmatch, list_names(self.location))
        return {int(match[1]) for match in matches if match and match[2] == self.run and self._is_whole(match[0])}

    def write_unit(self, index: int, lines: Iterable[bytes]) -> None:
        """Keep the lines of a unit that is finished."""
        self._write(f"{index:08d}.{self.run}", lines)

    def read_unit(self, index: int) -> Iterator[Outcome]:
        """The outcomes of a finished unit."""
        location = f"{self.location}/{index:08d}.{self.run}"
        with add_file_to_errors(location), open_input(location) as file:
            yield from load(file)

    def remove(self) -> None:
        """Remove what belongs to the run, the settings first: without them nothing goes on."""
        remove_file(f"{self.location}/{SETTINGS}")
        for name in list_names(self.location):
            if _OWN.fullmatch(name) and name not in (LOCK, WORKERS, STDIN):
                remove_file(f"{self.location}/{name}")

    def _write(self, name: str, parts: Iterable[bytes]) -> None:
        digest = sha256()
        with open_output(f"{self.location}/{name}", make_folder=True) as file:
            for part in chain(parts, [b"\n"]):
                digest.update(part)
                file.write(part)
            file.write(digest.hexdigest().encode())

    def _is_whole(self, name: str) -> bool:
        digest, last = sha256(), b""
        with add_file_to_errors(f"{self.location}/{name}"), open_input(f"{self.location}/{name}") as file:
            for line in file:
                digest.update(last)
                last = line
        return last == digest.hexdigest().encode()


def _diff_inputs(before: List[List[Any]], after: List[List[Any]]) -> List[str]:
    for old, new in zip(before, after):
        if old[0] != new[0]:
            return [f"the input {new[0]} stands where {old[0]} was"]
        if old != new:
            return [f"the input {new[0]} has changed"]
    return [] if len(before) == len(after) else [f"the inputs were {len(before)} files and are {len(after)}"]


def _open_lock(location: str, *, joins: bool = False, waits: bool = False) -> Optional[BinaryIO]:
    """Open a file, which may be new unless this process joins others, and lock it while it is open; None if another
    process has it. See `lock_file`."""
    files, path = find_storage(location)
    # Storage that has no locks gives them to everybody.
    if not isinstance(files, LocalFileSystem):
        return BytesIO()
    with add_file_to_errors(location):
        if not joins:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        file = open(path, "rb" if joins else "ab")  # noqa: SIM115
    if lock_file(file, joins, waits) is False:
        file.close()
        return None
    return file
