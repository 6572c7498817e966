"""The report on all grids: made from the JSON files of their results, the files of the grids, and published figures."""

from pathlib import Path
from typing import List, Sequence

from embre_spacy.errors import EmbreError

from .grid import load_grid
from .outcome import GridOutcome, collect_outcome
from .published import PUBLISHED_FILE, load_published
from .sections import grid_section, levels_section
from .statistics import RESAMPLES

_HOW_TO_READ = f"""\
Made by `python -m experiments report` from the files that it names; change those, not this page.

- Scores are micro F1 as in the official BioRED evaluation, at four levels: the pair of concepts, with the relation
  type, with the novelty, and with both. With several seeds: mean ± sample standard deviation over the seeds. ±
  leaves out the variation of the pretraining, of which there is one for all seeds of a cell.
- *Type of found pairs*: the share of the found pairs that have the right relation type. *Macro F1 of types*: the mean
  F1 of the relation types that gold has. *Type* and *novelty of gold pairs*: how often they are right where the pair is
  given.
- *Floor*: every candidate is called related, with the relation type and the novelty that are most frequent in training.
- Differences have 95% intervals of a paired bootstrap over documents ({RESAMPLES:,} resamples; the counts of a document
  are summed over the seeds that both cells have), bold where 0 is outside. They say how much depends on the choice of
  documents, not how much on the seeds, of which there are few.
- All is measured on development documents, which also chose the checkpoint of each training."""


def write_report(grids: Path, results: Path, output: Path) -> List[Path]:
    """Write the report and its figures.

    grids (Path): The folder of the grids.
    results (Path): The folder of results.
    output (Path): The report.
    RETURNS (List[Path]): The files that were written.
    RAISES (EmbreError): If a file cannot be used, or matplotlib is not installed.
    """
    from .figures import draw_outcome

    outcomes = _collect_outcomes(grids, results)
    text = _make_report(outcomes, grids, output)
    written = [output]
    for outcome in outcomes:
        if outcome.results:
            written.append(_figure(outcome, output))
            draw_outcome(outcome, written[-1])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf8")
    return written


def check_report(grids: Path, results: Path, output: Path) -> None:
    """Compare the report with what it would be.

    grids (Path): The folder of the grids.
    results (Path): The folder of results.
    output (Path): The report.
    RAISES (EmbreError): If it is missing or differs, or a figure is missing.
    """
    outcomes = _collect_outcomes(grids, results)
    wanted = _make_report(outcomes, grids, output).splitlines()
    found = output.read_text(encoding="utf8").splitlines() if output.is_file() else []
    if found != wanted:
        same = [old == new for old, new in zip(found, wanted)]
        number = same.index(False) if False in same else len(same)
        raise EmbreError(f"{output}: line {number + 1} is not what the results give; write the report again")
    for outcome in outcomes:
        if outcome.results and not _figure(outcome, output).is_file():
            raise EmbreError(f"{_figure(outcome, output)}: is missing; write the report again")


def _collect_outcomes(grids: Path, results: Path) -> List[GridOutcome]:
    files = [file for file in sorted(grids.glob("*.yml")) if file.name != PUBLISHED_FILE]
    if not files:
        raise EmbreError(f"{grids}: there is no file of a grid (*.yml)")
    return [collect_outcome(load_grid(file), results) for file in files]


def _make_report(outcomes: Sequence[GridOutcome], grids: Path, output: Path) -> str:
    parts = ["# Results", _HOW_TO_READ]
    for outcome in outcomes:
        parts.extend(grid_section(outcome, _figure(outcome, output), output))
    published = grids / PUBLISHED_FILE
    parts.extend(levels_section(outcomes, load_published(published), published, output))
    return "\n\n".join(parts) + "\n"


def _figure(outcome: GridOutcome, output: Path) -> Path:
    return output.parent / "figures" / f"{outcome.grid.name}.svg"
