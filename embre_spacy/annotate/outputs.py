"""The kinds of output: BioC and PubTator, DocBin, and relations as a table. Each makes data of a document, and a file
of such data."""

import csv
import json
from io import StringIO
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from spacy.tokens import Doc, DocBin

from ..errors import EmbreError, InputError
from ..files import OUTPUT_FORMATS, format_of, open_output, remove_file
from ..formats.doc import record_from_doc
from ..formats.record import Anomalies, Envelope
from ..formats.writing import FORMATTERS, docbin_bytes, join_documents
from ..tokens import get_document_id, get_relations

# In the order of `relation_rows`. In Parquet, names that end in `_probability` are numbers, all others are text. The
# README and the help of the command list them too.
COLUMNS: Tuple[str, ...] = (
    "document",
    "source_id",
    "source_type",
    "source_name",
    "target_id",
    "target_type",
    "target_name",
    "relation",
    "novelty",
    "pair_probability",
    "relation_probability",
    "novelty_probability",
)
_PARQUET_GROUP = 65_536
# With them a cell begins that spreadsheets take for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Row = List[Any]


def output_format_of(output: str, to: Optional[str] = None) -> str:
    """The kind of an output, one of OUTPUT_FORMATS: that which is given, or else that of the suffix.

    RAISES (InputError): If neither is known, or the kind is not written with ".gz".
    """
    if output.endswith("/") and to is None:
        raise InputError("a folder has no suffix: name the format of its files (--to)", file=output)
    return format_of(output, to, tuple(OUTPUT_FORMATS))


class OutputWriter:
    """Writes BioC and PubTator. `DocBinWriter` and `TableWriter` write the other kinds; see `create_writer`."""

    may_be_empty = False

    def __init__(self, format: str) -> None:
        self.format = format

    def encode(self, doc: Doc, identifier: str, anomalies: Anomalies) -> Tuple[bytes, Optional[Envelope]]:
        """Make data of a document, and what stands around it in a file.

        RAISES (InputError): If it cannot be written in this format.
        """
        record = record_from_doc(doc, identifier)
        format_document, make_envelope = FORMATTERS[self.format]
        return format_document(record, anomalies).encode("utf-8"), make_envelope(record)

    def join(self, envelope: Optional[Envelope], data: Iterator[bytes], file: BinaryIO) -> None:
        """Make a file of the data of documents. The envelope is that of the first."""
        join_documents(envelope or Envelope("", "", ""), (document.decode("utf-8") for document in data), file)

    def write(self, documents: Iterator[Tuple[bytes, Optional[Envelope]]], target: str) -> None:
        """Write a file of what `encode` gave. Where there is no document, an old file goes, or an empty table comes."""
        first = next(documents, None)
        if first is None and not self.may_be_empty:
            remove_file(target)
            return
        all_data = (data for data, _ in chain([] if first is None else [first], documents))
        with open_output(target, make_folder=True) as file:
            self.join(first and first[1], all_data, file)


class DocBinWriter(OutputWriter):
    """Writes spaCy's DocBin. The whole file is in memory when it is written."""

    def encode(self, doc: Doc, identifier: str, anomalies: Anomalies) -> Tuple[bytes, Optional[Envelope]]:
        return docbin_bytes([doc]), None

    def join(self, envelope: Optional[Envelope], data: Iterator[bytes], file: BinaryIO) -> None:
        docbin = DocBin(store_user_data=True)
        for document in data:
            docbin.merge(DocBin(store_user_data=True).from_bytes(document))
        file.write(docbin.to_bytes())


class TableWriter(OutputWriter):
    """Writes a table of relations."""

    may_be_empty = True

    def __init__(self, format: str, quote_formulas: bool) -> None:
        super().__init__(format)
        self.quote_formulas = quote_formulas

    def encode(self, doc: Doc, identifier: str, anomalies: Anomalies) -> Tuple[bytes, Optional[Envelope]]:
        return json.dumps(relation_rows(doc, identifier), ensure_ascii=False).encode("utf-8"), None

    def join(self, envelope: Optional[Envelope], data: Iterator[bytes], file: BinaryIO) -> None:
        rows = (row for document in data for row in json.loads(document))
        _write_rows(rows, file, self.format, self.quote_formulas)


