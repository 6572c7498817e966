"""Figures that others have published, from one data file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

import srsly

from embre_spacy.errors import EmbreError

from .columns import LEVELS

PUBLISHED_FILE = "published.yml"
_SOURCE_KEYS = ("authors", "title", "year", "where", "link")


@dataclass(frozen=True)
class Published:
    """A system, or people, and the figures that were published of them.

    name (str): What it is.
    scores (Dict[str, float]): F1 at the levels that were published.
    agreement (Dict[str, float]): The agreement of people, where the figures are no F1 at our levels.
    measured_on (str): The documents.
    source (str): The key of the source.
    """

    name: str
    scores: Dict[str, float]
    agreement: Dict[str, float]
    measured_on: str
    source: str


@dataclass(frozen=True)
class PublishedFigures:
    """All published figures.

    note (str): What holds for all of them.
    rows (Tuple[Published, ...]): The figures.
    sources (Dict[str, str]): Where they come from, by key, as Markdown.
    """

    note: str
    rows: Tuple[Published, ...]
    sources: Dict[str, str]


def load_published(path: Path) -> PublishedFigures:
    """Read the file of published figures.

    path (Path): The file.
    RETURNS (PublishedFigures): The figures.
    RAISES (EmbreError): If the file is missing or cannot be read, or a figure has no source.
    """
    if not path.is_file():
        raise EmbreError(f"{path}: there is no such file of published figures")
    try:
        found = srsly.read_yaml(path)
        sources = {key: _describe_source(one) for key, one in found["sources"].items()}
        rows = [_make_row(one) for one in found["figures"]]
        note = str(found["note"]).strip()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmbreError(f"{path}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    for row in rows:
        if row.source not in sources:
            raise EmbreError(f"{path}: {row.name!r} has the source {row.source!r}, which is not among the sources")
        if not row.scores.keys() <= LEVELS.keys():
            raise EmbreError(f"{path}: the scores of {row.name!r} have other levels than {', '.join(LEVELS)}")
    return PublishedFigures(note, tuple(rows), sources)


def _make_row(found: Mapping[str, Any]) -> Published:
    return Published(
        name=found["name"],
        scores=dict(found.get("scores") or {}),
        agreement=dict(found.get("agreement") or {}),
        measured_on=found["measured_on"],
        source=found["source"],
    )


def _describe_source(found: Mapping[str, Any]) -> str:
    authors, title, year, where, link = (found[key] for key in _SOURCE_KEYS)
    return f"{authors} ({year}), [{title}]({link}), {where}"


def list_sources(figures: PublishedFigures) -> List[str]:
    """The sources that the figures name, in their order.

    figures (PublishedFigures): The figures.
    RETURNS (List[str]): Their keys.
    """
    return list(dict.fromkeys(row.source for row in figures.rows))
