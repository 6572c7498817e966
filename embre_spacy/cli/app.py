"""The application that the commands belong to, and how they talk: tables, notes, JSON, and one line for an error."""

import json
import sys
import warnings
from contextlib import contextmanager
from enum import Enum
from glob import glob
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, List, Optional

import typer
from rich.console import Console
from rich.table import Column, Table

from ..errors import EmbreError
from ..files import FORMATS, INPUT_FORMATS, open_output

# Arguments and options that several commands have.
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A pipeline: a folder, or an installed package.")]
Gold = Annotated[Path, typer.Argument(help="The gold documents, in any format that `convert` reads.")]
BatchSize = Annotated[int, typer.Option(min=1, help="How many documents the pipeline gets at once.")]
GpuId = Annotated[int, typer.Option("--gpu-id", "-g", help="The GPU to use; -1 for the CPU.")]
Format = Enum("Format", {name: name for name in FORMATS}, type=str)  # type: ignore[misc]
_InputFormat = Enum("_InputFormat", {name: name for name in INPUT_FORMATS}, type=str)  # type: ignore[misc]
InputFormat = Annotated[
    Optional[_InputFormat], typer.Option("--from", help="The format of the inputs, if suffixes are not to decide.")
]
Pmids = Annotated[
    Optional[Path], typer.Option(help="A file of PMIDs to ask PubTator3's service for; the same as pubtator3:@FILE.")
]
_HEAD = ("gold", "tp", "fp", "fn", "P", "R", "F1")

app = typer.Typer(
    name="embre_spacy",
    help="Biomedical relations with novelty in spaCy: corpora, pretraining, calibration, annotation, evaluation. "
    "Training is `spacy train`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def accept_any_console() -> None:
    """Escape the characters that the encoding of the console does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def escape(text: str) -> str:
    """Escape what is no text in text of files, such as the characters that command a terminal."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def say(message: str) -> None:
    """Print a line of the result of a command."""
    typer.echo(escape(message))


def note(message: str) -> None:
    """Print a line that is not the result of a command."""
    typer.echo(escape(message), err=True)


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn the errors of this package and of the system into one line and exit code 1, and warnings into notes."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *where: note(f"Note: {message}")
            yield
    except (EmbreError, MemoryError, OSError) as error:
        cause = str(error) or "there is not enough memory"
        if isinstance(error, OSError):
            cause = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or cause
        note(f"Error: {cause}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        note("Error: interrupted")
        raise typer.Exit(130) from None


def add_pmids(inputs: Optional[List[str]], pmids: Optional[Path]) -> List[str]:
    """The inputs of a command and what `--pmids` asks for, at least one of them."""
    every = [*(inputs or []), *([f"pubtator3:@{pmids}"] if pmids else [])]
    if not every:
        raise EmbreError("name an INPUT, or a file of PMIDs by --pmids")
    return every


def expand_patterns(names: Optional[List[Path]]) -> List[str]:
    """The files that patterns stand for; a name that stands for none as it is."""
    return [file for name in map(str, names or ()) for file in sorted(glob(name)) or [name]]


def print_counts(counts: Dict[str, Dict[str, Any]], title: str) -> None:
    """Print what `count_relations` or `evaluate_from_text` returns, as tables."""
    from ..relation.scoring import LEVEL_NAMES

    tables = {
        "": {name: counts[level] for level, name in LEVEL_NAMES.items()},
        "pair + type, by relation type": counts["type"]["per_relation_type"],
    }
    for name, of_name in counts.items():
        if "per_entity_type" in of_name:
            tables[name] = {"all": of_name, **of_name["per_entity_type"]}
    # Names of types and files are no markup.
    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    for head, rows in tables.items():
        table = Table(
            Column(head, overflow="fold"), *_HEAD, title=None if head else escape(title), title_justify="left"
        )
        for name, row in rows.items():
            shares = (f"{row[key]:.4f}" for key in ("p", "r", "f"))
            table.add_row(escape(name), *(str(row[key]) for key in _HEAD[:4]), *shares)
        console.print(table)


def write_json(data: Dict[str, Any], path: Path) -> None:
    """Write a JSON file, and the folders above it."""
    with open_output(path, make_folder=True) as file:
        file.write((json.dumps(data, indent=1) + "\n").encode())
