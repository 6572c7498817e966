"""BioC and PubTator to `Doc` and back. Nothing else in the package touches a file format.

Every text format is read into the same plain dictionary, the shape of a BioC JSON document (`Record`); one module makes
a `Doc` of it and one brings it up to date from a `Doc`. The `Doc` keeps the record, so that what no `Doc` can hold
(passages, infons, annotation ids) goes out again as it came in.
"""

from ..files import FORMATS
from .reading import Rejected, from_bioc, read, read_each
from .writing import to_bioc, write

__all__ = ["FORMATS", "Rejected", "from_bioc", "read", "read_each", "to_bioc", "write"]