def create_writer(format: str, quote_formulas: bool = False) -> OutputWriter:
    """The writer of one of OUTPUT_FORMATS. RAISES (EmbreError): If the package that it needs is missing."""
    if format == "relations-parquet":
        _import_parquet()
    if format in _TABLES:
        return TableWriter(format, quote_formulas)
    return DocBinWriter(format) if format == "docbin" else OutputWriter(format)


def relation_rows(doc: Doc, document: Optional[str] = None) -> List[Row]:
    """The relations of a document as rows.

    doc (Doc): The document.
    document (Optional[str]): Its id, if it is not `doc._.document_id`.
    RETURNS (List[List[Any]]): For each relation the values of COLUMNS: the id of the document; identifier, type and
        name of both concepts; the relation type; the novelty, or None; the probability that the two are related at all,
        that of this relation type, and that of this novelty given that they are related. What is not known is None.
    """
    name = get_document_id(doc) if document is None else document
    return [
        [
            name,
            *(relation.source.id, relation.source.type, relation.source.name),
            *(relation.target.id, relation.target.type, relation.target.name),
            relation.type,
            relation.novelty,
            relation.pair_probability,
            relation.type_probabilities.get(relation.type),
            relation.novelty_probabilities.get(relation.novelty),
        ]
        for relation in get_relations(doc)
    ]


def write_table(
    docs: Iterable[Doc], path: Union[str, "PathLike[str]"], kind: str, *, quote_formulas: bool = False
) -> None:
    """Write the relations of documents as a table.

    docs (Iterable[Doc]): The documents.
    path (Union[str, PathLike]): The file, packed if its name ends in ".gz". It appears when it is complete.
    kind (str): "relations-csv", "relations-tsv", "relations-jsonl" or "relations-parquet".
    quote_formulas (bool): Whether an apostrophe goes before text that a spreadsheet would take for a formula.
    RAISES (EmbreError): If the package that writes it is missing.
    """
    with open_output(Path(path)) as file:
        _write_rows((row for doc in docs for row in relation_rows(doc)), file, kind, quote_formulas)


def _write_rows(rows: Iterator[Row], file: BinaryIO, kind: str, quote_formulas: bool) -> None:
    _TABLES[kind](map(_quote_formulas, rows) if quote_formulas else rows, file)


def _quote_formulas(row: Row) -> Row:
    return [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell for cell in row]


def _write_delimited(rows: Iterator[Row], file: BinaryIO, delimiter: str = ",") -> None:
    line = StringIO()
    # What ends a line is quoted inside a cell.
    writer = csv.writer(line, delimiter=delimiter, lineterminator="\r\n")
    for row in chain([COLUMNS], rows):
        writer.writerow(row)
        file.write(line.getvalue()[:-2].encode("utf-8") + b"\n")
        line.seek(0)
        line.truncate()


def _write_json_lines(rows: Iterator[Row], file: BinaryIO) -> None:
    for row in rows:
        file.write((json.dumps(dict(zip(COLUMNS, row)), ensure_ascii=False) + "\n").encode("utf-8"))


def _write_parquet(rows: Iterator[Row], file: BinaryIO) -> None:
    pyarrow = _import_parquet()
    types = [(name, pyarrow.float64() if name.endswith("_probability") else pyarrow.string()) for name in COLUMNS]
    schema = pyarrow.schema(types)
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, _PARQUET_GROUP)):
            columns = dict(zip(COLUMNS, map(list, zip(*group))))
            writer.write_table(pyarrow.Table.from_pydict(columns, schema=schema))


def _import_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise EmbreError("Parquet needs pyarrow: pip install 'embre_spacy[parquet]'") from error
    return pyarrow


_TABLES: Dict[str, Callable[[Iterator[Row], BinaryIO], None]] = {
    "relations-csv": _write_delimited,
    "relations-tsv": lambda rows, file: _write_delimited(rows, file, "\t"),
    "relations-jsonl": _write_json_lines,
    "relations-parquet": _write_parquet,
}
