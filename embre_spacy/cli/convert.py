"""`convert`: any format to any other."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Dict, Iterator, List, Optional

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..files import FORMATS
from ._app import app
from ._output import report_errors

if TYPE_CHECKING:
    from spacy.tokens import Doc

Format = Enum("Format", {name: name for name in FORMATS}, type=str)  # type: ignore[misc]


@app.command()
def convert(
    inputs: Annotated[
        List[Path],
        typer.Argument(metavar="INPUT", help="Files to read. Several become one, in this order.", show_default=False),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The file to write.", show_default=False)],
    from_: Annotated[
        Optional[Format],
        typer.Option("--from", help="The format of the inputs, if their suffixes are not to decide."),
    ] = None,
    to: Annotated[
        Optional[Format], typer.Option("--to", help="The format of the output, if its suffix is not to decide.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse what is otherwise kept as it came and reported: annotations whose text differs from the "
            "characters at their offsets, that have no location or lie outside their passage, and relations that name "
            "an identifier which no annotation has or that are not between two concepts.",
        ),
    ] = False,
) -> None:
    """Convert documents with their mentions and relations between **BioC XML**, **BioC JSON** (also as PubTator3
    exports it, and one document per line), **PubTator** and spaCy's **DocBin**.

    Formats go by suffix, in upper or lower case: .xml, .json, .jsonl or .ndjson, .pubtator, .spacy; all but the last
    may be gzipped (.xml.gz).

    Text, offsets, annotation ids, identifiers, infons and relations come out as they went in, as far as the output has
    a place for them. BioC XML has only text in infons: other values become JSON text. PubTator has a title and an
    abstract (the first passage, and all others), no infons, and a line for each piece of a discontinuous mention.

    Errors name the file, the document and the cause; the exit code is 1 and no output is left.

    Example: python -m embre_spacy convert Train.BioC.XML Dev.PubTator all.spacy
    """
    with report_errors():
        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            counts = _convert(inputs, output, from_, to, strict, progress)
        typer.echo(f"{output}: {', '.join(f'{name} {count}' for name, count in counts.items())}")


def _convert(
    inputs: List[Path], output: Path, from_: Optional[Format], to: Optional[Format], strict: bool, progress: Progress
) -> Dict[str, int]:
    from spacy.lang.en import English

    from ..errors import InputError
    from ..formats import read, write
    from ..tokens import get_mentions

    vocab = English().vocab
    counts = {"documents": 0, "mentions": 0, "relations": 0}

    def say(line: str) -> None:
        progress.print(f"Note: {line}", markup=False, highlight=False, soft_wrap=True)

    def documents() -> Iterator["Doc"]:
        found_in: Dict[str, int] = {}
        for number, path in enumerate(inputs):
            task = progress.add_task(str(path))
            for doc in read(path, vocab, format=from_ and from_.value, strict=strict, on_anomalies=say):
                identifier = doc._.document_id
                if identifier and found_in.setdefault(identifier, number) != number:
                    first = inputs[found_in[identifier]]
                    raise InputError(f"{first} has this document too", file=str(path), document=identifier)
                counts["documents"] += 1
                counts["mentions"] += len(get_mentions(doc))
                counts["relations"] += len(doc._.relations)
                progress.update(task, description=f"{path}: {counts['documents']} documents")
                yield doc

    write(documents(), output, format=to and to.value, on_anomalies=say)
    return counts
