"""Write docs/example.txt: what the example of the README prints. python docs/example.py MODEL."""

import sys
from pathlib import Path

import spacy

from embre_spacy import read

DOCS = Path(__file__).parent
MOST_LINES = 8

nlp = spacy.load(sys.argv[1])
lines = [
    f"{doc._.document_id} {relation}"
    for doc in nlp.pipe(read(DOCS.parent / "assets" / "sample" / "test.xml", nlp.vocab))
    for relation in doc._.relations
]
(DOCS / "example.txt").write_text("\n".join(lines[:MOST_LINES]) + "\n", encoding="utf8")
