"""BioC JSON, PubTator3's export of it, and one document per line.

bioc's JSON reader and writer are not used: the reader refuses BioRED's own file (it has no infons), and both drop every
key that is not BioC's, among them PubTator3's authors, journal and date.
"""

import json
from itertools import chain
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Tuple, Union

from ..errors import InputError
from ..files import iter_lines
from .record import Anomalies, Envelope, Record

_CONTAINERS = {"documents": "collection", "PubTator3": "PubTator3"}

# A line with its number and, if it is no text, the error.
_Line = Tuple[int, str, Optional[InputError]]


def read_bioc_json(file: BinaryIO, anomalies: Anomalies) -> Iterator[Union[Record, InputError]]:
    """Read a JSON file, whether it is one value or has a document on every line.

    file (BinaryIO): The file.
    anomalies (Anomalies): Where to report what is odd. JSON has nothing of that kind.
    YIELDS (Union[Record, InputError]): Its documents, and for a line that is none what is wrong.
    RAISES (InputError): If the one value is not valid JSON, or not BioC.
    """
    lines = iter_lines(file)
    read: List[str] = []
    for _, line, error in lines:
        if error is not None:
            raise error
        read.append(line)
        if line.strip():
            break
    rest = next((found for found in lines if found[1].strip()), None)
    if rest is not None and _is_whole(read[-1]):
        yield from _read_lines(chain([(len(read), read[-1], None), rest], lines))
        return
    if rest is not None:
        # From here on blank lines count only for the numbers in messages.
        read.extend(["\n"] * (rest[0] - len(read) - 1))
        lines = chain([rest], lines)
    for _, line, error in lines:
        if error is not None:
            raise error
        read.append(line)
    text = "".join(read)
    if not text.strip():
        raise InputError("the file is empty")
    yield from _records(_parse(text), "bioc-json")


def read_bioc_json_lines(file: BinaryIO, anomalies: Anomalies) -> Iterator[Union[Record, InputError]]:
    """Read a file with a JSON document on every line, one line at a time.

    file (BinaryIO): The file.
    anomalies (Anomalies): Where to report what is odd. JSON has nothing of that kind.
    YIELDS (Union[Record, InputError]): Its documents, and for a line that is none what is wrong.
    """
    return _read_lines(iter_lines(file))


def make_envelope(record: Record) -> Envelope:
    """What stands around the documents of a JSON file that holds them as the file of the first one did.

    record (Record): The first document.
    RETURNS (Envelope): The envelope, with a document on every line.
    """
    if record.shape == "list":
        return Envelope("[\n", ",\n", "\n]\n")
    name = "PubTator3" if record.shape == "PubTator3" else "documents"
    fields = [*_head(record), json.dumps(name) + ": "]
    return Envelope(
        "{" + ", ".join(fields) + "[\n", ",\n", "\n]}\n", alone="\n" if record.shape == "document" else None
    )


def make_lines_envelope(record: Record) -> Envelope:
    """What stands around the documents of a file with one on every line.

    record (Record): The first document.
    RETURNS (Envelope): The envelope.
    """
    return Envelope("", "\n", "\n")


def format_document(record: Record, anomalies: Anomalies) -> str:
    """A document as JSON.

    record (Record): The document.
    anomalies (Anomalies): Where to report what JSON cannot express: nothing.
    RETURNS (str): JSON in one line.
    RAISES (InputError): If it cannot be JSON.
    """
    try:
        text = json.dumps(record.document, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (RecursionError, ValueError) as error:
        raise InputError(f"cannot be written as JSON: {error}", document=record.id) from error
    return text


def _read_lines(lines: Iterator[_Line]) -> Iterator[Union[Record, InputError]]:
    for number, line, damage in lines:
        if damage is not None:
            yield damage
        elif line.strip():
            try:
                value = _parse(line)
            except InputError as error:
                yield InputError(f"line {number}: {error.cause}")
                continue
            try:
                records = list(_records(value, "bioc-jsonl"))
            except InputError as error:
                yield error
                continue
            yield from records


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
