"""How the commands talk: tables and notes for people, JSON files for programs, one line for an error."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import typer
from rich.console import Console
from rich.table import Table

from ..errors import EmbreError
from ..files import open_output


def note(message: str) -> None:
    """Say something that is not the result of a command.

    message (str): One line.
    """
    typer.echo(message, err=True)


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn the errors that this package raises on purpose, and those of the file system, into one line and exit
    code 1."""
    try:
        yield
    except EmbreError as error:
        note(f"Error: {error}")
        raise typer.Exit(1) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        note(f"Error: {where}{error.strerror or error}")
        raise typer.Exit(1) from None


def print_counts(counts: Dict[str, Dict[str, Any]], title: Optional[str] = None) -> None:
    """Print scores as tables: the four levels, then relation types.

    counts (Dict[str, Dict[str, Any]]): What `count_relations` returns.
    title (Optional[str]): The heading.
    """
    from ..relation.scoring import LEVEL_NAMES

    console = Console(file=sys.stdout)
    table = Table("", "gold", "tp", "fp", "fn", "P", "R", "F1", title=title, title_justify="left")
    for level, name in LEVEL_NAMES.items():
        table.add_row(name, *_cells(counts[level]))
    console.print(table)
    table = Table("pair + type, by relation type", "gold", "tp", "fp", "fn", "P", "R", "F1")
    for name, found in counts["type"]["per_relation_type"].items():
        table.add_row(name, *_cells(found))
    console.print(table)


def _cells(found: Dict[str, Any]):
    numbers = [str(found[key]) for key in ("gold", "tp", "fp", "fn")]
    return [*numbers, *(f"{found[key]:.4f}" for key in ("p", "r", "f"))]


def write_json(data: Dict[str, Any], path: Path) -> None:
    """Write a JSON file, and the folders above it.

    data (Dict[str, Any]): The content.
    path (Path): The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_output(path) as file:
        file.write((json.dumps(data, indent=1) + "\n").encode())
