"""Concept identifiers: what one identifier field of a file names."""

import re
from typing import List

_MISSING = frozenset({"", "-", "-1", "none", "null"})
# Prefixes that some resources write and others leave out. Those that are part of the identifier ("OMIM:", "rs") stay.
_PREFIX = re.compile(
    r"^(mesh|ncbi ?gene|entrez ?gene|ncbi ?taxon|ncbi ?taxid|taxonomy|cellosaurus)\s*:\s*", re.IGNORECASE
)
# tmVar's descriptions of a variant ("tmVar:p|SUB|V|600|E;HGVS:p.V600E;RS#:113488022"): fields of one identifier.
_VARIANT_FIELD = re.compile(r"(^|;)(tmVar|HGVS|RS#|VariantGroup|CorrespondingGene|Gene|Disease):", re.IGNORECASE)
_RS_NUMBER = re.compile(r"(^|;)RS#:(rs)?(\d+)", re.IGNORECASE)
_TAXON_NOTE = re.compile(r"\(Tax:\d+\)", re.IGNORECASE)


def split_identifiers(field: str) -> List[str]:
    """The identifiers that the identifier field of a mention or of one side of a relation names.

    Several are separated by "," (BioRED) or ";" (PubTator3). Two identifiers joined by "|" or "+" are one, a composite
    concept, as in BioRED's relations ("D015458|D016399"). The description of a variant by tmVar is one identifier,
    whatever separators it contains.

    field (str): The field, as in the file.
    RETURNS (List[str]): The identifiers in the order of the field, each once, spelled as in the file; empty if the
        field is empty or says that there is none ("-", "-1").
    """
    field = field.strip()
    if _VARIANT_FIELD.search(field):
        return [field]
    parts = (part.strip() for part in re.split("[,;]", _TAXON_NOTE.sub("", field)))
    return list(dict.fromkeys(part for part in parts if part.lower() not in _MISSING))


def normalize_identifier(identifier: str) -> str:
    """The form of an identifier that is the same in every resource: without a database prefix that others leave out,
    and the reference SNP number or the tmVar form for a variant that is described by several fields.

    identifier (str): One identifier, as `split_identifiers` returns it.
    RETURNS (str): The normalized identifier.
    """
    identifier = identifier.strip()
    if _VARIANT_FIELD.search(identifier):
        rs_number = _RS_NUMBER.search(identifier)
        if rs_number:
            return f"rs{rs_number.group(3)}"
        identifier = re.sub(r"^tmVar:", "", identifier, flags=re.IGNORECASE).split(";")[0]
    return _PREFIX.sub("", identifier)
