"""The table of how memory grows says when it was measured."""

from encoders import make_tiny_encoder
from typer.testing import CliRunner

from benchmarks.growth import app


def test_training_and_pretraining_are_measured(sample_dir, tmp_path):
    encoder = str(make_tiny_encoder(tmp_path / "tiny", max_positions=512))
    for options, rows in ((["--steps", "2"], ["step 2"]), (["--epochs", "2"], ["epoch 1", "epoch 2"])):
        result = CliRunner().invoke(app, [str(sample_dir / "dev.xml"), "--encoder", encoder, *options])
        assert result.exit_code == 0, result.output
        assert [line.partition(":")[0] for line in result.stdout.splitlines()] == rows
        assert "MiB, 1." in result.stdout
