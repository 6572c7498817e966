"""The sections of the report: one for each grid, and one for what others reach."""

from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence

from .columns import LEVELS, level_f
from .outcome import CellOutcome, GridOutcome, find_changed_corpora
from .published import PublishedFigures, list_sources
from .sources import describe_source, link
from .tables import calibration_table, differences_table, markdown_table, relation_types_table, scores_table, spread

# The grid whose baseline, or first cell, is what the project ships.
DEFAULT_GRID = "default"
# How many settings a note names.
_NAMED = 3


def grid_section(outcome: GridOutcome, figure: Path, output: Path) -> List[str]:
    """The section of a grid.

    outcome (GridOutcome): What came of the grid.
    figure (Path): Its figure.
    output (Path): The report.
    RETURNS (List[str]): Paragraphs in Markdown.
    """
    grid = outcome.grid
    parts = [f"## {grid.title}", grid.question]
    if not outcome.results:
        parts.append(f"Not run yet: `python -m experiments run {grid.file.as_posix()}`.")
    else:
        source = describe_source(outcome, output)
        parts.append(f"![F1 of each cell at the four levels]({figure.relative_to(output.parent).as_posix()})")
        for table in (scores_table(outcome), differences_table(outcome), *_extra_tables(outcome)):
            if table:
                parts.extend(["\n".join(table), source])
        parts.extend(_describe_gaps(outcome))
    return [*parts, *([] if outcome.words is None else [outcome.words])]


def _extra_tables(outcome: GridOutcome) -> Iterable[List[str]]:
    cell = _main_cell(outcome)
    if "relation_types" in outcome.grid.tables and cell is not None:
        yield relation_types_table(cell)
    if "calibration" in outcome.grid.tables:
        yield calibration_table([one for one in outcome.cells if one.results])


def _main_cell(outcome: GridOutcome) -> Optional[CellOutcome]:
    """The baseline, or else the first cell; None if it has no results."""
    cell = outcome.baseline or outcome.cells[0]
    return cell if cell.results else None


def _describe_gaps(outcome: GridOutcome) -> List[str]:
    missing = [f"{one.cell.label}, seed {seed}" for one in outcome.cells for seed in one.missing]
    if outcome.floor is None:
        missing.append("floor")
    lines = [f"Missing, not run yet: {'; '.join(missing)}."] if missing else []
    stale = _list_stale(outcome)
    if stale:
        lines.append(f"Stale, run with other settings than the grid has now: {'; '.join(stale)}.")
    for file, groups in find_changed_corpora(outcome).items():
        found = ", and another for ".join("; ".join(group) for group in groups)
        lines.append(f"Not all of the same documents: `{file}` was one for {found}.")
    return lines


def _list_stale(outcome: GridOutcome) -> List[str]:
    """The stale results, each with what differs; the seeds of a cell together where the same differs."""
    seeds: Dict[str, List[str]] = {}
    for one in outcome.cells:
        for seed, changed in one.stale.items():
            seeds.setdefault(f"{one.cell.label}: {_name_some(changed)}", []).append(str(seed))
    found = [f"{what} (seed {', '.join(ones)})" for what, ones in seeds.items()]
    return [*found, f"floor: {_name_some(outcome.floor_stale)}"] if outcome.floor_stale else found


def _name_some(changed: Sequence[str]) -> str:
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    return ", ".join(f"`{name}`" for name in changed[:_NAMED]) + more


def levels_section(
    outcomes: Sequence[GridOutcome], published: PublishedFigures, published_file: Path, output: Path
) -> List[str]:
    """The section on what others reach.

    outcomes (Sequence[GridOutcome]): What came of all grids.
    published (PublishedFigures): The published figures.
    published_file (Path): Their file.
    output (Path): The report.
    RETURNS (List[str]): Paragraphs in Markdown.
    """
    default = next((one for one in outcomes if one.grid.name == DEFAULT_GRID and one.results), None)
    rows, below = [], [f"Published figures from {link(published_file, output)}."]
    if default is None:
        below.insert(0, "What this project ships has not been measured yet.")
    else:
        below.insert(0, describe_source(default, output))
        rows.extend(_own_levels(default))
    sources = list_sources(published)
    for row in published.rows:
        scores = [_as_published(row.scores.get(level)) for level in LEVELS]
        agreement = "; ".join(f"{name} {_as_published(value)}" for name, value in row.agreement.items())
        name = f"{row.name}: {agreement}" if agreement else row.name
        rows.append([name, *scores, row.measured_on, f"[{sources.index(row.source) + 1}]"])
    return [
        "## What others reach",
        "\n".join(markdown_table(["", *LEVELS.values(), "measured on", "source"], rows, ["measured on", "source"])),
        " ".join(below),
        published.note,
        "\n".join(f"{number}. {published.sources[key]}" for number, key in enumerate(sources, start=1)),
    ]


def _as_published(score: Optional[float]) -> str:
    """A score with three digits, or four if that is how it was published."""
    return "–" if score is None else f"{score:.4f}".removesuffix("0")


def _own_levels(default: GridOutcome) -> List[List[str]]:
    rows = []
    if default.floor is not None:
        scores = (spread([level_f(level)(default.floor)], ".3f") for level in LEVELS)
        rows.append([default.floor_label, *scores, default.grid.common.dev, "here"])
    cell = _main_cell(default)
    if cell is not None:
        scores = (spread([level_f(level)(one) for one in cell.results], ".3f") for level in LEVELS)
        rows.append([f"**this project: {cell.label}**", *scores, cell.cell.dev, "here"])
    return rows
