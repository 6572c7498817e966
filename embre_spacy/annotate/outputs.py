"""What each kind of output makes of a document, and how a file is made of that."""

from base64 import b64decode, b64encode
from typing import Any, BinaryIO, Iterator, List, Optional, Protocol, Tuple

from spacy.tokens import Doc, DocBin

from ..formats.doc import record_from_doc
from ..formats.record import Anomalies, Envelope
from ..formats.writing import ENVELOPES, FORMATTERS, docbin_bytes, join_documents
from .tables import WRITERS, Row, check_parquet, relation_rows

# What a document has become, and what stands around it; both are JSON.
Piece = Tuple[Any, List[Any]]


class Output(Protocol):
    """One kind of output. Documents are made into pieces one by one, and pieces are joined to files later.

    may_be_empty (bool): Whether there is such a file without a document.
    """

    may_be_empty: bool

    def encode(self, doc: Doc, identifier: str, anomalies: Anomalies) -> Piece:
        """Make a document into a piece.

        doc (Doc): The document.
        identifier (str): Its id, or the one that it gets.
        anomalies (Anomalies): Where to report what cannot be expressed.
        RETURNS (Tuple[Any, List[Any]]): The piece and the frame, both as JSON has them.
        RAISES (InputError): If it cannot be written.
        """
        ...

    def join(self, frame: Optional[List[Any]], pieces: Iterator[Any], file: BinaryIO) -> None:
        """Write a file.

        frame (Optional[List[Any]]): The frame of the first document; None if there is none.
        pieces (Iterator[Any]): The pieces.
        file (BinaryIO): The file.
        """
        ...


class TextOutput:
    """BioC or PubTator.

    format (str): One of the text formats.
    """

    may_be_empty = False

    def __init__(self, format: str) -> None:
        self.format = format

    def encode(self, doc: Doc, identifier: str, anomalies: Anomalies) -> Piece:
        record = record_from_doc(doc, identifier)
        return FORMATTERS[self.format](record, anomalies), list(ENVELOPES[self.format](record))

    def join(self, frame: Optional[List[Any]], pieces: Iterator[Any], file: BinaryIO) -> None:
        join_documents(Envelope(*(frame or ())), pieces, file)


class DocBinOutput:
    """spaCy's DocBin. It is written at once, so the file is in memory when it is."""

    may_be_empty = False

    def encode(self, doc: Doc, identifier: str, anomalies: Anomalies) -> Piece:
        return b64encode(docbin_bytes([doc])).decode("ascii"), []

    def join(self, frame: Optional[List[Any]], pieces: Iterator[Any], file: BinaryIO) -> None:
        docbin = DocBin(store_user_data=True)
        for piece in pieces:
            docbin.merge(DocBin(store_user_data=True).from_bytes(b64decode(piece)))
        file.write(docbin.to_bytes())


class TableOutput:
    """A table of relations.

    kind (str): One of the tables.
    RAISES (EmbreError): If the package that writes it is missing.
    """

    may_be_empty = True

    def __init__(self, kind: str) -> None:
        if kind == "relations-parquet":
            check_parquet()
        self._write = WRITERS[kind]

    def encode(self, doc: Doc, identifier: str, anomalies: Anomalies) -> Piece:
        return relation_rows(doc, identifier), []

    def join(self, frame: Optional[List[Any]], pieces: Iterator[List[Row]], file: BinaryIO) -> None:
        self._write((row for rows in pieces for row in rows), file)


def make_output(kind: str) -> Output:
    """The output of a kind.

    kind (str): One of KINDS.
    RETURNS (Output): The output.
    RAISES (EmbreError): If the package that writes it is missing.
    """
    if kind in WRITERS:
        return TableOutput(kind)
    return DocBinOutput() if kind == "docbin" else TextOutput(kind)
