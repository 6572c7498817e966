"""The tables of how memory grows say when it was measured."""

from encoders import make_tiny_encoder
from typer.testing import CliRunner

from benchmarks.growth import app


def test_training_and_pretraining_are_measured(sample_dir, tmp_path):
    encoder = str(make_tiny_encoder(tmp_path / "tiny", max_positions=512))
    page = tmp_path / "memory.md"
    options = ["--encoder", encoder, "--steps", "2", "--epochs", "2", "--report", str(page)]
    result = CliRunner().invoke(app, [str(sample_dir / "dev.xml"), *options])
    assert result.exit_code == 0, result.output
    rows = [line.split(" | ") for line in page.read_text().splitlines() if " MiB | " in line]
    assert [row[0] for row in rows] == ["| step 2", "| epoch 1", "| epoch 2"]
    assert all(row[2].startswith("1.") for row in rows)
    assert "python -m benchmarks.growth" in page.read_text()
