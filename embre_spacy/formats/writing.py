"""`Doc`s to files."""

import warnings
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Callable, Iterable, Iterator, Optional, Set, Union

from spacy.tokens import Doc

from ..errors import InputError
from ..files import format_of, open_output
from .anomalies import Anomalies
from .docbin import write_docbin
from .fragments import FRAGMENTS, FRAMES
from .frame import join_fragments
from .from_doc import record_from_doc
from .record import Record


def write(
    docs: Iterable[Doc],
    path: Union[str, "PathLike[str]"],
    *,
    format: Optional[str] = None,
    on_anomalies: Optional[Callable[[str], None]] = None,
) -> None:
    """Write documents to a file, with the mentions and relations that they have now and all else as it was in the file
    that they came from. What the first document says about its collection holds for the file.

    docs (Iterable[Doc]): The documents.
    path (Union[str, PathLike]): The file. It appears when it is complete; an error leaves none.
    format (Optional[str]): One of FORMATS, if the suffix is not to decide.
    on_anomalies (Optional[Callable[[str], None]]): Takes the line that says what the format could not express. By
        default it is a warning.
    RAISES (InputError): If there is no document, two have one id, or one cannot be written in this format.
    """
    path = Path(path)
    found = format_of(path, format)
    anomalies = Anomalies()
    with open_output(path) as file:
        documents = _at_least_one(_unique(docs))
        if found == "docbin":
            file.write(write_docbin(documents))
        else:
            records = _records(documents)
            first = next(records)
            fragments = (FRAGMENTS[found](record, anomalies) for record in chain([first], records))
            join_fragments(FRAMES[found](first), fragments, file)
    if anomalies:
        (on_anomalies or _warn)(f"{path}: {anomalies}")


def _at_least_one(docs: Iterator[Doc]) -> Iterator[Doc]:
    first = next(docs, None)
    if first is None:
        raise InputError("there is no document to write")
    return chain([first], docs)


def _unique(docs: Iterable[Doc]) -> Iterator[Doc]:
    seen: Set[str] = set()
    for doc in docs:
        identifier = doc._.document_id
        if identifier and identifier in seen:
            raise InputError("two documents have this id", document=identifier)
        seen.add(identifier)
        yield doc


def _records(docs: Iterator[Doc]) -> Iterator[Record]:
    used: Set[str] = set()
    number = 0
    for doc in docs:
        while str(number) in used:
            number += 1
        record = record_from_doc(doc, str(number))
        used.add(record.id)
        yield record


def _warn(line: str) -> None:
    warnings.warn(line, UserWarning, stacklevel=3)
