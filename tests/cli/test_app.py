"""What all commands have in common."""

import pytest
from commands import run


def test_without_a_command_the_commands_are_shown():
    result = run(code=2)
    for command in ("convert", "annotate", "prepare", "pretrain", "calibrate", "evaluate", "score"):
        assert command in result.output


@pytest.mark.parametrize("command", ["convert", "annotate", "prepare", "pretrain", "calibrate", "evaluate", "score"])
def test_help_describes_every_command(command):
    assert "Usage" in run(command, "--help").output
