"""The files of names that people download: MeSH, NCBI Gene, NCBI Taxonomy, Cellosaurus, and tables."""

import csv
import io
from typing import Any, BinaryIO, Callable, Dict, Iterator, List

from ..errors import InputError
from ..formats.articles import iter_elements
from ..labels import CELL_LINE, CHEMICAL, DISEASE, GENE, TAXON, entity_type
from .store import Name

# How sure a source is of a name that is not the one which a concept goes by.
_SYNONYM = 0.5
# Branches of MeSH, by what its tree numbers begin with: diseases, mental disorders, behaviour, chemicals.
MESH_BRANCHES = {"C": DISEASE, "F01": DISEASE, "F03": DISEASE, "D": CHEMICAL}
# Classes of supplementary records.
_MESH_CLASSES = {"1": CHEMICAL, "3": DISEASE}
# Such genes have no product that texts speak of.
_NO_GENES = ("pseudo", "unknown", "biological-region")
_TAXONOMY_CLASSES = {"scientific name": 1.0} | dict.fromkeys(
    ("synonym", "genbank common name", "common name", "equivalent name", "acronym"), _SYNONYM
)


def read_mesh(file: BinaryIO) -> Iterator[Name]:
    """The names of diseases and chemicals in MeSH's XML of descriptors (desc2026.xml) or supplementary records
    (supp2026.xml). Source: https://www.nlm.nih.gov/mesh/xml_data_elements.html."""
    for record in iter_elements(file, "DescriptorRecord", "SupplementalRecord"):
        # The elements of a descriptor are called "DescriptorUI", those of the other "SupplementalRecordUI".
        kind = record.tag.replace("DescriptorRecord", "Descriptor")
        identifier, preferred = record.findtext(f"{kind}UI", ""), record.findtext(f"{kind}Name/String", "")
        terms = [term.text or "" for term in record.iterfind("ConceptList/Concept/TermList/Term/String")]
        for type in _find_mesh_types(record):
            for name in dict.fromkeys((preferred, *terms)):
                yield Name(type, name, identifier, weight=1.0 if name == preferred else _SYNONYM)


def _find_mesh_types(record: Any) -> List[str]:
    """The entity types of a record of MeSH, none for what is neither disease nor chemical."""
    if record.tag == "SupplementalRecord":
        return [_MESH_CLASSES[record.get("SCRClass")]] if record.get("SCRClass") in _MESH_CLASSES else []
    numbers = [number.text or "" for number in record.iterfind("TreeNumberList/TreeNumber")]
    return sorted({type for start, type in MESH_BRANCHES.items() for number in numbers if number.startswith(start)})


def read_gene_info(file: BinaryIO) -> Iterator[Name]:
    """The names in NCBI's gene_info. Source: https://ftp.ncbi.nlm.nih.gov/gene/DATA/README."""
    for row in _read_rows(file, "#tax_id", "GeneID", "Symbol", "Synonyms", "description"):
        if row["Symbol"] != "NEWENTRY" and row.get("type_of_gene") not in _NO_GENES:
            names = [row["Symbol"], *row["Synonyms"].split("|"), row["description"]]
            names += row.get("Other_designations", "-").split("|")
            for place, name in enumerate(dict.fromkeys(names)):
                if name != "-":
                    yield Name(GENE, name, row["GeneID"], row["#tax_id"], _SYNONYM if place else 1.0)


def read_taxonomy(file: BinaryIO) -> Iterator[Name]:
    """The names in names.dmp of NCBI Taxonomy. Source: https://ftp.ncbi.nlm.nih.gov/pub/taxonomy/taxdump_readme.txt."""
    for number, line in enumerate(file, 1):
        fields = line.decode("utf-8", "replace").rstrip("\t|\r\n").split("\t|\t")
        if len(fields) != 4:
            raise InputError(f"line {number}: it has {len(fields)} fields, and names.dmp has 4")
        if fields[3] in _TAXONOMY_CLASSES:
            yield Name(TAXON, fields[1], fields[0], weight=_TAXONOMY_CLASSES[fields[3]])


def read_cellosaurus(file: BinaryIO) -> Iterator[Name]:
    """The names in cellosaurus.txt. Source: https://ftp.expasy.org/databases/cellosaurus/."""
    fields: Dict[str, str] = {}
    for line in file:
        code, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition("   ")
        fields[code] = value
        if code == "//":
            names = [fields.get("ID", ""), *fields.get("SY", "").split("; ")]
            for place, name in enumerate(names if "AC" in fields else ()):
                yield Name(CELL_LINE, name, fields["AC"], weight=_SYNONYM if place else 1.0)
            fields = {}


def read_table(file: BinaryIO) -> Iterator[Name]:
    """The rows of a table with the columns type, identifier and name, and if it has them taxon and weight."""
    for number, row in enumerate(_read_rows(file, "type", "identifier", "name"), 2):
        weight = row.get("weight") or "1"
        if not weight.replace(".", "", 1).isdecimal():
            raise InputError(f"line {number}: the weight {weight!r} is not a number")
        yield Name(entity_type(row["type"]), row["name"], row["identifier"], row.get("taxon", ""), float(weight))


def _read_rows(file: BinaryIO, *needed: str) -> Iterator[Dict[str, str]]:
    """The rows of a table of tabs, by the names of its first line; those in `needed` must have a value."""
    rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    try:
        head = next(rows, [])
        for number, row in enumerate(rows, 2):
            if len(row) != len(head):
                raise InputError(f"line {number}: it has {len(row)} columns, and the first line has {len(head)}")
            fields = dict(zip(head, row))
            if missing := [name for name in needed if not fields.get(name)]:
                raise InputError(f"line {number}: there is no {missing[0]}")
            yield fields
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a table of UTF-8 text: {error}") from error


# What files are told by: bytes of their beginning.
READERS: Dict[bytes, Callable[[BinaryIO], Iterator[Name]]] = {
    b"<DescriptorRecord": read_mesh,
    b"<SupplementalRecord": read_mesh,
    b"#tax_id\tGeneID\t": read_gene_info,
    b"\t|\troot\t|\t": read_taxonomy,
    b" CALIPHO group": read_cellosaurus,
}
