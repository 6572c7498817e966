"""The tables of the report, in Markdown, and the published figures in one of them."""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Literal, Mapping, Optional, Sequence, Tuple, Union

import srsly
from pydantic import BaseModel, model_validator
from wasabi import MarkdownRenderer

from embre_spacy.errors import EmbreError
from embre_spacy.util import describe_validation_error

from .results import CellOutcome, GridOutcome
from .statistics import (
    EXTRA_COLUMNS,
    LEVELS,
    USUAL_COLUMNS,
    Difference,
    bootstrap_differences,
    level_f,
    spread,
    sum_documents,
)

_NOTHING = "–"


class Source(BaseModel):
    """Where published figures come from."""

    authors: str
    title: str
    year: Union[int, str]
    where: str
    link: str


class Published(BaseModel):
    """A system, or people, and the figures that were published of them.

    name (str): What it is.
    scores (Dict[str, float]): F1 at the levels that were published.
    from_text (bool): Whether it was given plain text, without mentions.
    agreement (Dict[str, float]): The agreement of people, where the figures are no F1 at our levels.
    measured_on (str): The documents.
    source (str): The key of the source.
    """

    name: str
    scores: Dict[Literal["pair", "type", "novelty", "all"], float] = {}
    from_text: bool = False
    agreement: Dict[str, float] = {}
    measured_on: str
    source: str


class PublishedFigures(BaseModel):
    """All published figures, with what holds for all of them, and their sources by key."""

    note: str
    figures: List[Published]
    sources: Dict[str, Source]

    @model_validator(mode="after")
    def _check_sources(self) -> "PublishedFigures":
        for row in self.figures:
            if row.source not in self.sources:
                raise ValueError(f"{row.name!r} has the source {row.source!r}, which is not among the sources")
        return self

    @property
    def keys(self) -> List[str]:
        """The keys of the sources in the order of the figures."""
        return list(dict.fromkeys(row.source for row in self.figures))


def load_published(path: Path) -> PublishedFigures:
    """Read the file of published figures."""
    if not path.is_file():
        raise EmbreError(f"{path}: there is no such file of published figures")
    try:
        return PublishedFigures.model_validate(srsly.read_yaml(path))
    except ValueError as error:
        raise EmbreError(f"{path}: {describe_validation_error(error)}") from error


def scores_table(outcome: GridOutcome) -> str:
    """Make the table of scores: a row for each cell, and the floor."""
    columns = [*USUAL_COLUMNS, *(EXTRA_COLUMNS[name] for name in outcome.grid.columns)]
    rows = []
    for cell in outcome.cells:
        seeds = str(len(cell.results)) + (f" of {len(cell.cell.seeds)}" if cell.missing else "")
        rows.append([cell.label, seeds, *(spread(column.values(cell.results), column.form) for column in columns)])
    if outcome.floor is not None:
        # It is not trained, so there is nothing to say of seeds, and little beside the scores.
        values = (spread(column.values([outcome.floor]), column.form) for column in columns)
        rows.append([f"*{outcome.floor_label}*", _NOTHING, *values])
    return _make_table(["", "seeds", *(column.title for column in columns)], rows)


def differences_table(outcome: GridOutcome) -> str:
    """Make the table of differences to the baseline, on the seeds that both cells have, if there are any. It is empty
    if there is no baseline, or nothing to compare with it."""
    baseline = outcome.baseline
    others = [cell for cell in outcome.cells if cell is not baseline and cell.results]
    if baseline is None or not baseline.results or not others:
        return ""
    rows = [[cell.label, *_compare(cell.results, baseline.results)] for cell in others]
    return _make_table([f"difference to: {baseline.label}", "seeds", *LEVELS.values()], rows)


def _compare(ours: List[Dict[str, Any]], theirs: List[Dict[str, Any]]) -> List[str]:
    """The seeds that are compared, and the differences."""
    ours, theirs, seeds = _match_seeds(ours, theirs)
    own, other = sum_documents(ours), sum_documents(theirs)
    differences = None if own is None or other is None else bootstrap_differences(own, other)
    if differences is None:
        return [seeds, *["other documents"] * len(LEVELS)]
    return [seeds, *(_describe_difference(differences[level]) for level in LEVELS)]


def _match_seeds(
    ours: List[Dict[str, Any]], theirs: List[Dict[str, Any]]
) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]], str]:
    """The results of two cells with the same seeds, and the seeds; all of them if no seed is that of both."""
    common = {result["seed"] for result in ours} & {result["seed"] for result in theirs}
    if not common:
        return ours, theirs, f"{_list_seeds(ours)} against {_list_seeds(theirs)}"
    ours, theirs = ([result for result in results if result["seed"] in common] for results in (ours, theirs))
    return ours, theirs, _list_seeds(ours)


