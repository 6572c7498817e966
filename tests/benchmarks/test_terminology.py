"""The benchmark of terminologies measures what it says."""

import json

import spacy
from typer.testing import CliRunner

from benchmarks.terminology import app


def test_the_share_of_a_pipeline_is_measured(tmp_path, sample_dir):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "Disease", "pattern": "malignant hyperthermia"}])
    nlp.add_pipe("embre_concepts")
    nlp.to_disk(tmp_path / "pipeline")
    options = ["--names", "1000", "--model", str(tmp_path / "pipeline"), "--corpus", str(sample_dir / "test.xml")]
    output = CliRunner().invoke(app, options).output
    measured = dict(line.split(": ") for line in output.splitlines() if ": " in line)
    assert int(measured["documents"]) > 2 and int(measured["mentions"]) > 0
    assert 0 < float(measured["linker_share_of_pipe"]) < 1


def test_a_small_terminology_is_measured(tmp_path):
    output = tmp_path / "measured.json"
    result = CliRunner().invoke(app, ["--names", "2000", "--output", str(output)])
    assert result.exit_code == 0, result.output
    measured = json.loads(output.read_text())
    assert 1_900 < measured["names"] <= 2_000 and measured["file_bytes"] > 20_000
    assert all(value > 0 for key, value in measured.items() if key.endswith("_per_second"))
    assert "lookups_per_second: " in result.output and "benchmarks.terminology" in measured["run"]["command"]
