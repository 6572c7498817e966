"""Where files lie: a path, or a URI that pyarrow's file systems reach. Locations are strings."""

import os
import shutil
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, ContextManager, Iterator, List, NamedTuple, Optional, Protocol
from uuid import uuid4

from ..formats.files import open_output


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
        for above, folders, names in os.walk(folder):
            found += [self.find(os.path.join(above, name)) for name in names]
            if not deep:
                folders.clear()
        return sorted(entry for entry in found if entry is not None)

    def open(self, location: str) -> BinaryIO:
        return open(location, "rb")

    def write(self, location: str, data: bytes) -> None:
        path = Path(location)
        path.parent.mkdir(parents=True, exist_ok=True)
        # On a shared file system another machine may be at the same file.
        part = path.with_name(f".{path.name}.{uuid4().hex}.part")
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


@cache
def _remote_storage(root: str) -> Storage:
    from .remote import RemoteStorage

    return RemoteStorage(root)
