"""Write the tables of the README from the files that the commands wrote: python docs/fill_readme.py [--check]."""

import json
import re
import sys
from pathlib import Path

from embre_spacy.relation.counts import LEVEL_NAMES

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"


def scores() -> str:
    """The scores on BioRED's dev split, from `evaluate --output docs/biored_dev.json`."""
    found = json.loads((DOCS / "biored_dev.json").read_text(encoding="utf8"))
    run = found["run"]
    lines = [
        "BioRED, trained on train, scored on dev (where the checkpoint was chosen as well):",
        "",
        "| level | precision | recall | F1 | tp | fp | fn |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for level, name in LEVEL_NAMES.items():
        row = found[level]
        numbers = [f"{row[key]:.3f}" for key in ("p", "r", "f")] + [str(row[key]) for key in ("tp", "fp", "fn")]
        lines.append(f"| {' | '.join([name, *numbers])} |")
    types = found["type"]["per_relation_type"]
    missed = {name: counts["gold"] for name, counts in types.items() if counts["gold"] and not counts["tp"]}
    lines += [
        "",
        f"Of the pairs that are found, {found['type']['tp'] / found['pair']['tp']:.0%} have the right relation type "
        f"and {found['novelty']['tp'] / found['pair']['tp']:.0%} the right novelty. Types of which none is found: "
        f"{', '.join(f'{name} ({count} in dev)' for name, count in missed.items()) or 'none'}.",
        "",
        f"From [docs/biored_dev.json](docs/biored_dev.json): `{run['command']}`, commit {(run['commit'] or '?')[:10]}, "
        f"seed {run['training_seed']}, {run['machine']['cores']} cores of {run['machine']['processor']}.",
    ]
    return "\n".join(lines)


def pretraining() -> str:
    """The last epoch of pretraining on BioRED, from `pretraining.json` of the written folder."""
    found = json.loads((DOCS / "biored_pretraining.json").read_text(encoding="utf8"))
    majority = found["held_out"]
    last = found["epochs"][-1]
    return "\n".join(
        [
            "Entity masking on BioRED, on the held-out documents of dev:",
            "",
            "| predicted of a masked concept | accuracy | majority class |",
            "|---|---:|---:|",
            *(
                f"| {name} | {last[f'{name}_accuracy']:.3f} | {majority[name]['majority_accuracy']:.3f} |"
                for name in ("type", "identifier")
            ),
            "",
            "From [docs/biored_pretraining.json](docs/biored_pretraining.json), which has every epoch: "
            f"{last['epoch']} epochs in {found['seconds'] / 60:.0f} minutes, seed {found['seed']}. Of the held-out "
            f"identifiers {majority['identifier']['unseen_share']:.0%} never occur in training; they have no class and "
            f"are left out, which leaves {majority['identifier']['items']}.",
        ]
    )


def example() -> str:
    """What the code above prints, from docs/example.txt."""
    return "```text\n" + (DOCS / "example.txt").read_text(encoding="utf8").rstrip() + "\n```"


def fill(text: str) -> str:
    """The README with its tables as the files have them."""
    for name, make in (("example", example), ("scores", scores), ("pretraining", pretraining)):
        block = f"<!-- {name} -->\n{make()}\n<!-- /{name} -->"
        text = re.sub(f"<!-- {name} -->(.|\n)*?<!-- /{name} -->", lambda match, block=block: block, text)
    return text


if __name__ == "__main__":
    before = README.read_text(encoding="utf8")
    after = fill(before)
    if "--check" in sys.argv:
        sys.exit(0 if before == after else "README.md differs from the files in docs/: run python docs/fill_readme.py")
    README.write_text(after, encoding="utf8")
