"""The tables of a grid, in Markdown."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

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
        rows.append([cell.label, seeds, *(spread(column.values(cell.results), column.form) for column in columns)])
    if outcome.floor is not None:
        # It is not trained, so there is nothing to say of seeds, and little beside the scores.
        values = (spread(column.values([outcome.floor]), column.form) for column in columns)
        rows.append([f"*{outcome.floor_label}*", _NOTHING, *values])
    return markdown_table(["", "seeds", *(column.title for column in columns)], rows)


def differences_table(outcome: GridOutcome) -> List[str]:
    """The table of differences to the baseline, with intervals, on the seeds that both cells have, if there are any.

    outcome (GridOutcome): What came of the grid.
    RETURNS (List[str]): Its lines; none if there is no baseline, or nothing to compare with it.
    """
    baseline = outcome.baseline
    others = [cell for cell in outcome.cells if cell is not baseline and cell.results]
    if baseline is None or not baseline.results or not others:
        return []
    rows = [[cell.label, *_compare(cell.results, baseline.results)] for cell in others]
    return markdown_table([f"difference to: {baseline.label}", "seeds", *LEVELS.values()], rows)


def _compare(ours: List[Dict[str, Any]], theirs: List[Dict[str, Any]]) -> List[str]:
    """The seeds that are compared, and the differences."""
    ours, theirs, seeds = _match_seeds(ours, theirs)
    own, other = sum_documents(ours), sum_documents(theirs)
    found = None if own is None or other is None else bootstrap_differences(own, other)
    if found is None:
        return [seeds, *["other documents"] * len(LEVELS)]
    return [seeds, *(_describe_difference(found[level]) for level in LEVELS)]


def _match_seeds(
    ours: List[Dict[str, Any]], theirs: List[Dict[str, Any]]
) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]], str]:
    """The results of two cells with the same seeds, and the seeds; all of them if no seed is that of both."""
    common = {one["seed"] for one in ours} & {one["seed"] for one in theirs}
    if not common:
        return ours, theirs, f"{_list_seeds(ours)} against {_list_seeds(theirs)}"
    ours, theirs = ([one for one in results if one["seed"] in common] for results in (ours, theirs))
    return ours, theirs, _list_seeds(ours)


def _list_seeds(results: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(str(seed) for seed in sorted(one["seed"] for one in results))


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
    head = "pair + type, by relation type" + (" (stale)" if cell.stale else "")
    return markdown_table([head, "gold", "precision", "recall", "F1"], rows)


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
            rows.append([cell.label, name, *(spread(one, ".3f") for one in values)])
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
