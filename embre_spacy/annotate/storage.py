"""Where files lie: a path, or a URI that pyarrow's file systems reach. Locations are strings."""

import os
import shutil
import stat
from collections import defaultdict
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import (
    BinaryIO,
    Callable,
    ContextManager,
    DefaultDict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Protocol,
    Set,
    Tuple,
)

from ..errors import InputError
from ..formats.files import name_of_part, naming_file, open_output, part_name


class Entry(NamedTuple):
    """A file.

    location (str): Where it lies.
    size (int): Its size in bytes.
    stamp (int): When it was changed, in nanoseconds.
    """

    location: str
    size: int
    stamp: int


class Storage(Protocol):
    """What the engines need of a file system."""

    def find(self, location: str) -> Optional[Entry]:
        """A file; None if there is none of this name."""
        ...

    def is_folder(self, location: str) -> bool:
        """Whether there is a folder of this name."""
        ...

    def files(self, folder: str, *, deep: bool = False) -> List[Entry]:
        """The files of a folder and, if asked for, of those in it, by name; none if there is no such folder."""
        ...

    def walk(self, folder: str, leave_out: Callable[[str], bool]) -> List[Entry]:
        """The files below a folder, by name, those that links lead to too. Of a name below the folder, `leave_out` says
        whether neither it nor what is in it is wanted. Raises an InputError for what cannot be looked into."""
        ...

    def open(self, location: str) -> BinaryIO:
        """Open a file for reading."""
        ...

    def write(self, location: str, data: bytes) -> None:
        """Write a file, whole or not at all, and the folders above it."""
        ...

    def create(self, location: str) -> ContextManager[BinaryIO]:
        """A context that gives an open file, packed if its name ends in ".gz". It appears when it is complete."""
        ...

    def remove(self, location: str) -> None:
        """Remove a file, if it is there."""
        ...

    def remove_folder(self, location: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        ...

    def local(self, location: str) -> ContextManager[Path]:
        """A context that gives the file as a local path, a copy if it lies elsewhere."""
        ...


class LocalStorage:
    """The file system of this machine."""

    def find(self, location: str) -> Optional[Entry]:
        path = Path(location)
        if not path.is_file():
            return None
        found = path.stat()
        return Entry(location, found.st_size, found.st_mtime_ns)

    def is_folder(self, location: str) -> bool:
        return Path(location).is_dir()

    def files(self, folder: str, *, deep: bool = False) -> List[Entry]:
        found = []
        for above, folders, names in os.walk(folder, onerror=_refuse):
            found += [self.find(os.path.join(above, name)) for name in names]
            if not deep:
                folders.clear()
        return sorted(entry for entry in found if entry is not None)

    def walk(self, folder: str, leave_out: Callable[[str], bool]) -> List[Entry]:
        return sorted(_walk(folder, "", leave_out, ()))

    def open(self, location: str) -> BinaryIO:
        return open(location, "rb")

    def write(self, location: str, data: bytes) -> None:
        path = Path(location)
        path.parent.mkdir(parents=True, exist_ok=True)
        # On a shared file system another machine may be at the same file.
        part = path.with_name(part_name(path.name))
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def create(self, location: str) -> Iterator[BinaryIO]:
        Path(location).parent.mkdir(parents=True, exist_ok=True)
        with open_output(Path(location)) as file:
            yield file

    def remove(self, location: str) -> None:
        Path(location).unlink(missing_ok=True)

    def remove_folder(self, location: str) -> None:
        if Path(location).is_dir():
            shutil.rmtree(location)

    @contextmanager
    def local(self, location: str) -> Iterator[Path]:
        yield Path(location)


def is_uri(location: str) -> bool:
    """Whether a location is a URI, such as s3://bucket/name.

    location (str): The location.
    RETURNS (bool): Whether it is.
    """
    return "://" in location


def storage_of(location: str) -> Storage:
    """The storage in which a location lies.

    location (str): The location.
    RETURNS (Storage): The storage.
    RAISES (EmbreError): If it is a URI, and pyarrow is missing or does not know its kind.
    """
    if not is_uri(location):
        return LocalStorage()
    scheme, rest = location.split("://", 1)
    return _remote_storage(f"{scheme}://{rest.split('/', 1)[0]}")


def remove_parts(locations: Iterable[str]) -> None:
    """Remove what processes that were killed left of files that they were writing.

    locations (Iterable[str]): The files.
    """
    names: DefaultDict[str, Set[str]] = defaultdict(set)
    for location in locations:
        # What a link names is written beside that.
        for one in (location,) if is_uri(location) else (location, os.path.realpath(location)):
            folder, _, name = one.rpartition("/")
            names[folder or "/"].add(name)
    for folder in names:
        storage = storage_of(folder)
        for entry in storage.files(folder):
            if name_of_part(entry.location.rsplit("/", 1)[1]) in names[folder]:
                storage.remove(entry.location)


def _refuse(error: OSError) -> None:
    """What cannot be looked into is no empty folder."""
    if not isinstance(error, FileNotFoundError):
        with naming_file(str(error.filename)):
            raise error


def _walk(
    folder: str, below: str, leave_out: Callable[[str], bool], above: Tuple[Tuple[int, int], ...]
) -> Iterator[Entry]:
    with naming_file(folder):
        found = os.stat(folder)
        names = os.listdir(folder)
    mark = found.st_dev, found.st_ino
    # A link to a folder that it lies in leads to nothing new, for ever.
    if mark in above:
        return
    for name in names:
        path = os.path.join(folder, name)
        one = None if leave_out(f"{below}{name}") else _look_at(path)
        if one is not None and stat.S_ISDIR(one.st_mode):
            yield from _walk(path, f"{below}{name}/", leave_out, (*above, mark))
        elif one is not None and stat.S_ISREG(one.st_mode):
            yield Entry(path, one.st_size, one.st_mtime_ns)


def _look_at(path: str) -> Optional[os.stat_result]:
    """What is behind a name; None if it has gone, or is a mark that an editor made of a link to nothing."""
    with naming_file(path):
        try:
            return os.stat(path)
        except FileNotFoundError as error:
            if not os.path.islink(path) or os.path.basename(path).startswith("."):
                return None
            raise InputError(f"a link to {os.readlink(path)}, which is not there") from error


@cache
def _remote_storage(root: str) -> Storage:
    from .remote import RemoteStorage

    return RemoteStorage(root)
