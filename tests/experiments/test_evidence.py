"""Counting the sentences that relations are read from."""

import json

from relation_docs import make_doc
from spacy.vocab import Vocab
from typer.testing import CliRunner

from embre_spacy import write
from experiments.__main__ import app
from experiments.evidence import measure_evidence

TEXT = "Fever is old. PTGS1 in mice (5 mg i.p.) binds vitamin D. It stays. So it is. And goes. PTGS2 rose."
MENTIONS = [
    ("Fever", 0, "DiseaseOrPhenotypicFeature", "D5"),
    ("PTGS1", 0, "GeneOrGeneProduct", "42"),
    ("vitamin D", 0, "ChemicalEntity", "D1"),
    ("PTGS2", 0, "GeneOrGeneProduct", "43"),
]
RELATIONS = [
    ("42", "D1", "Bind", "No"),
    ("D5", "D1", "Association", "No"),
    ("D5", "43", "Association", "No"),
    ("D5", "D77", "Association", "No"),
]


def test_relations_are_counted_by_their_sentences(tmp_path):
    doc = make_doc(Vocab(), TEXT, MENTIONS, RELATIONS)
    doc._.document_id = "1"
    write([doc], tmp_path / "gold.spacy")
    output = tmp_path / "evidence.json"
    result = CliRunner().invoke(app, ["evidence", str(tmp_path / "gold.spacy"), "--output", str(output)])
    assert result.exit_code == 0, result.output
    measured = json.loads(output.read_text())
    assert measured["run"]["command"].startswith("python -m experiments")
    del measured["run"]
    assert measured == {
        "documents": 1,
        "sentences": 6,
        "relations": 4,
        "evidence": {"0": 1, "1": 1, "2": 2},
        "apart": {"1": 1, "4 or more": 1},
        # It ends a sentence after "i.p.", and after "D." only because a mention ends there.
        "sentencizer": {"sentences": 7, "moved": 1, "relations": 2},
    }
    # The document is as it was.
    assert not doc.has_annotation("SENT_START")
    assert measure_evidence([doc]) == measured
