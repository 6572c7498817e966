"""Storage that pyarrow's file systems reach: s3://, gs://, hdfs://, file:// and others."""

import shutil
import tempfile
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, List, Optional

from ...errors import EmbreError
from ...files import open_output, part_name
from .protocol import Entry

# In these an object is there when it is complete, and a rename is a copy.
_OBJECT_STORES = ("s3", "gcs", "abfs")


class RemoteStorage:
    """A file system of pyarrow.

    root (str): The URI up to the first name, such as s3://bucket.
    RAISES (EmbreError): If pyarrow is missing, or does not know this kind of URI.
    """

    def __init__(self, root: str) -> None:
        try:
            from pyarrow import fs
        except ImportError as error:
            raise EmbreError(f"{root} needs pyarrow: pip install 'embre_spacy[ray]'") from error
        self._root = root
        try:
            self._files, base = fs.FileSystem.from_uri(f"{root}/")
        except (OSError, ValueError) as error:
            raise EmbreError(f"{root}: {error}") from error
        self._base = base.rstrip("/")
        self._Selector, self._Type = fs.FileSelector, fs.FileType

    def _path(self, location: str) -> str:
        return self._base + location[len(self._root) :].rstrip("/")

    def _entry(self, info) -> Entry:
        return Entry(self._root + info.path[len(self._base) :], info.size, info.mtime_ns or 0)

    def find(self, location: str) -> Optional[Entry]:
        info = self._files.get_file_info(self._path(location))
        return self._entry(info) if info.type == self._Type.File else None

    def is_folder(self, location: str) -> bool:
        return self._files.get_file_info(self._path(location)).type == self._Type.Directory

    def files(self, folder: str, *, deep: bool = False) -> List[Entry]:
        selector = self._Selector(self._path(folder), recursive=deep, allow_not_found=True)
        found = self._files.get_file_info(selector)
        return sorted(self._entry(info) for info in found if info.type == self._Type.File)

    def walk(self, folder: str, leave_out: Callable[[str], bool]) -> List[Entry]:
        start = len(folder.rstrip("/")) + 1
        return [entry for entry in self.files(folder, deep=True) if not leave_out(entry.location[start:])]

    def open(self, location: str) -> BinaryIO:
        # pyarrow's streams cannot read lines.
        return BufferedReader(self._files.open_input_stream(self._path(location), compression=None))

    def write(self, location: str, data: bytes) -> None:
        with self._writing(location) as file:
            file.write(data)

    @contextmanager
    def create(self, location: str) -> Iterator[BinaryIO]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / location.rsplit("/", 1)[-1]
            with open_output(path) as file:
                yield file
            with path.open("rb") as source, self._writing(location) as target:
                shutil.copyfileobj(source, target, 2**22)

    @contextmanager
    def _writing(self, location: str) -> Iterator[BinaryIO]:
        path = self._path(location)
        if self._files.type_name in _OBJECT_STORES:
            with self._stream(path) as file:
                yield file
            return
        folder, _, name = path.rpartition("/")
        self._files.create_dir(folder, recursive=True)
        part = f"{folder}/{part_name(name)}"
        with self._stream(part) as file:
            yield file
        self._files.move(part, path)

    @contextmanager
    def _stream(self, path: str) -> Iterator[BinaryIO]:
        file = self._files.open_output_stream(path, compression=None)
        try:
            with file:
                yield file
        except BaseException:
            # A stream cannot be given up, only closed, and what it has written then looks complete.
            with suppress(Exception):
                self._files.delete_file(path)
            raise

    def remove(self, location: str) -> None:
        if self.find(location) is not None:
            self._files.delete_file(self._path(location))

    def remove_folder(self, location: str) -> None:
        if self.is_folder(location):
            self._files.delete_dir(self._path(location))

    @contextmanager
    def local(self, location: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            # Its name says whether it is packed.
            path = Path(folder) / location.rsplit("/", 1)[-1]
            with self.open(location) as file, path.open("wb") as copy:
                shutil.copyfileobj(file, copy, 2**22)
            yield path
