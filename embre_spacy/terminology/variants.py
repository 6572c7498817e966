"""Variants by their names: finding those that follow a notation, and their identifiers.

Source: the forms of tmVar (Wei and others 2013), as BioRED has them where there is no reference SNP number:
"p|SUB|V|600|E", "c|DEL|35|G".
"""

import re
from typing import Dict, Iterator, List, Optional, Tuple

_NAMES = {
    "A": "alanine ala", "R": "arginine arg", "N": "asparagine asn", "D": "aspartate aspartic_acid asp",
    "C": "cysteine cys", "Q": "glutamine gln", "E": "glutamate glutamic_acid glu", "G": "glycine gly",
    "H": "histidine his", "I": "isoleucine ile", "L": "leucine leu", "K": "lysine lys", "M": "methionine met",
    "F": "phenylalanine phe", "P": "proline pro", "S": "serine ser", "T": "threonine thr", "W": "tryptophan trp",
    "Y": "tyrosine tyr", "V": "valine val", "X": "stop term ter *",
}  # fmt: skip
_ACIDS = {name.replace("_", " "): letter for letter, names in _NAMES.items() for name in names.split()}
_BASES = {"adenine": "A", "cytosine": "C", "guanine": "G", "thymine": "T", "thymidine": "T", "uracil": "U"}
_CHANGES = {"deletion": "DEL", "del": "DEL", "insertion": "INS", "ins": "INS", "duplication": "DUP", "dup": "DUP",
            "delins": "INDEL", "indel": "INDEL", "ins/del": "INDEL"}  # fmt: skip

_NAMED_ACID = "(?:" + "|".join(map(re.escape, sorted(_ACIDS, key=len, reverse=True))) + ")"
_ACID = f"(?:{_NAMED_ACID}|[ACDEFGHIKLMNPQRSTVWXY])"
_BASE = "(?:" + "|".join(_BASES) + "|[ACGTU]+)"
_KIND = r"\(?(?:(?P<kind>[cgmnpr])\.\s*)?[(\[]?"
_NUMBER = r"(?:IVS\s*)?[-+*]?\d+(?:\s*[-+_]\s*\d+)?(?:_[-+*]?\d+(?:[-+]\d+)?)?"
_PLACE = f"(?P<place>{_NUMBER})"
_TO = r"\s*(?:-*>|→|/|-{1,4}|\b(?:to|by|for|with|into)(?: a| an)?\b)[\s-]*"
_UNIT = r"(?:bp|base[- ]pairs?|nucleotides?)"
_WORDS = r"[^\d+-]*?(?:\b(?:at|in|of|codon|position|residue|nucleotide|nt|acid|base)\b[^\d+-]*)?"
_CHANGE = "(?P<change>" + "|".join(sorted(_CHANGES, key=len, reverse=True)) + ")"
_CHANGE_BEFORE = _CHANGE.replace(")", "|delta)")

_LETTERS = ("old", "new", "letter")
# What says all of it already.
_FORM = re.compile(r"[a-z]?\|\w+\|.*")
_RS = re.compile(r"\(?(?:dbSNP:?\s*)?rs\s?(\d{2,})\)?", re.IGNORECASE)
# What names say, and the kind (protein or coding DNA) and the change where they do not say it.
_FORMS: List[Tuple["re.Pattern[str]", str, str]] = [
    (re.compile(form, re.IGNORECASE), kind, change)
    for form, kind, change in [
        # V311fs, p.Ser119fsX, p.Glu177LysfsX44
        (rf"{_KIND}(?P<old>{_ACID})[- ]?(?P<place>\d+)(?P<new>{_ACID})??[- ]?fs\W*[X*]?(?P<shift>\d*)\)?", "p", "FS"),
        # C677T, G-308A: letters that are bases as well as amino acids are taken for bases.
        (rf"{_KIND}(?P<old>[ACGT])\s?{_PLACE}\s?(?P<new>[ACGT])\)?", "c", "SUB"),
        # V600E, p.Val600Glu, arginine 150 proline, Trp10-to-Arg, proline 484 by arginine
        (rf"{_KIND}(?P<old>{_ACID})[- (]*(?P<place>\d+)[- )]*(?:{_TO})?(?P<new>{_ACID})[)\]]?", "p", "SUB"),
        # 192Q/R, 272gly----stop
        (rf"{_KIND}(?P<place>\d+)\s?(?P<old>{_NAMED_ACID}|[DEFHIKLMNPQRSVWY]){_TO}(?P<new>{_ACID})", "p", "SUB"),
        # c.76A>T, 677C>T, -1082 G/A, IVS3+1G>A
        (rf"{_KIND}{_PLACE},?\s*\(?(?P<old>{_BASE}){_TO}(?P<new>{_BASE})\)?", "c", "SUB"),
        # arginine to tryptophan at codon 198, proline residue for arginine residue at position 150
        (rf"(?P<old>{_NAMED_ACID}){_TO}(?P<new>{_NAMED_ACID}){_WORDS}(?P<place>\d+)", "p", "SUB"),
        # A to G at position 12, C>T transition at nucleotide 12, G/A
        (rf"(?P<old>{_BASE}){_TO}(?P<new>{_BASE})\b(?:{_WORDS}{_PLACE}\)?)?", "c", "SUB"),
        # c.35delG, 657del5, 2238-9del AG, p.V239del, 436_437delinsAG
        (rf"{_KIND}(?P<letter>{_ACID})?{_PLACE}\s*{_CHANGE}\s*(?P<new>[A-Z]*|\d+)\)?", "c", ""),
        # del642T, dup33bp, Delta32
        (rf"{_CHANGE_BEFORE}[- ]?{_PLACE}(?P<new>[ACGT]+)", "c", ""),
        (rf"{_CHANGE_BEFORE}[- ]?(?P<new>\d+)(?:[- ]?bp)?", "c", ""),
        # 32-bp deletion, deletion of C at nucleotide 888, T deletion at 5063
        (rf"(?:a )?(?P<new>\d+|[ACGT]+)[- ]?{_UNIT}?[- ]{_CHANGE}(?:{_WORDS}{_PLACE})?", "c", ""),
        (rf"{_CHANGE} of (?:a )?(?P<new>\d+|{_BASE})[- ]?{_UNIT}?(?:{_WORDS}{_PLACE})?", "c", ""),
        # 111G, -3279 CC; p.Thr26
        (rf"{_KIND}{_PLACE}\s?(?P<new>[ACGT]{{1,2}})", "c", "Allele"),
        (rf"p\.(?P<new>{_NAMED_ACID})(?P<place>\d+)", "p", "Allele"),
    ]
]  # fmt: skip