def _list_seeds(results: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(str(seed) for seed in sorted(result["seed"] for result in results))


def _describe_difference(difference: Difference) -> str:
    text = f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
    return f"**{text}**" if difference.low > 0 or difference.high < 0 else text


def relation_types_table(cell: CellOutcome) -> str:
    """Make the table of relation types of a cell."""
    counts = [result["dev"]["counts"]["type"]["per_relation_type"] for result in cell.results]
    names = {name for of_result in counts for name in of_result}
    gold = {name: max(of_result.get(name, {}).get("gold", 0) for of_result in counts) for name in names}
    rows = []
    for name in sorted(gold, key=lambda name: (-gold[name], name)):
        of_type = [of_result.get(name, {}) for of_result in counts]
        measures = (spread([float(row.get(key, 0.0)) for row in of_type], ".3f") for key in ("p", "r", "f"))
        rows.append([name, str(gold[name]), *measures])
    head = "pair + type, by relation type" + (" (stale)" if cell.stale else "")
    return _make_table([head, "gold", "precision", "recall", "F1"], rows)


def calibration_table(cells: Sequence[CellOutcome]) -> str:
    """Make the table of calibration."""
    rows = []
    for cell in cells:
        errors: List[Dict[str, Any]] = [result["dev"]["calibration"] for result in cell.results]
        for name in errors[0] if errors else ():
            values = ([row[name][key] for row in errors] for key in ("ece", "ece_after", "temperature"))
            rows.append([cell.label, name, *(spread(column, ".3f") for column in values)])
    return _make_table(["", "probability", "ECE", "ECE with temperature", "temperature"], rows, ["probability"])


def levels_table(default: Optional[GridOutcome], published: PublishedFigures) -> str:
    """Make the table of what this project and others reach at the four levels."""
    rows = [] if default is None else _own_levels(default)
    rows.extend(_published_levels(published, from_text=False))
    return _make_table(["", *LEVELS.values(), "measured on", "source"], rows, ["measured on", "source"])


def _published_levels(published: PublishedFigures, from_text: bool) -> Iterator[List[str]]:
    for row in published.figures:
        scores = [_format_published(row.scores.get(level)) for level in LEVELS]  # type: ignore[call-overload]
        agreement = "; ".join(f"{name} {_format_published(value)}" for name, value in row.agreement.items())
        name = f"{row.name}: {agreement}" if agreement else row.name
        if row.from_text == from_text:
            yield [name, *scores, row.measured_on, f"[{published.keys.index(row.source) + 1}]"]


def text_table(measured: Optional[Mapping[str, Any]], published: PublishedFigures) -> str:
    """Make the table of what this project, whose scores `evaluate --from-text` has written, and others reach from plain
    text."""
    rows = []
    if measured is not None:
        scores = (f"{measured[level]['f']:.3f}" for level in LEVELS)
        rows.append(["**this project**", *scores, "dev split of BioRED", "here"])
    rows.extend(_published_levels(published, from_text=True))
    return _make_table(["", *LEVELS.values(), "measured on", "source"], rows, ["measured on", "source"])


def found_table(measured: Mapping[str, Any]) -> str:
    """Make the table of the mentions and concepts that `evaluate --from-text` has scored, by entity type."""
    rows = []
    for type in ("all", *measured["mentions"]["per_entity_type"]):
        row = [type]
        for name in ("mentions", "concepts"):
            counts = measured[name] if type == "all" else measured[name]["per_entity_type"].get(type, {})
            row.extend(f"{counts[key]:.3f}" if counts else _NOTHING for key in ("p", "r", "f"))
        rows.append(row)
    head = [f"{name}: {measure}" for name in ("mentions", "concepts") for measure in ("precision", "recall", "F1")]
    return _make_table(["", *head], rows)


def _own_levels(default: GridOutcome) -> List[List[str]]:
    rows = []
    if default.floor is not None:
        scores = (spread([level_f(level)(default.floor)], ".3f") for level in LEVELS)
        rows.append([default.floor_label, *scores, default.grid.common.dev, "here"])
    cell = default.main_cell
    if cell is not None:
        scores = (spread([level_f(level)(result) for result in cell.results], ".3f") for level in LEVELS)
        rows.append([f"**this project: {cell.label}**", *scores, cell.cell.dev, "here"])
    return rows


def _format_published(score: Optional[float]) -> str:
    """A score with three digits, or four if that is how it was published."""
    return _NOTHING if score is None else f"{score:.4f}".removesuffix("0")


def _make_table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[str] = ()) -> str:
    """Align all columns to the right, as numbers are, but the first one and the named ones with texts."""
    aligns: List[Literal["r", "c", "l"]] = ["l", *("l" if name in texts else "r" for name in head[1:])]
    cells = [[cell.replace("|", "/") for cell in row] for row in (head, *rows)]
    return MarkdownRenderer().table(cells[1:], cells[0], aligns)
