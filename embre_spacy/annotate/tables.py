"""Relations as a table: one row for each, in CSV, TSV, JSON lines or Parquet."""

import csv
import json
from io import StringIO
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from spacy.tokens import Doc

from ..errors import EmbreError
from ..files import open_output

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
_NUMBERS = frozenset(name for name in COLUMNS if name.endswith("_probability"))
_ROWS_AT_ONCE = 65_536

Row = List[Any]


def relation_rows(doc: Doc, document: Optional[str] = None) -> List[Row]:
    """The relations of a document as rows.

    doc (Doc): The document.
    document (Optional[str]): Its id, if it is not `doc._.document_id`.
    RETURNS (List[List[Any]]): For each relation the values of COLUMNS: the id of the document; identifier, type and
        name of both concepts; the relation type; the novelty, or None; the probability that the two are related at all,
        that of this relation type, and that of this novelty given that they are related. What is not known is None.
    """
    name = doc._.document_id if document is None else document
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
        for relation in doc._.relations
    ]


def write_table(docs: Iterable[Doc], path: Union[str, "PathLike[str]"], kind: str) -> None:
    """Write the relations of documents as a table.

    docs (Iterable[Doc]): The documents.
    path (Union[str, PathLike]): The file; packed if its name ends in ".gz". It appears when it is complete.
    kind (str): One of WRITERS.
    RAISES (EmbreError): If the package that writes it is missing.
    """
    with open_output(Path(path)) as file:
        WRITERS[kind]((row for doc in docs for row in relation_rows(doc)), file)


def write_csv(rows: Iterator[Row], file: BinaryIO) -> None:
    """Write CSV: a line of names, values in quotes where RFC 4180 wants them, unknown ones empty.

    rows (Iterator[List[Any]]): The rows.
    file (BinaryIO): The file.
    """
    _write_delimited(rows, file, ",")


def write_tsv(rows: Iterator[Row], file: BinaryIO) -> None:
    """Write TSV, which is CSV with tabs.

    rows (Iterator[List[Any]]): The rows.
    file (BinaryIO): The file.
    """
    _write_delimited(rows, file, "\t")


def write_json_lines(rows: Iterator[Row], file: BinaryIO) -> None:
    """Write an object on every line, with all keys.

    rows (Iterator[List[Any]]): The rows.
    file (BinaryIO): The file.
    """
    for row in rows:
        file.write((json.dumps(dict(zip(COLUMNS, row)), ensure_ascii=False) + "\n").encode("utf-8"))


def write_parquet(rows: Iterator[Row], file: BinaryIO) -> None:
    """Write Parquet, in groups of rows.

    rows (Iterator[List[Any]]): The rows.
    file (BinaryIO): The file.
    RAISES (EmbreError): If pyarrow is missing.
    """
    check_parquet()
    import pyarrow
    from pyarrow import parquet

    types = [(name, pyarrow.float64() if name in _NUMBERS else pyarrow.string()) for name in COLUMNS]
    schema = pyarrow.schema(types)
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, _ROWS_AT_ONCE)):
            columns = dict(zip(COLUMNS, map(list, zip(*group))))
            writer.write_table(pyarrow.Table.from_pydict(columns, schema=schema))


def check_parquet() -> None:
    """Refuse to write Parquet without the package that does it.

    RAISES (EmbreError): If pyarrow is missing.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise EmbreError("Parquet needs pyarrow: pip install 'embre_spacy[parquet]'") from error


def _write_delimited(rows: Iterator[Row], file: BinaryIO, delimiter: str) -> None:
    line = StringIO()
    writer = csv.writer(line, delimiter=delimiter, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        file.write(line.getvalue().encode("utf-8"))
        line.seek(0)
        line.truncate()
        writer.writerow(row)
    file.write(line.getvalue().encode("utf-8"))


WRITERS: Dict[str, Callable[[Iterator[Row], BinaryIO], None]] = {
    "relations-csv": write_csv,
    "relations-tsv": write_tsv,
    "relations-jsonl": write_json_lines,
    "relations-parquet": write_parquet,
}
