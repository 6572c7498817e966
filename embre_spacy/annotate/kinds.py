"""The kinds of output by name: which there are, and which one a name asks for. Imports nothing that takes long."""

from pathlib import PurePath
from typing import Dict, Optional, Tuple

from ..errors import InputError
from ..files import FORMATS, SUFFIXES

# The suffix of each kind; for a suffix that two have, the first decides.
KINDS: Dict[str, str] = {
    **{format: next(suffix for suffix in SUFFIXES if SUFFIXES[suffix] == format) for format in FORMATS},
    "relations-csv": ".csv",
    "relations-tsv": ".tsv",
    "relations-jsonl": ".jsonl",
    "relations-parquet": ".parquet",
}
_BY_SUFFIX: Dict[str, str] = {**{suffix: kind for kind, suffix in reversed(KINDS.items())}, **SUFFIXES}
# These are compressed in themselves.
_NEVER_GZIPPED = ("docbin", "relations-parquet")


def kind_of(output: str, to: Optional[str] = None) -> str:
    """The kind of an output.

    output (str): The file, or a folder if it ends in "/".
    to (Optional[str]): The kind, if the suffix is not to decide.
    RETURNS (str): One of KINDS.
    RAISES (InputError): If neither the suffix nor the argument is known, or the kind is not written with ".gz".
    """
    if output.endswith("/") and to is None:
        raise InputError("a folder has no suffix: name the format of its files (--to)", file=output)
    name, gzipped = split_gz(PurePath(output).name)
    found = to or _BY_SUFFIX.get(PurePath(name).suffix.lower())
    if found is None:
        raise InputError(f"unknown suffix: name the format or use one of {', '.join(_BY_SUFFIX)}", file=output)
    if found not in KINDS:
        raise InputError(f"unknown format {found!r}: use one of {', '.join(KINDS)}", file=output)
    if gzipped and found in _NEVER_GZIPPED:
        raise InputError(f"a {KINDS[found]} file is compressed already and cannot be .gz", file=output)
    return found


def split_gz(name: str) -> Tuple[str, bool]:
    """A file name without ".gz", and whether it had that.

    name (str): The name.
    RETURNS (Tuple[str, bool]): Both.
    """
    return (name[:-3], True) if name.lower().endswith(".gz") else (name, False)
