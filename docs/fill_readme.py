"""Write the figures in the README, docs/scaling.md and docs/method.md from the files that the commands wrote: python
docs/fill_readme.py [--check]."""

import json
import re
import sys
from pathlib import Path

from embre_spacy.relation.scoring import LEVEL_NAMES
from embre_spacy.util import short_commit

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
PUBMED_DOCUMENTS = 36_000_000


def scores() -> str:
    """The scores on BioRED's dev split, from `evaluate --output docs/biored_dev.json`."""
    counts = json.loads((DOCS / "biored_dev.json").read_text(encoding="utf8"))
    run = counts["run"]
    lines = [
        "BioRED, trained on train, scored on dev (where the checkpoint was chosen as well):",
        "",
        "| level | precision | recall | F1 | tp | fp | fn |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for level, name in LEVEL_NAMES.items():
        row = counts[level]
        numbers = [f"{row[key]:.3f}" for key in ("p", "r", "f")] + [str(row[key]) for key in ("tp", "fp", "fn")]
        lines.append(f"| {' | '.join([name, *numbers])} |")
    types = counts["type"]["per_relation_type"]
    missed = {name: counts["gold"] for name, counts in types.items() if counts["gold"] and not counts["tp"]}
    lines += [
        "",
        f"Of the pairs that are found, {counts['type']['tp'] / counts['pair']['tp']:.0%} have the right relation type "
        f"and {counts['novelty']['tp'] / counts['pair']['tp']:.0%} the right novelty. Types of which none is found: "
        f"{', '.join(f'{name} ({count} in dev)' for name, count in missed.items()) or 'none'}.",
        "",
        f"From [docs/biored_dev.json](docs/biored_dev.json): `{run['command']}`, commit {short_commit(run['commit'])}, "
        f"seed {run['training_seed']}, {run['machine']['cores']} cores of {run['machine']['processor']}.",
    ]
    return "\n".join(lines)


def pretraining() -> str:
    """The last epoch of pretraining on BioRED, from `pretraining.json` of the written folder."""
    report = json.loads((DOCS / "biored_pretraining.json").read_text(encoding="utf8"))
    majority = report["held_out"]
    last = report["epochs"][-1]
    # A folder is what another pretraining has written.
    from_package = report["config"]["encoder"]["name"].startswith("package:")
    before = "" if from_package else " after that on BioRED and other annotated abstracts"
    return "\n".join(
        [
            f"Entity masking on BioRED{before}, on the held-out documents of dev:",
            "",
            "| predicted of a masked concept | accuracy | majority class |",
            "|---|---:|---:|",
            *(
                f"| {name} | {last[f'{name}_accuracy']:.3f} | {majority[name]['majority_accuracy']:.3f} |"
                for name in ("type", "identifier")
            ),
            "",
            "From [docs/biored_pretraining.json](docs/biored_pretraining.json), which has every epoch: "
            f"{last['epoch']} epochs in {report['seconds'] / 60:.0f} minutes, seed {report['seed']}. Of the held-out "
            f"identifiers {majority['identifier']['unseen_share']:.0%} never occur in training; they have no class and "
            f"are left out, which leaves {majority['identifier']['items']}.",
        ]
    )


def example() -> str:
    """What the code above prints, from docs/example.txt."""
    return "```text\n" + (DOCS / "example.txt").read_text(encoding="utf8").rstrip() + "\n```"


def rates() -> str:
    """How long one process takes for PubMed, from `python -m benchmarks --output docs/performance.json`."""
    measured = json.loads((DOCS / "performance.json").read_text(encoding="utf8"))
    rate, run = measured["inference"]["pipe_documents_per_second"], measured["run"]
    hours = PUBMED_DOCUMENTS / rate / 3600
    return (
        f"[docs/performance.md](performance.md) has {rate:.1f} documents per second for `nlp.pipe` in one process with "
        f"{run['threads']} threads on {run['machine']['cores']} cores of {run['machine']['processor']}: "
        f"{PUBMED_DOCUMENTS:,} / ({rate:.1f} × 3,600) = {hours:,.0f} hours of one such process, and "
        f"{hours / 100:,.0f} hours of 100. No rate of a GPU was measured."
    )


def evidence() -> str:
    """How many sentences relations are read from, from `python -m experiments evidence --output
    docs/biored_evidence.json`."""
    measured = json.loads((DOCS / "biored_evidence.json").read_text(encoding="utf8"))
    total, other, run = measured["relations"], measured["sentencizer"], measured["run"]
    shares = {count: f"{number} ({number / total:.1%})" for count, number in measured["evidence"].items()}
    return "\n".join(
        [
            f"Of the {total:,} gold relations in the {measured['documents']} documents of BioRED's dev split, "
            f"{shares['1']} have both concepts in one sentence, {shares['2']} in two, and {shares.get('0', 'none')} a "
            "concept that is not mentioned. The two are so far apart:",
            "",
            "| sentences apart | relations |",
            "|---|---:|",
            *(f"| {name} | {count} |" for name, count in measured["apart"].items()),
            "",
            f"With the `sentencizer`, {other['relations']} of the relations would have other evidence, and "
            f"{other['moved']} of {other['sentences']:,} sentences would start only with, or only without, mentions.",
            "",
            f"From [docs/biored_evidence.json](biored_evidence.json): `{run['command']}`, commit "
            f"{short_commit(run['commit'])}.",
        ]
    )


# What is filled in, and where.
PAGES = {
    README: {"example": example, "scores": scores, "pretraining": pretraining},
    DOCS / "scaling.md": {"rates": rates},
    DOCS / "method.md": {"evidence": evidence},
}


def fill(page: Path) -> str:
    """A page with its blocks as the files have them."""
    text = page.read_text(encoding="utf8")
    for name, make in PAGES[page].items():
        block = f"<!-- {name} -->\n{make()}\n<!-- /{name} -->"
        text, count = re.subn(f"<!-- {name} -->(.|\n)*?<!-- /{name} -->", lambda match, block=block: block, text)
        if count != 1:
            sys.exit(f"{page.name} must have one block <!-- {name} --> ... <!-- /{name} -->, not {count}")
    return text


if __name__ == "__main__":
    for page in PAGES:
        if "--check" not in sys.argv:
            page.write_text(fill(page), encoding="utf8")
        elif page.read_text(encoding="utf8") != fill(page):
            sys.exit(f"{page.name} differs from the files in docs/: run python docs/fill_readme.py")
