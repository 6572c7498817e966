"""The report on all grids: made from the JSON files of their results, the files of the grids, and published figures."""

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence

from embre_spacy.errors import EmbreError
from embre_spacy.util import short_commit

from .grid import load_grid
from .results import GridOutcome, collect_outcome, find_changed_corpora, read_result, shorten_changes
from .statistics import LEVELS, RESAMPLES, by_pretraining, deviation, level_f, mean
from .tables import (
    PublishedFigures,
    calibration_table,
    differences_table,
    found_table,
    levels_table,
    load_published,
    relation_types_table,
    scores_table,
    text_table,
)

PUBLISHED_FILE = "published.yml"
# In the folder of results: what `python -m embre_spacy evaluate MODEL GOLD --from-text --output FILE` writes.
FROM_TEXT_FILE = "from_text.json"
# The grid whose baseline, or first cell, is what the project ships.
DEFAULT_GRID = "default"
# Okabe and Ito's colours, which colour-blind people tell apart.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#777777"
_STYLE = Path(__file__).parent.parent / "docs" / "figures" / "style.mplstyle"
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
    outcomes = _collect_outcomes(grids, results)
    text = _make_report(outcomes, grids, results, output)
    figures = [_figure(outcome, output) for outcome in outcomes if outcome.results]
    (output.parent / "figures").mkdir(parents=True, exist_ok=True)
    for outcome, figure in zip((outcome for outcome in outcomes if outcome.results), figures):
        _draw_outcome(outcome, figure)
    output.write_text(text, encoding="utf8")
    return [output, *figures]


def check_report(grids: Path, results: Path, output: Path) -> None:
    """Compare the report with what the results give.

    grids (Path): The folder of the grids.
    results (Path): The folder of results.
    output (Path): The report.
    RAISES (EmbreError): If it is missing or differs, or a figure is missing.
    """
    outcomes = _collect_outcomes(grids, results)
    expected = _make_report(outcomes, grids, results, output).splitlines()
    lines = output.read_text(encoding="utf8").splitlines() if output.is_file() else []
    if lines != expected:
        same = [old == new for old, new in zip(lines, expected)]
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


def _figure(outcome: GridOutcome, output: Path) -> Path:
    return output.parent / "figures" / f"{outcome.grid.name}.svg"


def _make_report(outcomes: Sequence[GridOutcome], grids: Path, results: Path, output: Path) -> str:
    parts = ["# Results", _HOW_TO_READ]
    for outcome in outcomes:
        parts.extend(_make_section(outcome, output))
    published_file = grids / PUBLISHED_FILE
    published = load_published(published_file)
    parts.extend(_make_text_section(published, results / FROM_TEXT_FILE, output))
    parts.extend(_make_levels_section(outcomes, published, published_file, output))
    return "\n\n".join(parts) + "\n"


def _make_section(outcome: GridOutcome, output: Path) -> List[str]:
    """The paragraphs on a grid."""
    grid = outcome.grid
    parts = [f"## {grid.title}", grid.question]
    if not outcome.results:
        parts.append(f"Not run yet: `python -m experiments run {grid.file.as_posix()}`.")
    else:
        source = _describe_source(outcome, output)
        figure = _figure(outcome, output).relative_to(output.parent)
        parts.append(f"![F1 of each cell at the four levels]({figure.as_posix()})")
        for table in (scores_table(outcome), differences_table(outcome), *_make_extra_tables(outcome)):
            if table:
                parts.extend([table, source])
        parts.extend(_describe_gaps(outcome))
    return [*parts, *([] if outcome.commentary is None else [outcome.commentary])]


def _make_extra_tables(outcome: GridOutcome) -> Iterable[str]:
    if "relation_types" in outcome.grid.tables and outcome.main_cell is not None:
        yield relation_types_table(outcome.main_cell)
    if "calibration" in outcome.grid.tables:
        yield calibration_table([cell for cell in outcome.cells if cell.results])


