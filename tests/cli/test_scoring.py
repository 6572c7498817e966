"""The commands `score` and `evaluate`."""

import json

import spacy
from commands import run
from spacy.tokens import DocBin


def test_score_of_a_file_with_itself_is_perfect(sample_dir, corpus, tmp_path):
    output = tmp_path / "deep" / "scores.json"
    run("score", sample_dir / "dev.xml", corpus / "dev.spacy", "--output", output)
    scores = json.loads(output.read_text())
    for level in ("pair", "type", "novelty", "all"):
        assert scores[level]["f"] == 1.0 and scores[level]["fp"] == scores[level]["fn"] == 0


def test_score_refuses_other_documents_and_files_that_are_not_there(sample_dir, tmp_path):
    assert "document sample-" in run("score", sample_dir / "dev.xml", sample_dir / "test.xml", code=1).output
    assert "no such file" in run("score", sample_dir / "dev.xml", tmp_path / "none.xml", code=1).output


def test_score_refuses_documents_without_ids(tmp_path):
    docs = [spacy.blank("en")("One."), spacy.blank("en")("Two.")]
    DocBin(docs=docs).to_disk(tmp_path / "own.spacy")
    result = run("score", tmp_path / "own.spacy", tmp_path / "own.spacy", code=1)
    assert "2 of the 2 predicted documents have no id" in result.output


def test_evaluate_names_a_pipeline_that_is_not_there(corpus, tmp_path):
    assert "no pipeline" in run("evaluate", tmp_path / "none", corpus / "dev.spacy", code=1).output
    old = tmp_path / "test.json"
    old.write_text("{}")
    result = run("evaluate", tmp_path / "none", tmp_path / "test.spacy", "--if-exists", "--output", old)
    # The scores of an earlier run would be taken for those of this one.
    assert "nothing is evaluated" in result.output and not old.exists()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.cfg").write_text('[nlp]\nlang = "en"\n')
    (tmp_path / "broken" / "meta.json").write_text("{")
    assert "no pipeline" in run("evaluate", tmp_path / "broken", corpus / "dev.spacy", code=1).output
    result = run("evaluate", tmp_path / "none", corpus / "dev.spacy", "--gpu-id", "99", code=1)
    assert "GPU 99 cannot be used" in result.output


def test_evaluate_from_text_finds_the_mentions_itself(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "Gene", "pattern": "PTGS1", "id": "42"}])
    nlp.to_disk(tmp_path / "model")
    lines = ["1|t|PTGS1 binds aspirin.", "1|a|", "1\t0\t5\tPTGS1\tGene\t42", "1\t12\t19\taspirin\tChemical\tD1"]
    (tmp_path / "gold.pubtator").write_text("\n".join([*lines, "1\tBind\t42\tD1\tNovel"]) + "\n")
    output = tmp_path / "scores.json"
    result = run("evaluate", tmp_path / "model", tmp_path / "gold.pubtator", "--from-text", "--output", output)
    scores = json.loads(output.read_text())
    for name in ("mentions", "concepts"):
        assert name in result.output and (scores[name]["p"], scores[name]["r"]) == (1.0, 0.5)
        assert scores[name]["per_entity_type"]["ChemicalEntity"]["fn"] == 1
    assert scores["pair"]["fn"] == 1 and scores["run"]["versions"]
