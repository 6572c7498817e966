"""Identifiers: the field of a mention that has them, and what each of them says of a concept."""

import re
from functools import lru_cache
from typing import Dict, List, Tuple

# What resources and tables have in place of an identifier; some put the name of a database before everything. "NA" is
# one in capitals only: "Na" can be a name.
_NO_IDENTIFIER = re.compile(
    r"([\w ]+:)?\s*(-|-1|none|null|nil|#?n/a|nan|<na>|cui[-_ ]?less|unknown|(?-i:NA))?", re.IGNORECASE
)
# Prefixes that some resources write and others leave out. Those that are part of the identifier ("OMIM:", "rs") stay.
_PREFIX = re.compile(
    r"^(mesh|ncbi ?gene|entrez ?gene|ncbi ?taxon|ncbi ?taxid|taxonomy|cellosaurus)\s*:\s*", re.IGNORECASE
)
# How the identifiers begin that hold within one document alone, of concepts that no terminology has. A name follows.
LOCAL_PREFIX = "local:"
_TAXON_NOTE = re.compile(r"\(Tax:\d+\)", re.IGNORECASE)
# One identifier of a field. Separators within brackets belong to it ("c.[31A>C;47G>C]", "rs900000001(A;T)"), and the
# commas between the alleles or the places of tmVar's forms ("p|SUB|G|12|A,D", "p|Allele|E|460,466").
_IDENTIFIER = re.compile(
    r"""\s*[a-z]?\|\w+\|(?:[^,;]|(?<=[A-Z]),(?=[A-Z]+(?:[|,;]|$))|(?<=\d),(?=[-+_\d]+(?:[|,;]|$)))*
    |(?:\([^()]*\)|\[[^\[\]]*\]|[^,;])+""",
    re.VERBOSE,
)
# tmVar's description of a variant, whose fields are one identifier: "tmVar:p|SUB|V|600|E;HGVS:p.V600E;RS#:113488022".
_DESCRIPTION = re.compile(
    r"(^|;)\s*(tmVar|HGVS|RS\#|VariantGroup|(Original|Corresponding)Gene):|^[a-z]?\|.*;(Gene|Disease):", re.IGNORECASE
)
# The kinds of names that fields give a variant, the most telling first. Those of plain identifiers have no kind.
_NAME_KINDS = ("rs", "tmVar", "HGVS", "")
_FIELDS = {
    "rs": re.compile(r"(?i:RS#:\s*(?:rs)?|(?:tmVar:)?rs)(\d+)"),
    "tmVar": re.compile(r"(?:(?i:tmVar:)(?=.)|(?=[a-z]?\|))(.+)"),
    "HGVS": re.compile(r"(?:(?i:HGVS:)(?=.)|(?=[cgmnpr]\.))(.+)"),
    "gene": re.compile(r"(?i:(?:Corresponding)?Gene:)(.+)"),
}


def split_identifiers(field: str) -> List[str]:
    """Split the identifier field of a mention, or of one argument of a relation, into identifiers, each once. There are
    none if it is empty or says so ("-", "CUI-less", "MESH:-").

    "," (BioRED) or ";" (PubTator3) separate them. Two identifiers joined by "|" or "+" are one, a composite concept, as
    in BioRED's relations ("D015458|D016399"). A variant is one identifier, as tmVar, HGVS or a genotype describes it,
    whatever separators that contains.
    """
    return list(_split(field.strip()))


# Reading and training ask for the same identifiers again and again.
@lru_cache(maxsize=2**16)
def _split(field: str) -> Tuple[str, ...]:
    if _DESCRIPTION.search(field):
        return (field,)
    parts = (part.strip() for part in _IDENTIFIER.findall(_TAXON_NOTE.sub("", field)))
    return tuple(dict.fromkeys(part for part in parts if not _NO_IDENTIFIER.fullmatch(part)))


@lru_cache(maxsize=2**16)
def normalize_identifier(identifier: str) -> str:
    """Bring an identifier into the form that is the same for every resource: without a database prefix that others
    leave out; for a variant that several fields describe, its reference SNP number, or else its tmVar or HGVS form with
    the gene, if there is one, since two genes can have the same change."""
    names = read_names(identifier)
    kind = next(kind for kind in _NAME_KINDS if kind in names)
    if kind in ("tmVar", "HGVS") and "gene" in names:
        return f"{names[kind]};CorrespondingGene:{names['gene']}"
    return names[kind]


def is_local(identifier: str) -> bool:
    """Whether an identifier holds within one document alone."""
    return identifier.startswith(LOCAL_PREFIX)


def hide_local(identifier: str) -> str:
    """What files get in place of an identifier: "-" if it holds within one document alone."""
    return "-" if is_local(identifier) else identifier


def read_names(identifier: str) -> Dict[str, str]:
    """The names that an identifier gives a concept, by their kinds; that of its gene, too, if a variant has one."""
    identifier = identifier.strip()
    names: Dict[str, str] = {}
    for field in identifier.split(";") if _DESCRIPTION.search(identifier) else [identifier]:
        for kind, form in _FIELDS.items():
            if found := form.fullmatch(field.strip()):
                names.setdefault(kind, f"rs{found[1]}" if kind == "rs" else found[1])
    # PubTator3 has CVCL:0019.
    plain = _PREFIX.sub("", identifier).replace("CVCL:", "CVCL_")
    return names if names.keys() & set(_NAME_KINDS) else {"": plain}


def name_the_same(first: Dict[str, str], second: Dict[str, str]) -> bool:
    """Whether two identifiers name one concept: by the most telling name that both give. The same change is that of one
    variant unless they say that it is in two genes."""
    kind = next((kind for kind in _NAME_KINDS if kind in first and kind in second), None)
    if kind is None or first[kind] != second[kind]:
        return False
    return kind == "rs" or first.get("gene", second.get("gene")) == second.get("gene", first.get("gene"))
