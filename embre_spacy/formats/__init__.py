"""BioC and PubTator to `Doc` and back; texts, PubMed XML and JATS to `Doc`.

Every text format is read into the same plain dictionary, the shape of a BioC JSON document (`Record`); one module makes
a `Doc` of it and one brings it up to date from a `Doc`. The `Doc` keeps the record, so that what no `Doc` can hold
(passages, infons, annotation ids) goes out again as it came in.

To add a format: a module here, its suffix in `SUFFIXES` of `files.py` (`INPUT_SUFFIXES` if it is not written), its
functions in `READERS` of `reading.py` (and `CUTS`, if its files can be cut) and in `FORMATTERS` of `writing.py`.
"""

from ..files import FORMATS, INPUT_FORMATS
from .reading import Rejected, from_bioc, read, read_each
from .writing import to_bioc, write
