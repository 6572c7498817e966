"""Abbreviations that a document defines.

Source: Schwartz and Hearst 2003, "A simple algorithm for identifying abbreviation definitions in biomedical text".
"""

import re
from typing import Dict, Optional

_BRACKETS = re.compile(r"\(([^()]{2,200})\)")
# What else stands within brackets: "(CI; see below)".
_ENDS_FORM = re.compile(r"[;,] |: ")
_ENDS_SENTENCE = re.compile(r"[.;:!?]\s|[()]")
# At most two words of two to ten characters, with a letter, which begin with a letter or digit.
_SHORT_FORM = re.compile(r"(?=.{2,10}$)(?=.*[^\W\d_])[^\W_]\S*( \S+)?")
# No long form is longer.
_LONGEST = 300


def find_abbreviations(text: str) -> Dict[str, str]:
    """The short forms that a text defines, "long form (SF)" or "SF (long form)", with their long forms. The first
    definition of a short form counts."""
    found: Dict[str, str] = {}
    for brackets in _BRACKETS.finditer(text):
        inside = _ENDS_FORM.split(brackets[1])[0].strip()
        # What stands before it in the sentence.
        before = text[max(brackets.start() - _LONGEST, 0) : brackets.start()].rstrip()
        before = _ENDS_SENTENCE.split(before)[-1]
        short, long = inside, before
        if not _SHORT_FORM.fullmatch(inside):
            short, long = (before.split() or [""])[-1], inside
        if _SHORT_FORM.fullmatch(short) and (form := _match_long_form(short, long)):
            found.setdefault(short, form)
    return found


def _match_long_form(short: str, text: str) -> Optional[str]:
    """The shortest end of a text that has the letters and digits of a short form in their order, the first of them at
    the beginning of a word."""
    most_words = min(len(short) + 5, 2 * len(short))
    long = " ".join(text.split()[-most_words:])
    place = len(long)
    for number in range(len(short) - 1, -1, -1):
        letter = short[number].lower()
        if letter.isalnum():
            place = long.lower().rfind(letter, 0, place)
            while number == 0 and place > 0 and long[place - 1].isalnum():
                place = long.lower().rfind(letter, 0, place)
            if place < 0:
                return None
    form = long[place:]
    return form if len(form) > len(short) and short not in form.split() else None
