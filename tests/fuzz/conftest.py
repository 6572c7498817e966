"""Counts what came of damaged inputs, and writes them as a table: `python -m pytest -m fuzz --fuzz-report=FILE`."""

from pathlib import Path
from typing import Dict

import pytest

from embre_spacy.util import describe_run, short_commit

HEAD = """# Damaged inputs

Made by `python -m pytest -m fuzz --fuzz-report=docs/robustness.md`; run that, do not edit this page.

Each input is damaged at one place: bytes are overwritten, inserted, removed or doubled, a bit is flipped, the end is
cut off; a value is replaced, removed or gets another name. *Refused*: there was an error that names the file. *Set
aside*: a document is named that could not be used, and the others came out. *Used*: nothing was in the way; the damage
changed a word, say. In none of them was there another error, was a document missing without a word, or a file written
elsewhere.

| damaged | places | refused | set aside | used |
| --- | ---: | ---: | ---: | ---: |
"""

OUTCOMES = ("refused", "set aside", "used")


@pytest.fixture(scope="session")
def counts(request):
    """Gives the counts of a kind of inputs, by outcome."""
    counted: Dict[str, Dict[str, int]] = {}
    yield lambda kind: counted.setdefault(kind, dict.fromkeys(OUTCOMES, 0))
    path = request.config.getoption("--fuzz-report")
    if path is None:
        return
    total = {outcome: sum(count[outcome] for count in counted.values()) for outcome in OUTCOMES}
    rows = [
        f"| {kind} | {sum(count.values()):,} | {' | '.join(f'{count[outcome]:,}' for outcome in OUTCOMES)} |\n"
        for kind, count in [*counted.items(), ("all", total)]
    ]
    run = describe_run()
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    foot = f"\nCommit {short_commit(run['commit'])}, seeds fixed; {versions}.\n"
    Path(path).write_text(HEAD + "".join(rows) + foot, encoding="utf8")