def _describe_gaps(outcome: GridOutcome) -> List[str]:
    missing = [f"{cell.cell.label}, seed {seed}" for cell in outcome.cells for seed in cell.missing]
    if outcome.floor is None:
        missing.append("floor")
    lines = [f"Missing, not run yet: {'; '.join(missing)}."] if missing else []
    stale = _list_stale(outcome)
    if stale:
        lines.append(f"Stale, run with other settings than the grid has now: {'; '.join(stale)}.")
    for file, groups in find_changed_corpora(outcome).items():
        names = ", and another for ".join("; ".join(group) for group in groups)
        lines.append(f"Not all of the same documents: `{file}` was one for {names}.")
    return lines


def _list_stale(outcome: GridOutcome) -> List[str]:
    """The stale results, each with what differs; the seeds of a cell together where the same differs."""
    seeds: Dict[str, List[str]] = {}
    for cell in outcome.cells:
        for seed, changes in cell.stale.items():
            seeds.setdefault(f"{cell.cell.label}: {shorten_changes(changes)}", []).append(str(seed))
    stale = [f"{what} (seed {', '.join(own)})" for what, own in seeds.items()]
    return [*stale, f"floor: {shorten_changes(outcome.floor_stale)}"] if outcome.floor_stale else stale


def _make_text_section(published: PublishedFigures, file: Path, output: Path) -> List[str]:
    """The paragraphs on relations from plain text."""
    measured = read_result(file, ("run", "mentions", "concepts", *LEVELS))
    parts = [
        "## From plain text",
        "The pipeline finds the mentions and their identifiers itself. A relation is right if both its identifiers "
        "are, and type and novelty where the level asks for them.",
        text_table(measured, published),
    ]
    if measured is None:
        return [*parts, "What this project ships has not been measured yet."]
    run = measured["run"]
    source = f"From {_link(file, output)}, `{run['command']}`, commit {short_commit(run['commit'])}."
    note = (
        "Mentions are right if start, end and entity type are; concepts if identifier and entity type are. The recall "
        "of concepts is the share of gold concepts whose identifier is right."
    )
    return [*parts, source, found_table(measured), note]


def _make_levels_section(
    outcomes: Sequence[GridOutcome], published: PublishedFigures, published_file: Path, output: Path
) -> List[str]:
    """The paragraphs on what others reach."""
    default = next((outcome for outcome in outcomes if outcome.grid.name == DEFAULT_GRID and outcome.results), None)
    unmeasured = "What this project ships has not been measured yet."
    source = unmeasured if default is None else _describe_source(default, output)
    references = []
    for number, key in enumerate(published.keys, start=1):
        entry = published.sources[key]
        references.append(f"{number}. {entry.authors} ({entry.year}), [{entry.title}]({entry.link}), {entry.where}")
    return [
        "## What others reach",
        levels_table(default, published),
        f"{source} Published figures from {_link(published_file, output)}.",
        published.note.strip(),
        "\n".join(references),
    ]


def _describe_source(outcome: GridOutcome, output: Path) -> str:
    """What stands below every table of a grid: files, commands, commits, seeds, machines, and the time that it took."""
    results = outcome.results
    files = results if outcome.floor is None else [*results, outcome.floor]
    seeds = sorted({result["seed"] for result in results})
    commits = _unique(short_commit(result["run"]["commit"]) for result in files)
    parts = [
        f"{_link(outcome.folder, output)} ({len(files)} file{_plural(files)})",
        ", ".join(f"`{command}`" for command in _unique(map(_describe_command, files))),
        f"commit{_plural(commits)} {', '.join(commits)}",
        f"seed{_plural(seeds)} {', '.join(map(str, seeds))}",
        "; ".join(_unique(map(_describe_machine, results))),
        f"{_format_hours(_total_seconds(results))} in all",
    ]
    copied = sorted({result["result_of"].partition("/")[0] for result in results if result.get("result_of")})
    if copied:
        parts.append(f"some of it in {', '.join(f'`{name}`' for name in copied)}, where the same training stands too")
    return f"From {', '.join(parts)}."


def _link(path: Path, output: Path) -> str:
    return f"[{path.as_posix()}]({Path(os.path.relpath(path, output.parent)).as_posix()})"


