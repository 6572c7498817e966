"""Which format a file has, by its name."""

from pathlib import Path
from typing import Dict, Optional, Tuple

from ..errors import InputError

SUFFIXES: Dict[str, str] = {
    ".xml": "bioc-xml",
    ".json": "bioc-json",
    ".jsonl": "bioc-jsonl",
    ".ndjson": "bioc-jsonl",
    ".pubtator": "pubtator",
    ".spacy": "docbin",
}
FORMATS: Tuple[str, ...] = tuple(dict.fromkeys(SUFFIXES.values()))


def format_of(path: Path, format: Optional[str] = None) -> str:
    """The format of a file.

    path (Path): The file. Upper and lower case of its suffix are the same, ".gz" after it is passed over.
    format (Optional[str]): The format, if the suffix is not to decide.
    RETURNS (str): One of FORMATS.
    RAISES (InputError): If neither the suffix nor the argument is known, or the format is not written with ".gz".
    """
    name = path.name[:-3] if is_gzipped(path) else path.name
    found = format or SUFFIXES.get(Path(name).suffix.lower())
    if found is None:
        raise InputError(f"unknown suffix: name the format or use one of {', '.join(SUFFIXES)}", file=str(path))
    if found not in FORMATS:
        raise InputError(f"unknown format {found!r}: use one of {', '.join(FORMATS)}", file=str(path))
    if found == "docbin" and is_gzipped(path):
        raise InputError("a .spacy file is compressed already and cannot be .gz", file=str(path))
    return found


def is_gzipped(path: Path) -> bool:
    """Whether the name of a file says that it is gzipped.

    path (Path): The file.
    RETURNS (bool): True for ".gz".
    """
    return path.name.lower().endswith(".gz")
