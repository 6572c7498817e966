"""Where files lie: a path, or a URI that pyarrow's file systems reach. Locations are strings."""

import os
import shutil
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, Iterator, List, NamedTuple, Optional, Protocol

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

    def put(self, path: Path, location: str) -> None:
        """Copy a local file, whole or not at all, and make the folders above it."""
        ...

    def remove(self, location: str) -> None:
        """Remove a file, if it is there."""
        ...

    def remove_folder(self, location: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        ...

    def local(self, location: str) -> "_LocalFile":
        """A context that gives the file as a local path, a copy if it lies elsewhere."""
        ...


class _LocalFile(Protocol):
    def __enter__(self) -> Path: ...

    def __exit__(self, *error: object) -> Optional[bool]: ...


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
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def put(self, path: Path, location: str) -> None:
        Path(location).parent.mkdir(parents=True, exist_ok=True)
        # A copy, not a move: the two need not lie on one disk.
        part = Path(f"{location}.{os.getpid()}.part")
        try:
            shutil.copyfile(path, part)
            os.replace(part, location)
        finally:
            part.unlink(missing_ok=True)

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


@contextmanager
def open_target(location: str, scratch: Path) -> Iterator[BinaryIO]:
    """Open an output for writing. It appears under its name when it is complete.

    location (str): Where it is to lie; packed if its name ends in ".gz".
    scratch (Path): A local folder for what is written on its way elsewhere.
    YIELDS (BinaryIO): The open file.
    RAISES (InputError): If it cannot be written.
    """
    if not is_uri(location):
        Path(location).parent.mkdir(parents=True, exist_ok=True)
        with open_output(Path(location)) as file:
            yield file
        return
    path = scratch / Path(location).name
    with open_output(path) as file:
        yield file
    storage_of(location).put(path, location)
    path.unlink()
