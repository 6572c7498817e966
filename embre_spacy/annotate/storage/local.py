"""The file system of this machine."""

import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, List, Optional, Tuple

from ...errors import InputError
from ...files import add_file_to_errors, open_output, part_name
from .protocol import Entry


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


def _refuse(error: OSError) -> None:
    """What cannot be looked into is no empty folder."""
    if not isinstance(error, FileNotFoundError):
        with add_file_to_errors(str(error.filename)):
            raise error


def _walk(
    folder: str, below: str, leave_out: Callable[[str], bool], above: Tuple[Tuple[int, int], ...]
) -> Iterator[Entry]:
    with add_file_to_errors(folder):
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
    with add_file_to_errors(path):
        try:
            return os.stat(path)
        except FileNotFoundError as error:
            if not os.path.islink(path) or os.path.basename(path).startswith("."):
                return None
            raise InputError(f"a link to {os.readlink(path)}, which is not there") from error
