"""BioC JSON, PubTator3's export of it, and one document per line.

bioc's JSON reader and writer are not used: the reader refuses BioRED's own file (it has no infons), and both drop every
key that is not BioC's, among them PubTator3's authors, journal and date.
"""

import json
from itertools import chain
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from ..errors import InputError
from ..files import iter_lines
from .record import Anomalies, Envelope, Record, dump_json

_CONTAINERS = {"documents": "collection", "PubTator3": "PubTator3"}

# A line with its number, and its error if it is not UTF-8.
_Line = Tuple[int, str, Optional[InputError]]


def read_bioc_json(file: BinaryIO) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of a JSON file that is one value or has a document on every line; in place of a bad line, its
    error."""
    lines = iter_lines(file)
    head: List[_Line] = []
    filled: List[_Line] = []
    while len(filled) < 2 and (line := next(lines, None)):
        head.append(line)
        if line[1].strip():
            filled.append(line)
    # If the first line is an object and others follow, it is a document, and so are they.
    if len(filled) == 2 and filled[0][2] is None and _is_object(filled[0][1]):
        yield from _read_lines(chain(head, lines))
        return
    parts: List[str] = []
    for _, text, error in chain(head, lines):
        if error is not None:
            raise error
        parts.append(text)
    content = "".join(parts)
    if not content.strip():
        raise InputError("the file is empty")
    yield from _make_records(_parse(content), "bioc-json")


def read_bioc_json_lines(file: BinaryIO) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of a file with one on every line; in place of a bad line, its error."""
    return _read_lines(iter_lines(file))


def _read_lines(lines: Iterable[_Line]) -> Iterator[Union[Record, InputError]]:
    for number, text, damage in lines:
        if damage is not None:
            yield damage
        elif text.strip():
            try:
                value = _parse(text)
            except InputError as error:
                yield InputError(f"line {number}: {error.cause}")
                continue
            try:
                records = list(_make_records(value, "bioc-jsonl"))
            except InputError as error:
                yield error
                continue
            yield from records


def _make_records(value: Any, format: str) -> Iterator[Record]:
    shape, documents = "list", value
    collection: Dict[str, Any] = {}
    if isinstance(value, dict):
        container = next((key for key in _CONTAINERS if key in value), None)
        if container:
            shape, documents = _CONTAINERS[container], value[container]
            collection = {key: item for key, item in value.items() if key != container}
        elif "passages" in value:
            shape, documents = "document", [value]
        else:
            raise InputError("not BioC: neither a collection nor a document")
    if not isinstance(documents, list):
        raise InputError("not BioC: its documents are not a list")
    for document in documents:
        yield Record(document, format, collection, "lines" if format == "bioc-jsonl" else shape)


def _is_object(text: str) -> bool:
    try:
        return isinstance(_parse(text), dict)
    except InputError:
        return False


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InputError("not BioC: the JSON is nested too deeply") from error
    except ValueError as error:  # also a number of thousands of digits, or NaN
        raise InputError(f"not valid JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def make_envelope(record: Record) -> Envelope:
    """Make the envelope of a JSON file that holds its documents as the file of its first document did."""
    if record.shape == "list":
        return Envelope("[\n", ",\n", "\n]\n")
    name = "PubTator3" if record.shape == "PubTator3" else "documents"
    head = "".join(
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}, "
        for key, value in record.collection.items()
        if key not in _CONTAINERS
    )
    alone = "\n" if record.shape == "document" else None
    return Envelope(f"{{{head}{json.dumps(name)}: [\n", ",\n", "\n]}\n", alone)


def make_lines_envelope(record: Record) -> Envelope:
    """Make the envelope of a file with a document on every line."""
    return Envelope("", "\n", "\n")


def format_document(record: Record, anomalies: Anomalies) -> str:
    """Make JSON of a document, in one line."""
    return dump_json(record.document, record.id, "cannot be written as JSON")
