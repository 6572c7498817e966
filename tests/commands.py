"""Calling the commands of the package as from a shell."""

from typer.testing import CliRunner

from embre_spacy.cli import app


def run(*arguments, code=0):
    """Call a command; it must end with the exit code, and with no traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result
