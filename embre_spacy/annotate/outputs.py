"""The kinds of output: BioC and PubTator, DocBin, and relations as a table."""

import csv
import json
from itertools import chain, islice
from types import SimpleNamespace
from typing import Any, BinaryIO, Iterable, Iterator, List, Optional, Tuple

from spacy.tokens import Doc, DocBin

from ..errors import EmbreError
from ..files import Location, open_output, remove_file
from ..formats.doc import record_from_doc
from ..formats.record import Anomalies, Envelope
from ..formats.writing import FORMATTERS, join_documents
from ..tokens import get_document_id, get_relations, get_sentences, hide_local

# The README and the help of the command list them too. In Parquet those that end in `_probability` are numbers.
COLUMNS: Tuple[str, ...] = (
    "document",
    *(f"{side}_{field}" for side in ("source", "target") for field in ("id", "type", "name")),
    *("relation", "novelty", "pair_probability", "relation_probability", "novelty_probability"),
    *("evidence", "evidence_offsets"),
)
_DELIMITERS = {"relations-csv": ",", "relations-tsv": "\t"}
_PARQUET_GROUP = 65_536
# With them a cell begins that spreadsheets take for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Row = List[Any]


class OutputWriter:
    """Makes data of documents, and files of such data, in one of OUTPUT_FORMATS."""

    def __init__(self, format: str, quote_formulas: bool = False) -> None:
        if format == "relations-parquet":
            _import_parquet()
        self.format = format
        self.quote_formulas = quote_formulas
        self.is_table = format.startswith("relations-")

    def encode(self, doc: Doc, identifier: str, anomalies: Anomalies) -> bytes:
        """Make data of a document. Raises an InputError if it cannot be written in this format."""
        if self.is_table:
            return json.dumps(relation_rows(doc, identifier), ensure_ascii=False).encode("utf-8")
        if self.format == "docbin":
            return DocBin(store_user_data=True, docs=[doc]).to_bytes()
        record = record_from_doc(doc, identifier)
        format_document, make_envelope = FORMATTERS[self.format]
        text = format_document(record, anomalies)
        # Each document may become the first of its file, whose envelope counts.
        return f"{json.dumps(make_envelope(record))}\n{text}".encode()

    def write(self, data: Iterator[bytes], target: str) -> None:
        """Write a file of what `encode` gave. Where there is no document, an old file goes, or an empty table comes."""
        first = next(data, None)
        if first is None and not self.is_table:
            remove_file(target)
            return
        data = data if first is None else chain([first], data)
        with open_output(target, make_folder=True) as file:
            if self.is_table:
                rows = (row for document in data for row in json.loads(document))
                _write_rows(rows, file, self.format, self.quote_formulas)
            elif self.format == "docbin":
                # All of it is in memory.
                docbin = DocBin(store_user_data=True)
                for document in data:
                    docbin.merge(DocBin(store_user_data=True).from_bytes(document))
                file.write(docbin.to_bytes())
            else:
                envelope = Envelope(*json.loads(first.partition(b"\n")[0]))
                join_documents(envelope, (document.partition(b"\n")[2].decode("utf-8") for document in data), file)


def relation_rows(doc: Doc, document: Optional[str] = None) -> List[Row]:
    """The relations of a document as rows.

    doc (Doc): The document.
    document (Optional[str]): Its id, if it is not `doc._.document_id`.
    RETURNS (List[List[Any]]): For each relation the values of COLUMNS: the probabilities are that the two are related
        at all, and those of this type and, given that they are related, of this novelty; the offsets are start and end
        of each sentence in characters of `doc.text` ("0 57;120 210"). What is not known is None.
    """
    name = get_document_id(doc) if document is None else document
    relations = get_relations(doc)
    sentences = get_sentences(doc) if relations else []
    evidence = [relation.evidence(doc, sentences) for relation in relations]
    return [
        [
            name,
            *(hide_local(relation.source.id), relation.source.type, relation.source.name),
            *(hide_local(relation.target.id), relation.target.type, relation.target.name),
            relation.type,
            relation.novelty,
            relation.pair_probability,
            relation.type_probabilities.get(relation.type),
            relation.novelty_probabilities.get(relation.novelty),
            " ".join(sentence.text for sentence in found) or None,
            ";".join(f"{sentence.start_char} {sentence.end_char}" for sentence in found) or None,
        ]
        for relation, found in zip(relations, evidence)
    ]


def write_table(docs: Iterable[Doc], path: Location, kind: str, *, quote_formulas: bool = False) -> None:
    """Write the relations of documents as a table.

    docs (Iterable[Doc]): The documents.
    path (Union[str, Path]): The file, or its URI, packed if its name ends in ".gz". It appears when it is complete.
    kind (str): "relations-csv", "relations-tsv", "relations-jsonl" or "relations-parquet".
    quote_formulas (bool): Whether an apostrophe goes before text that a spreadsheet would take for a formula.
    RAISES (EmbreError): If the package that writes it is missing.
    """
    with open_output(path) as file:
        _write_rows((row for doc in docs for row in relation_rows(doc)), file, kind, quote_formulas)


def _write_rows(rows: Iterator[Row], file: BinaryIO, kind: str, quote_formulas: bool) -> None:
    rows = map(_quote_formulas, rows) if quote_formulas else rows
    if kind == "relations-jsonl":
        for row in rows:
            file.write((json.dumps(dict(zip(COLUMNS, row)), ensure_ascii=False) + "\n").encode("utf-8"))
    elif kind == "relations-parquet":
        pyarrow = _import_parquet()
        types = [(name, pyarrow.float64() if name.endswith("_probability") else pyarrow.string()) for name in COLUMNS]
        schema = pyarrow.schema(types)
        with pyarrow.parquet.ParquetWriter(file, schema) as writer:
            while group := list(islice(rows, _PARQUET_GROUP)):
                columns = dict(zip(COLUMNS, map(list, zip(*group))))
                writer.write_table(pyarrow.Table.from_pydict(columns, schema=schema))
    else:
        lines = SimpleNamespace(write=lambda line: file.write(line[:-2].encode("utf-8") + b"\n"))
        # What ends a line is quoted inside a cell.
        csv.writer(lines, delimiter=_DELIMITERS[kind], lineterminator="\r\n").writerows(chain([COLUMNS], rows))


def _quote_formulas(row: Row) -> Row:
    return [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell for cell in row]


def _import_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise EmbreError("Parquet needs pyarrow: pip install 'embre_spacy[parquet]'") from error
    return pyarrow