def _describe_command(result: Mapping[str, Any]) -> str:
    """The command that runs the grid, without options: which cells, and on which device, only says who ran what."""
    # `experiments` was a command of the package once.
    command = result["run"]["command"].replace("-m embre_spacy experiment ", "-m experiments ")
    before, run, after = command.partition(" run ")
    grid = after.split(" ")[0]
    return command if not run or grid.startswith("-") else before + run + grid


def _describe_machine(result: Mapping[str, Any]) -> str:
    machine = result["run"]["machine"]
    gpu = f" with {result['gpu']}" if result.get("gpu") else ""
    return f"on {machine['cores']} cores of {machine['processor']}{gpu}"


def _total_seconds(results: Sequence[Dict[str, Any]]) -> float:
    """The time of all trainings and evaluations, and of each pretraining once."""
    trainings = sum(result["seconds"]["training"] + result["seconds"]["evaluation"] for result in results)
    return trainings + _pretraining_seconds(list(by_pretraining(results).values()))


def _pretraining_seconds(results: Sequence[Mapping[str, Any]]) -> float:
    """The time of pretrainings, and once that of those before them, which several of them may go on with."""
    own, before = 0.0, {}
    for result in results:
        # The seconds of a pretraining are those of its whole chain, those of its last epoch are its own.
        seconds = result["pretraining"]["last_epoch"]["seconds"]
        own += seconds
        after = result["settings"]["pretraining"]["after"]
        if after is not None:
            before[json.dumps(after, sort_keys=True)] = result["pretraining"]["seconds"] - seconds
    known = {json.dumps(result["settings"]["pretraining"], sort_keys=True) for result in results}
    return own + sum(seconds for after, seconds in before.items() if after not in known)


def _format_hours(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _unique(values: Iterable[str]) -> List[str]:
    return list(dict.fromkeys(values))


def _plural(items: Sequence[Any]) -> str:
    return "" if len(items) == 1 else "s"


def _draw_outcome(outcome: GridOutcome, path: Path) -> None:
    """Draw F1 of each cell at each level: the mean with its standard deviation, each seed, and the floor."""
    try:
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EmbreError("figures need matplotlib: pip install 'embre_spacy[report]'") from error
    cells = [cell for cell in outcome.cells if cell.results]
    with style.context(_STYLE):
        figure = Figure(figsize=(9, 1.1 + 0.34 * len(cells)), layout="constrained")
        all_axes: List[Any] = list(figure.subplots(1, len(LEVELS), sharey=True))
        for axes, (level, title) in zip(all_axes, LEVELS.items()):
            _draw_level(axes, outcome, level)
            axes.set_title(title, fontsize=10)
        all_axes[0].set_yticks(range(len(cells)), [cell.label for cell in cells])
        all_axes[0].set_ylim(len(cells) - 0.5, -0.5)
        figure.supxlabel(_describe_figure(outcome), fontsize=9)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _draw_level(axes: Any, outcome: GridOutcome, level: str) -> None:
    for row, cell in enumerate(cell for cell in outcome.cells if cell.results):
        values = [level_f(level)(result) for result in cell.results]
        is_baseline = cell.cell.name == outcome.grid.baseline
        color = _ORANGE if is_baseline else _BLUE
        if len(values) > 1:
            axes.plot(values, [row] * len(values), "|", color=color, markersize=7, alpha=0.6)
        marker = {"fmt": "s" if is_baseline else "o", "color": color, "markersize": 5, "capsize": 3, "linewidth": 1.2}
        axes.errorbar(mean(values), row, xerr=deviation(values), **marker)
    if outcome.floor is not None:
        axes.axvline(level_f(level)(outcome.floor), color=_GREY, linestyle="--", linewidth=1)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.15)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _describe_figure(outcome: GridOutcome) -> str:
    parts = ["F1 on development documents"]
    if any(len(cell.results) > 1 for cell in outcome.cells):
        parts.append("mean ± standard deviation over seeds, ticks: seeds")
    if outcome.baseline is not None and outcome.baseline.results:
        parts.append("square: baseline")
    if outcome.floor is not None:
        parts.append("dashed: floor")
    return "; ".join(parts)
