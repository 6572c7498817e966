"""BioC and PubTator to `Doc` and back. Nothing else in the package touches a file format.

Every text format is read into the same plain dictionary, the shape of a BioC JSON document (`Record`); one module makes
a `Doc` of it and one brings it up to date from a `Doc`. The `Doc` keeps the record, so that what no `Doc` can hold
(passages, infons, annotation ids) goes out again as it came in.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..files import FORMATS

if TYPE_CHECKING:
    from .reading import read
    from .tolerant import Rejected, read_each
    from .writing import write

__all__ = ["FORMATS", "Rejected", "read", "read_each", "write"]

# The commands ask for the names of the formats alone: spaCy is imported when a file is.
_HOMES = {"read": ".reading", "read_each": ".tolerant", "Rejected": ".tolerant", "write": ".writing"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
