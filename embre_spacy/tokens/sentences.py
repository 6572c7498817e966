"""Sentences, by the punctuation of the text where no component has set any.

spaCy's `Sentencizer` goes by tokens, which differ with the mentions that a document brings, and ends a sentence at
every full stop that is a token. What a relation is read from must not differ, so only the text counts here.
"""

import re
from typing import List, Tuple

from spacy.tokens import Doc

from .passages import get_passages

# What may end a sentence: a word with a mark, and brackets and quotes that close; with the word that follows. And an
# empty line.
_END = re.compile(r"""(?<!\S)(?P<word>\S*[.?!][])"'”’]*)\s+(?=["'“‘(\[]*(?P<next>\S+))|\n\s*\n""")
# After these there is something that belongs to them, whatever it is: "Fig. 1", "vs. Control", "(p. Glu104X)".
_BOUND = re.compile(
    r"[(\[]*(cf|e\.g|i\.e|vs|approx|ca|Figs?|Nos?|Refs?|Eqs?|Dr|Prof|St|Proc|Acad|Natl?)\.|\([cgmnpr]\."
)
# After these a sentence begins with a capital letter only: "et al. 2004", "10 mg/kg i.p. 1 h", "E. coli", "3. 45-kb".
_ABBREVIATED = re.compile(r"[(\[]*((\w\.)+|(al|spp?|subsp)\.)[])]*")
# In lists of authors: "Murray, A. J., Sutton, E. R."
_INITIAL = re.compile(r"(,|\b[A-Z]\.) [A-Z]\.\Z")


def get_sentences(doc: Doc) -> List[Tuple[int, int]]:
    """The sentences of a document in the order of the text, as start and end in characters of `doc.text`: those that a
    component has set (`doc.sents`), or else those that its punctuation tells. The last of a passage ends with it."""
    text = doc.text
    if doc.has_annotation("SENT_START"):
        starts = {sentence.start_char for sentence in doc.sents}
    else:
        starts = {found.end() for found in _END.finditer(text) if _is_end(found)}
    edges = sorted({0, *starts, *(passage.start for passage in get_passages(doc)), len(text)})
    lengths = (len(text[start:end].rstrip()) for start, end in zip(edges, edges[1:]))
    return [(start, start + length) for start, length in zip(edges, lengths) if length]


def _is_end(found: "re.Match[str]") -> bool:
    word, next_word = found["word"], found["next"]
    if word is None:
        return True
    if _BOUND.fullmatch(word) or _INITIAL.search(found.string, max(0, found.start() - 3), found.end("word")):
        return False
    if next_word[0].isupper():
        return True
    # Names begin sentences as they are: "miR-21", "p53", "rs4073", "5-FU". Other words have a capital letter there.
    return any(letter.isupper() or letter.isdigit() for letter in next_word) and not _ABBREVIATED.fullmatch(word)
