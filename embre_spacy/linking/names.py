"""What else a mention may be called in a terminology."""

import re
from typing import Iterator, List

from ..terminology import normalize_name

# Words that mentions have and names of terminologies often do not.
_STARTS = re.compile(
    r"^(?:(?:human|mouse|murine|rat|recombinant|anti|phospho|phosphorylated|activated|mutant|wild[- ]type|endogenous|"
    r"soluble|serum|plasma|the|p|h|m|r)[\s-]+)+",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"(?:[\s-]+(?:genes?|proteins?|mrnas?|peptides?|promoters?|isoforms?|transcripts?|antibod(?:y|ies)|subunits?|"
    r"alleles?|receptors?|antigens?|diseases?|disorders?|syndromes?|patients?|symptoms?|lesions?))+$",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\s*\([^()]*\)")
_OTHER_ENDS = (("s", ""), ("es", ""), ("ies", "y"), ("ic", "ia"), ("otic", "osis"), ("cancer", "neoplasms"))
_OTHER_ENDS += (("tumors", "neoplasms"), ("tumor", "neoplasms"), ("carcinoma", "cancer"), ("deficient", "deficiency"))
_NUMBERED = re.compile(r"(.*?)[\s-]?(\d+[a-z]?)((?:\s*(?:/|,|and|&)\s*-?\d+[a-z]?)+)", re.IGNORECASE)
_JOINED = re.compile(r"\s*[/,]\s*|\s+(?:and|or)\s+")


def iter_spellings(name: str) -> Iterator[str]:
    """Yield a name, and then what else it may be called: without words that say little, with other endings, with Latin
    letters for Greek ones."""
    shorter = _STARTS.sub("", name)
    yield from dict.fromkeys((name, _BRACKETS.sub("", name), _ENDS.sub("", name), shorter, _ENDS.sub("", shorter)))
    key = normalize_name(name).replace("tumour", "tumor").replace("aem", "em")
    yield key
    yield from (key[: -len(end)] + other for end, other in _OTHER_ENDS if key.endswith(end))
    yield re.sub("(alpha|beta|gamma|delta|kappa)", lambda greek: greek[0][0], key)


def split_composite(name: str) -> List[str]:
    """The names that a mention of several concepts stands for ("caspase-3/7", "BRCA1 and BRCA2"); none if it does not
    look like one."""
    if match := _NUMBERED.fullmatch(name):
        stem, first, others = match.groups()
        return [f"{stem}{number}" for number in (first, *re.findall(r"\d+[A-Za-z]?", others))]
    parts = _JOINED.split(name)
    return parts if len(parts) > 1 and all(len(part) > 1 for part in parts) else []
