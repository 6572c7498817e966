"""The figures of the report."""

from pathlib import Path
from typing import Any, List

from embre_spacy.plots import BLUE, GREY, ORANGE, open_figure

from .columns import LEVELS, level_f
from .outcome import GridOutcome
from .statistics import deviation, mean


def draw_outcome(outcome: GridOutcome, path: Path) -> None:
    """Draw F1 of each cell at each level: the mean with its standard deviation, each seed, and the floor.

    outcome (GridOutcome): What came of the grid.
    path (Path): The SVG file to write.
    RAISES (EmbreError): If matplotlib is not installed.
    """
    cells = [cell for cell in outcome.cells if cell.results]
    labels = [cell.label for cell in cells]
    with open_figure(path, 9, 1.1 + 0.34 * len(cells)) as figure:
        axes: List[Any] = list(figure.subplots(1, len(LEVELS), sharey=True))
        for one, (level, title) in zip(axes, LEVELS.items()):
            for row, cell in enumerate(cells):
                values = [level_f(level)(result) for result in cell.results]
                is_baseline = cell.cell.name == outcome.grid.baseline
                color = ORANGE if is_baseline else BLUE
                if len(values) > 1:
                    one.plot(values, [row] * len(values), "|", color=color, markersize=7, alpha=0.6)
                one.errorbar(
                    mean(values),
                    row,
                    xerr=deviation(values),
                    fmt="s" if is_baseline else "o",
                    color=color,
                    markersize=5,
                    capsize=3,
                    linewidth=1.2,
                )
            if outcome.floor is not None:
                one.axvline(level_f(level)(outcome.floor), color=GREY, linestyle="--", linewidth=1)
            one.set_title(title, fontsize=10)
            one.grid(axis="x", color="#dddddd", linewidth=0.6)
            one.set_axisbelow(True)
            one.margins(x=0.15)
            for side in ("top", "right", "left"):
                one.spines[side].set_visible(False)
            one.tick_params(axis="y", length=0)
        axes[0].set_yticks(range(len(cells)), labels)
        axes[0].set_ylim(len(cells) - 0.5, -0.5)
        figure.supxlabel(_describe(outcome), fontsize=9)


def _describe(outcome: GridOutcome) -> str:
    parts = ["F1 on development documents"]
    if any(len(cell.results) > 1 for cell in outcome.cells):
        parts.append("mean ± standard deviation over seeds, ticks: seeds")
    if outcome.baseline is not None and outcome.baseline.results:
        parts.append("square: baseline")
    if outcome.floor is not None:
        parts.append("dashed: floor")
    return "; ".join(parts)
