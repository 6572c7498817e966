"""What every kind of storage can do."""

from pathlib import Path
from typing import BinaryIO, Callable, ContextManager, List, NamedTuple, Optional, Protocol


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
