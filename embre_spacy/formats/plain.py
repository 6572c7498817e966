"""Plain texts: a document a file, a line, a row of a table or an object of JSON."""

import csv
import re
from itertools import chain
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

from ..errors import InputError
from ..files import iter_lines
from .record import Node, Record

# What tables and objects call the id, title and text of a document, by the letters of the name: the surest first.
_NAMES: Dict[str, Tuple[str, ...]] = {
    "id": ("id", "pmid", "pubmedid", "pmcid", "documentid", "docid", "document", "doc"),
    "title": ("title", "articletitle"),
    "text": ("text", "abstract", "abstracttext", "body"),
}
# A cell may hold a book. The limit of the module csv is 128 KiB, and one for the whole process: it is never lowered.
_LONGEST_CELL = 2**24


def make_record(
    identifier: str, passages: Iterable[Tuple[Node, str]], format: str = "text", infons: Optional[Node] = None
) -> Record:
    """Make a record of passages, each its infons and its text. Those without text are left out."""
    document: Node = {"id": identifier, "infons": infons or {}, "passages": [], "annotations": [], "relations": []}
    offset = 0
    for kind, text in passages:
        if text.strip():
            passage = {"infons": kind, "offset": offset, "text": text, "sentences": []}
            document["passages"].append({**passage, "annotations": [], "relations": []})
            offset += len(text) + 1
    return Record(document, format, {"source": "", "date": "", "key": "", "infons": {}})


def read_text(file: BinaryIO, stem: str) -> Iterator[Union[Record, InputError]]:
    """Yield the document that a file is, character by character, with the name of the file as its id."""
    parts: List[str] = []
    for number, line, damage in iter_lines(file):
        if damage is not None:
            raise InputError(f"line {number}: {damage.cause}", document=stem)
        parts.append(line)
    yield make_record(stem, [({}, "".join(parts))])


def read_text_lines(file: BinaryIO, stem: str) -> Iterator[Union[Record, InputError]]:
    """Yield a document for each line that is not blank; its id is made of the name of the file and the line."""
    for number, line, damage in iter_lines(file):
        if damage is not None:
            yield InputError(f"line {number}: {damage.cause}")
        elif line.strip():
            yield make_record(f"{stem}-{number}", [({}, line.rstrip("\r\n"))])


def read_table(file: BinaryIO, delimiters: str, stem: str) -> Iterator[Union[Record, InputError]]:
    """Yield a document for each row of a table, whose first row names the columns; in place of a bad one, its error."""
    rows = _iter_rows(file, delimiters)
    _, names, cause = next(rows, (1, [], "it names no columns"))
    if cause:
        raise InputError(f"line 1: {cause}")
    if "text" not in _find_names(names):
        known = ", ".join(_NAMES["text"])
        raise InputError(f"the first row names no column of texts ({known}), but {', '.join(map(repr, names))}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"the first row names the column {twice!r} twice")
    for line, row, cause in rows:
        if not cause and len(row) != len(names):
            cause = f"it has {len(row)} columns, and the first row has {len(names)}"
        if cause:
            yield InputError(f"line {line}: {cause}")
        else:
            yield record_of_fields(dict(zip(names, row)), f"{stem}-{line}")


def _iter_rows(file: BinaryIO, delimiters: str) -> Iterator[Tuple[int, List[str], str]]:
    """Yield the rows of a table that are not blank: the line where each starts, its cells, what is wrong with it."""
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)
    lines = iter_lines(file)
    first = next(lines)
    causes: List[str] = []

    def iter_texts() -> Iterator[str]:
        for _, text, damage in chain([first], lines):
            if damage is not None:
                causes.append(damage.cause)
            yield text

    reader = csv.reader(iter_texts(), delimiter=max(delimiters, key=first[1].count), strict=True)
    while True:
        row: List[str] = []
        start = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            causes.append(f"not a row of a table, as far as line {reader.line_num}: {error}")
        if causes or any(map(str.strip, row)):
            yield start, row, "".join(causes[:1])
        causes.clear()


def record_of_fields(fields: Mapping[str, Any], fallback_id: str) -> Record:
    """Make a record of a row or an object that `has_text`. What it has besides becomes infons of the document."""
    names = _find_names(fields)
    id, title, text = (fields.get(names.get(role)) for role in _NAMES)
    infons = {name: value for name, value in fields.items() if name not in names.values() and value not in ("", None)}
    passages = [({"type": "title"}, title or ""), ({"type": "abstract"} if title else {}, text or "")]
    # What is neither is refused where records are checked.
    identifier = str(id).strip() if type(id) in (str, int) else id
    return make_record(fallback_id if identifier in (None, "") else identifier, passages, infons=infons)


def has_text(value: Any) -> bool:
    """Whether a value of JSON is an object with a text, or a place for one."""
    names = _find_names(value) if isinstance(value, dict) else {}
    texts = [value[name] for role, name in names.items() if role != "id"]
    return "text" in names and all(isinstance(text, (str, type(None))) for text in texts)


def _find_names(names: Iterable[str]) -> Dict[str, str]:
    """Find which names stand for the id, the title and the text."""
    by_letters = {re.sub("[^a-z]", "", name.lower()): name for name in reversed(list(names))}
    found = {role: next(filter(by_letters.get, known), None) for role, known in _NAMES.items()}
    return {role: by_letters[letters] for role, letters in found.items() if letters}
