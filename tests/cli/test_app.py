"""What all commands have in common: help, and what they print of files, on every console."""

import os
import signal
import subprocess
import sys

import pytest
from commands import run

# A document whose types are markup, and letters that few consoles have.
ODD = "7|t|one two\n7|a|\n7\t0\t3\tone\tGene\tA1\n7\t4\t7\ttwo\tGene\tA2\n7\t{}\tA1\tA2\n"


@pytest.mark.parametrize(
    "type, shown",
    [
        ("[/b]", "[/b]"),
        ("[red]Bind", "[red]Bind"),
        (":smile:", ":smile:"),
        ("\x1b[31mBind", r"\x1b[31mBind"),
        ("Bind\x9b2J\u202e", r"Bind\x9b2J\u202e"),
    ],
)
def test_text_of_files_is_shown_as_text(type, shown, tmp_path):
    path = tmp_path / "a.pubtator"
    path.write_text(ODD.format(type), encoding="utf8")
    assert f" {shown} " in run("score", path, path).output
    # A note, an error, and the name of a file.
    path.write_text(ODD.format(type) + f"7\t{type}\tA1\tA3\n\n{type}\n", encoding="utf8")
    odd = tmp_path / f"{type.replace('/', '')}.pubtator"
    odd.write_text(path.read_text(encoding="utf8"), encoding="utf8")
    result = run("convert", odd, tmp_path / "out.pubtator", code=3)
    assert shown.replace("/", "") in result.stdout + result.stderr
    assert "\x1b" not in result.output and "\x9b" not in result.output and "\u202e" not in result.output


@pytest.mark.parametrize(
    "settings, arguments",
    [
        ({"PYTHONIOENCODING": "ascii"}, ["score", "Łódź.pubtator", "Łódź.pubtator"]),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ["convert", "Łódź.pubtator", "ń.xml"]),
        ({"PYTHONIOENCODING": "cp437"}, ["annotate", "--help"]),
    ],
)
def test_consoles_need_not_have_every_letter(settings, arguments, tmp_path):
    (tmp_path / "Łódź.pubtator").write_text(ODD.format("żółć"), encoding="utf8")
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONIOENCODING", "LC_ALL")}
    command = [sys.executable, "-m", "embre_spacy", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env={**environment, **settings}, capture_output=True)
    assert done.returncode == 0, done.stderr
    if arguments[0] == "score":
        assert rb"\u017c" in done.stdout and done.stdout.count(b"1.0000") == 15


def test_names_of_files_need_not_be_utf8(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.pubtator"
    with open(path, "w") as file:
        file.write(ODD.format("Bind") + "\nprose\n")
    result = run("convert", os.fsdecode(path), os.fsdecode(path) + ".xml", code=3)
    assert rb"caf\udce9.pubtator.xml: documents 1".decode() in result.stdout
    with open(path + b".xml.rejects.jsonl", encoding="utf8") as file:
        assert r"caf\udce9.pubtator" in file.read()


def test_an_interrupt_is_one_line_and_leaves_nothing(tmp_path):
    os.mkfifo(tmp_path / "a.pubtator")
    command = [sys.executable, "-m", "embre_spacy", "convert", "a.pubtator", "b.xml"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Opening a pipe waits until both sides have it open: the command is reading.
    with open(tmp_path / "a.pubtator", "w"):
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == (b"", b"Error: interrupted\n")
    assert process.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["a.pubtator"]


def test_without_a_command_the_commands_are_shown():
    result = run(code=2)
    for command in ("convert", "annotate", "prepare", "pretrain", "calibrate", "evaluate", "score"):
        assert command in result.output


@pytest.mark.parametrize("command", ["convert", "annotate", "prepare", "pretrain", "calibrate", "evaluate", "score"])
def test_help_describes_every_command(command):
    assert "Usage" in run(command, "--help").output
