"""BioC JSON, PubTator3's export of it, and one document per line.

bioc's JSON reader and writer are not used: the reader refuses BioRED's own file (it has no infons), and both drop every
key that is not BioC's, among them PubTator3's authors, journal and date.
"""

import json
import re
from itertools import chain
from typing import Any, BinaryIO, Iterable, Iterator, List, Union

from ..errors import InputError
from ..files import Line, iter_lines
from .record import Anomalies, Envelope, Record, dump_json

_CONTAINERS = {"documents": "collection", "PubTator3": "PubTator3"}
_SPACE = re.compile(r"[ \t\n\r]*")


def read_bioc_json(file: BinaryIO) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of a JSON file: of one value, of several that follow each other, or of one on every line."""
    lines = iter_lines(file)
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        raise InputError("the file is empty")
    try:
        if first[2] is not None:
            raise first[2]
        values = list(_iter_values(first[1]))
    except InputError:
        # The first line is not whole, nor is any other.
        parts: List[str] = []
        for _, text, error in chain([first], lines):
            if error is not None:
                raise error from None
            parts.append(text)
        for value in _iter_values("".join(parts)):
            yield from _make_records(value, "bioc-json")
    else:
        for value in values:
            yield from _make_records(value, "bioc-json")
        yield from _read_lines(lines)


def read_bioc_json_lines(file: BinaryIO) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of a file with one on every line; in place of a bad line, its error."""
    return _read_lines(iter_lines(file))


def _read_lines(lines: Iterable[Line]) -> Iterator[Union[Record, InputError]]:
    for number, text, damage in lines:
        if damage is not None:
            yield damage
            continue
        try:
            for value in _iter_values(text):
                yield from _make_records(value, "bioc-jsonl")
        except InputError as error:
            yield InputError(f"line {number}: {error.cause}")


def _make_records(value: Any, format: str) -> Iterator[Union[Record, InputError]]:
    """Make records of a document, of a collection, or of a list of any of these. NCBI sends lists of one collection."""
    shape = "lines" if format == "bioc-jsonl" else "list" if isinstance(value, list) else "document"
    items = [value]
    while items:
        item = items.pop()
        container = next((key for key in _CONTAINERS if key in item), None) if isinstance(item, dict) else None
        if isinstance(item, list):
            items.extend(reversed(item))
        elif container is None or "passages" in item:
            yield Record(item, format, {}, shape)
        elif not isinstance(item[container], list):
            yield InputError("not BioC: its documents are not a list")
        else:
            collection = {key: value for key, value in item.items() if key != container}
            container_shape = "lines" if shape == "lines" else _CONTAINERS[container]
            for document in item[container]:
                yield Record(document, format, collection, container_shape)


def _iter_values(text: str) -> Iterator[Any]:
    """Yield the values of JSON that follow each other in a text."""
    decoder = json.JSONDecoder()
    position = _SPACE.match(text).end()  # type: ignore[union-attr]
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits
            raise InputError(f"not valid JSON: {error}") from error
        yield value
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]


def make_envelope(record: Record) -> Envelope:
    """Make the envelope of a JSON file that holds its documents as the file of its first document did."""
    if record.shape == "list":
        return Envelope("[\n", ",\n", "\n]\n")
    name = "PubTator3" if record.shape == "PubTator3" else "documents"
    head = "".join(
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}, " for key, value in record.collection.items()
    )
    alone = "\n" if record.shape == "document" else None
    return Envelope(f"{{{head}{json.dumps(name)}: [\n", ",\n", "\n]}\n", alone)


def format_document(record: Record, anomalies: Anomalies) -> str:
    """Make JSON of a document, in one line."""
    return dump_json(record.document, record.id, "cannot be written as JSON")
