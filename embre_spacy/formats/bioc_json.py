"""BioC JSON, PubTator3's export of it, and one document per line; an object with a text is a document, too.

bioc's reader and writer are not used: the reader refuses BioRED's own file (it has no infons), and both drop every key
that is not BioC's, among them PubTator3's authors, journal and date.
"""

import json
import re
from itertools import chain, count, repeat
from typing import Any, BinaryIO, Iterable, Iterator, Union

from ..errors import InputError
from ..files import Line, iter_lines
from .plain import has_text, record_of_fields
from .record import Anomalies, Envelope, Record, dump_json

_CONTAINERS = {"documents": "collection", "PubTator3": "PubTator3"}
_SPACE = re.compile(r"[ \t\n\r]*")


def read_bioc_json(file: BinaryIO, stem: str) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of a JSON file: of one value, of several that follow each other, or of one on every line."""
    lines = iter_lines(file)
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        raise InputError("the file is empty")
    try:
        values: Iterable[Any] = list(_iter_values("".join(_iter_texts([first]))))
    except InputError:
        # The first line is not whole, nor is any other.
        values = _iter_values("".join(_iter_texts(chain([first], lines))))
    names = (f"{stem}-{number}" for number in count(1))
    for value in values:
        yield from _make_records(value, "bioc-json", names)
    yield from read_bioc_json_lines(lines, stem)


def _iter_texts(lines: Iterable[Line]) -> Iterator[str]:
    for _, text, damage in lines:
        if damage is not None:
            raise damage
        yield text


def read_bioc_json_lines(lines: Iterable[Line], stem: str) -> Iterator[Union[Record, InputError]]:
    """Yield the documents of lines with one on each; in place of a bad line, its error."""
    for number, text, damage in lines:
        if damage is not None:
            yield damage
            continue
        try:
            for value in _iter_values(text):
                yield from _make_records(value, "bioc-jsonl", repeat(f"{stem}-{number}"))
        except InputError as error:
            yield InputError(f"line {number}: {error.cause}")


def _make_records(value: Any, format: str, names: Iterator[str]) -> Iterator[Union[Record, InputError]]:
    """Make records of a document, a collection, or a list of any of these. Each text without an id gets a name."""
    shape = "lines" if format == "bioc-jsonl" else "list" if isinstance(value, list) else "document"
    items = [value]
    while items:
        item = items.pop()
        container = next((key for key in _CONTAINERS if key in item), None) if isinstance(item, dict) else None
        if isinstance(item, list):
            items.extend(reversed(item))
        elif container is None and has_text(item) and "passages" not in item:
            yield record_of_fields(item, next(names))
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
    end = 0
    while (start := _SPACE.match(text, end).end()) < len(text):  # type: ignore[union-attr]
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits
            raise InputError(f"not valid JSON: {error}") from error
        yield value


def make_envelope(record: Record) -> Envelope:
    """Make the envelope of a JSON file that holds its documents as the file of its first document did."""
    if record.shape == "list":
        return Envelope("[\n", ",\n", "\n]\n")
    name = "PubTator3" if record.shape == "PubTator3" else "documents"
    empty = json.dumps({**record.collection, name: []}, ensure_ascii=False)
    alone = "\n" if record.shape == "document" else None
    return Envelope(f"{empty.removesuffix(']}')}\n", ",\n", "\n]}\n", alone)


def format_document(record: Record, anomalies: Anomalies) -> str:
    """Make JSON of a document, in one line."""
    return dump_json(record.document, record.id, "cannot be written as JSON")
