"""The command `calibrate`."""

import spacy
from commands import run


def test_calibrate_refuses_what_it_cannot_use(corpus, tmp_path):
    assert "no pipeline" in run("calibrate", tmp_path / "none", corpus / "dev.spacy", tmp_path / "o", code=1).output
    result = run("calibrate", "en_none", corpus / "dev.spacy", tmp_path / "o", "--level", "some", code=1)
    assert "must be one of pair, type, novelty, all" in result.output
    spacy.blank("en").to_disk(tmp_path / "blank")
    result = run("calibrate", tmp_path / "blank", corpus / "dev.spacy", tmp_path / "o", code=1)
    assert "no component embre_relation" in result.output and not (tmp_path / "o").exists()
