"""BioC JSON, PubTator3's export of it, and one document per line.

bioc's JSON reader and writer are not used: the reader refuses BioRED's own file (it has no infons), and both drop every
key that is not BioC's, among them PubTator3's authors, journal and date.
"""

import json
from itertools import chain
from typing import Any, BinaryIO, Dict, Iterator, List, Tuple

from ..errors import InputError
from .anomalies import Anomalies
from .files import text_lines
from .record import Record

_CONTAINERS = {"documents": "collection", "PubTator3": "PubTator3"}


def read_bioc_json(file: BinaryIO, anomalies: Anomalies) -> Iterator[Record]:
    """Read a JSON file, whether it is one value or has a document on every line.

    file (BinaryIO): The file.
    anomalies (Anomalies): Where to report what is odd. JSON has nothing of that kind.
    YIELDS (Record): Its documents.
    RAISES (InputError): If it is not valid JSON, or not BioC.
    """
    lines = iter(enumerate(text_lines(file), 1))
    read: List[str] = []
    for _, line in lines:
        read.append(line)
        if line.strip():
            break
    rest = next(((number, line) for number, line in lines if line.strip()), None)
    if rest is not None and _is_whole(read[-1]):
        yield from _read_lines(chain([(len(read), read[-1]), rest], lines))
        return
    if rest is not None:
        # From here on blank lines count only for the numbers in messages.
        read.extend(["\n"] * (rest[0] - len(read) - 1))
        read.append(rest[1])
    read.extend(line for _, line in lines)
    text = "".join(read)
    if not text.strip():
        raise InputError("the file is empty")
    yield from _records(_parse(text), "bioc-json")


def read_bioc_json_lines(file: BinaryIO, anomalies: Anomalies) -> Iterator[Record]:
    """Read a file with a JSON document on every line, one line at a time.

    file (BinaryIO): The file.
    anomalies (Anomalies): Where to report what is odd. JSON has nothing of that kind.
    YIELDS (Record): Its documents.
    RAISES (InputError): If a line is not valid JSON, or not BioC.
    """
    return _read_lines(enumerate(text_lines(file), 1))


def write_bioc_json(records: Iterator[Record], file: BinaryIO) -> None:
    """Write a JSON file that holds its documents as the file of the first one did, with one on every line.

    records (Iterator[Record]): The documents.
    file (BinaryIO): The file.
    """
    first = next(records)
    second = next(records, None)
    if first.shape == "document" and second is None:
        file.write(_dump(first.document, first.id) + b"\n")
        return
    name = "PubTator3" if first.shape == "PubTator3" else "documents"
    fields = [] if first.shape == "list" else [*_head(first), json.dumps(name) + ": "]
    start, end = ("[", "]") if first.shape == "list" else ("{" + ", ".join(fields) + "[", "]}")
    file.write(start.encode("utf-8"))
    separator = b"\n"
    for record in chain([first], [] if second is None else [second], records):
        file.write(separator + _dump(record.document, record.id))
        separator = b",\n"
    file.write(b"\n" + end.encode("utf-8") + b"\n")


def write_bioc_json_lines(records: Iterator[Record], file: BinaryIO) -> None:
    """Write a JSON document on every line.

    records (Iterator[Record]): The documents.
    file (BinaryIO): The file.
    """
    for record in records:
        file.write(_dump(record.document, record.id) + b"\n")


def _read_lines(lines: Iterator[Tuple[int, str]]) -> Iterator[Record]:
    for number, line in lines:
        if line.strip():
            try:
                value = _parse(line)
            except InputError as error:
                raise InputError(f"line {number}: {error.cause}") from error
            yield from _records(value, "bioc-jsonl")


def _records(value: Any, format: str) -> Iterator[Record]:
    collection: Dict[str, Any] = {}
    if isinstance(value, dict):
        container = next((key for key in _CONTAINERS if key in value), None)
        if container is None and "passages" not in value:
            raise InputError("not BioC: neither a collection nor a document")
        shape = _CONTAINERS[container] if container else "document"
        documents = value[container] if container else [value]
        if container:
            collection = {key: item for key, item in value.items() if key != container}
    else:
        shape, documents = "list", value
    if not isinstance(documents, list):
        raise InputError("not BioC: its documents are not a list")
    for document in documents:
        yield Record(document, format, collection, "lines" if format == "bioc-jsonl" else shape)


def _head(record: Record) -> List[str]:
    return [
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in record.collection.items()
        if key not in _CONTAINERS
    ]


def _is_whole(line: str) -> bool:
    try:
        return isinstance(_parse(line), dict)
    except InputError:
        return False


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"not valid JSON: {error}") from error
    except RecursionError as error:
        raise InputError("not BioC: the JSON is nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits, NaN
        raise InputError(f"not valid JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _dump(value: Any, document: str) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (RecursionError, ValueError) as error:
        raise InputError(f"cannot be written as JSON: {error}", document=document) from error
