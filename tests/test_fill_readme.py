"""The script that fills in the figures of the README."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def pages(tmp_path):
    """A copy of the pages and of what they are filled in from."""
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "README.md", tmp_path)
    for file in (ROOT / "docs").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path / "docs")
    return tmp_path


def fill(folder, *arguments, code=0):
    command = [sys.executable, folder / "docs" / "fill_readme.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stderr


def test_what_is_filled_in_is_checked(pages):
    fill(pages, "--check")
    readme = pages / "README.md"
    readme.write_text(readme.read_text(encoding="utf8").replace("BioRED, trained on train", "x"), encoding="utf8")
    assert "README.md differs from the files" in fill(pages, "--check", code=1)


@pytest.mark.parametrize(
    "change, arguments",
    [
        (lambda block: "", []),
        (lambda block: block.replace("/", ""), ["--check"]),
        (lambda block: block * 2, ["--check"]),
    ],
)
def test_a_page_without_its_block_is_refused(pages, change, arguments):
    readme = pages / "README.md"
    text = readme.read_text(encoding="utf8")
    start, end = text.index("<!-- scores -->"), text.index("<!-- /scores -->") + len("<!-- /scores -->")
    changed = text[:start] + change(text[start:end]) + text[end:]
    readme.write_text(changed, encoding="utf8")
    assert "README.md must have one block <!-- scores -->" in fill(pages, *arguments, code=1)
    assert readme.read_text(encoding="utf8") == changed
