"""Locations: a path, or a URI that pyarrow's file systems reach. They are strings."""

import os
from collections import defaultdict
from functools import cache
from typing import DefaultDict, Iterable, Set

from ...files import name_of_part
from .local import LocalStorage
from .protocol import Storage
from .remote import RemoteStorage

# One for each root, since connecting takes time.
_remote_storage = cache(RemoteStorage)


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
