"""The tables of a grid, in Markdown."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from .columns import EXTRA_COLUMNS, LEVELS, USUAL_COLUMNS
from .outcome import CellOutcome, GridOutcome
from .statistics import Difference, bootstrap_differences, deviation, mean, sum_documents

_NOTHING = "–"


def scores_table(outcome: GridOutcome) -> List[str]:
    """The table of scores: a row for each cell, and the floor.

    outcome (GridOutcome): What came of the grid.
    RETURNS (List[str]): Its lines.
    """
    columns = [*USUAL_COLUMNS, *(EXTRA_COLUMNS[name] for name in outcome.grid.columns)]
    rows = []
    for cell in outcome.cells:
        seeds = str(len(cell.results))
        if cell.missing:
            seeds += f" of {len(cell.cell.seeds)}"
        label = f"{cell.cell.label} (stale)" if cell.stale else cell.cell.label
        rows.append([label, seeds, *(spread([value(one) for one in cell.results], form) for _, value, form in columns)])
    if outcome.floor is not None:
        # It is not trained, so there is nothing to say of seeds, and little beside the scores.
        rows.append(["*floor*", _NOTHING, *(spread([value(outcome.floor)], form) for _, value, form in columns)])
    return markdown_table(["", "seeds", *(title for title, _, _ in columns)], rows)


def differences_table(outcome: GridOutcome) -> List[str]:
    """The table of differences to the baseline, with intervals.

    outcome (GridOutcome): What came of the grid.
    RETURNS (List[str]): Its lines; none if there is no baseline, or nothing to compare with it.
    """
    baseline = outcome.baseline
    others = [cell for cell in outcome.cells if cell is not baseline and cell.results]
    if baseline is None or not baseline.results or not others:
        return []
    counts = sum_documents(baseline.results)
    rows = []
    for cell in others:
        own = sum_documents(cell.results)
        found = None if own is None or counts is None else bootstrap_differences(own, counts)
        if found is None:
            rows.append([cell.cell.label, *["other documents"] * len(LEVELS)])
        else:
            rows.append([cell.cell.label, *(_describe_difference(found[level]) for level in LEVELS)])
    return markdown_table([f"difference to: {baseline.cell.label}", *LEVELS.values()], rows)


def relation_types_table(cell: CellOutcome) -> List[str]:
    """The table of relation types of a cell.

    cell (CellOutcome): What came of the cell.
    RETURNS (List[str]): Its lines.
    """
    found = [result["dev"]["counts"]["type"]["per_relation_type"] for result in cell.results]
    rows = []
    for name in sorted({name for one in found for name in one}, key=lambda name: (-_gold(found, name), name)):
        ones = [one.get(name, {}) for one in found]
        measures = (spread([float(one.get(key, 0.0)) for one in ones], ".3f") for key in ("p", "r", "f"))
        rows.append([name, str(_gold(found, name)), *measures])
    return markdown_table(["pair + type, by relation type", "gold", "precision", "recall", "F1"], rows)


def _gold(found: Sequence[Mapping[str, Any]], name: str) -> int:
    return max(one[name]["gold"] if name in one else 0 for one in found)


def calibration_table(cells: Sequence[CellOutcome]) -> List[str]:
    """The table of calibration.

    cells (Sequence[CellOutcome]): What came of the cells.
    RETURNS (List[str]): Its lines.
    """
    rows = []
    for cell in cells:
        found: List[Dict[str, Any]] = [result["dev"]["calibration"] for result in cell.results]
        for name in found[0] if found else ():
            values = ([one[name][key] for one in found] for key in ("ece", "ece_after", "temperature"))
            rows.append([cell.cell.label, name, *(spread(one, ".3f") for one in values)])
    return markdown_table(["", "probability", "ECE", "ECE with temperature", "temperature"], rows, ["probability"])


def spread(values: Sequence[Optional[float]], form: str) -> str:
    """The mean of values with their standard deviation, as far as there is one.

    values (Sequence[Optional[float]]): The values.
    form (str): How numbers are written.
    RETURNS (str): The text.
    """
    middle, deviating = mean(values), deviation(values)
    if middle is None:
        return _NOTHING
    return f"{middle:{form}}" if deviating is None else f"{middle:{form}} ± {deviating:{form}}"


def _describe_difference(found: Difference) -> str:
    text = f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    return f"**{text}**" if found.low > 0 or found.high < 0 else text


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[str] = ()) -> List[str]:
    """A table in Markdown. The columns are aligned to the right, as numbers are, but the first and those of texts.

    head (Sequence[str]): The names of the columns.
    rows (Sequence[Sequence[str]]): The cells.
    texts (Sequence[str]): The names of columns with texts.
    RETURNS (List[str]): Its lines.
    """
    rule = ["---", *("---" if name in texts else "---:" for name in head[1:])]
    lines = [head, rule, *rows]
    return [f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines]