# Names that nothing else has: rs1801133, 677C>T, c.35delG, 657del5, IVS16+1G>A, p.V600E, Pro75 Ala, Arg58fsX19.
_CODE = "(?:" + "|".join(sorted({name.capitalize() for name in _ACIDS if len(name) == 3})) + ")"
_NOTATION = re.compile(
    rf"""(?<![\w.*+>-])(?:
        rs\d{{3,}}
        |(?:[cgmn]\.\s?)?{_NUMBER}\s?(?:[ACGT]+\s?(?:-*>|→)\s?[ACGT]+|(?:del|ins|dup)+(?:[ACGT]+|\d+))
        |[cgmn]\.\s?(?:[ACGT]\d+[ACGT]|{_NUMBER}\s?(?:del|dup))
        |p\.\s?(?P<open>\()?(?:[A-Z]|{_CODE})\d+(?:[A-Z]|{_CODE})?(?:fs\w*|\*|\b)(?(open)\))
        |{_CODE}[- ]?\d+[- ]?(?:{_CODE}|X|(?:{_CODE})?fs\w*|stop)
    )(?![\w>])""",
    re.VERBOSE,
)


def find_variants(text: str) -> Iterator[Tuple[int, int]]:
    """Yield where the names of variants start and end that follow a notation, HGVS's or an older one."""
    return (match.span() for match in _NOTATION.finditer(text))


def identify_variant(name: str) -> Optional[str]:
    """The identifier of a variant by its name.

    name (str): The name: a reference SNP number, HGVS's, or what people write ("Val600Glu", "677C>T", "deletion of C at
        nucleotide 888").
    RETURNS (Optional[str]): The number ("rs1801133") or tmVar's form ("p|SUB|V|600|E"); None if it is no such name.
    """
    name = name.strip()
    if match := _RS.fullmatch(name):
        return f"rs{match[1]}"
    if _FORM.fullmatch(name):
        return name
    for form, kind, change in _FORMS:
        if match := form.fullmatch(name):
            return _describe(match.groupdict(), kind, change)
    return None


def _describe(fields: Dict[str, Optional[str]], kind: str, change: str) -> str:
    said = {key: value or "" for key, value in fields.items()}
    kind = said.get("kind", "").lower() or ("p" if said.get("letter") else kind)
    letters = _ACIDS if kind == "p" else _BASES
    old, new, letter = (letters.get(said.get(key, "").lower(), said.get(key, "").upper()) for key in _LETTERS)
    place = re.sub(r"\s", "", said.get("place", "")).lstrip("+").upper()
    change = change or _CHANGES.get(said["change"].lower(), "DEL")
    whole, other = [old, place, new], [place.replace("-", "_"), new or letter]
    # tmVar has another field for the number of repeats.
    forms = {"SUB": whole, "FS": [*whole, said.get("shift", "")], "Allele": [new, place], "DUP": [*other, ""]}
    return "|".join([kind, change, *forms.get(change, other)])
