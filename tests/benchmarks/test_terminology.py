"""The benchmark of terminologies measures what it says."""

import json

from typer.testing import CliRunner

from benchmarks.terminology import app


def test_a_small_terminology_is_measured(tmp_path):
    output = tmp_path / "measured.json"
    result = CliRunner().invoke(app, ["--names", "2000", "--output", str(output)])
    assert result.exit_code == 0, result.output
    measured = json.loads(output.read_text())
    assert 1_900 < measured["names"] <= 2_000 and measured["file_bytes"] > 20_000
    assert all(value > 0 for key, value in measured.items() if key.endswith("_per_second"))
    assert "lookups_per_second: " in result.output and "benchmarks.terminology" in measured["run"]["command"]
