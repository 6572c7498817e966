"""`convert` and `prepare`: documents from one format to another, and the splits of a corpus to DocBin."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, Optional

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..errors import InputError
from ..files import FORMATS
from .app import app, report_errors

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
        from spacy.lang.en import English

        from ..formats import read, write

        vocab = English().vocab
        counts = {"documents": 0, "mentions": 0, "relations": 0}
        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

            def say(line: str) -> None:
                progress.print(f"Note: {line}", markup=False, highlight=False, soft_wrap=True)

            def read_file(path: Path) -> Iterator[Any]:
                return read(path, vocab, format=from_ and from_.value, strict=strict, on_anomalies=say)

            write(_join_files(inputs, read_file, counts, progress), output, format=to and to.value, on_anomalies=say)
        typer.echo(f"{output}: {', '.join(f'{name} {count}' for name, count in counts.items())}")


def _join_files(
    paths: List[Path], read_file: Callable[[Path], Iterator[Any]], counts: Dict[str, int], progress: Progress
) -> Iterator[Any]:
    """Yield and count the documents of all files; refuse one whose id a file before has."""
    from ..tokens import get_mentions

    task = progress.add_task("no document yet")
    indices: Dict[str, int] = {}
    for index, path in enumerate(paths):
        for doc in read_file(path):
            document = doc._.document_id
            if document and indices.setdefault(document, index) != index:
                cause = f"{paths[indices[document]]} has this document too"
                raise InputError(cause, file=str(path), document=document)
            counts["documents"] += 1
            counts["mentions"] += len(get_mentions(doc))
            counts["relations"] += len(doc._.relations)
            progress.update(task, description=f"{counts['documents']} documents")
            yield doc


@app.command("prepare")
def prepare_command(
    assets: Annotated[
        Path, typer.Argument(help="The folder of the corpus: files of splits, or a zip archive of them.")
    ],
    corpus: Annotated[Path, typer.Argument(help="The folder to write train.spacy, dev.spacy and test.spacy to.")],
    source: Annotated[
        str, typer.Option("--from", help="First copy the files of the splits from this folder into ASSETS.")
    ] = "",
) -> None:
    """Convert the train, dev and test splits of a corpus to DocBin and verify their counts.

    A split is the file whose name starts with its name, such as Train.BioC.XML; the test split may be absent. Where
    the files are not one for each split, splits.json in ASSETS says of what the splits consist. How many documents,
    mentions and relations there have to be is read from counts.json there.
    """
    with report_errors():
        from ..splits import collect_files, prepare_corpus

        collect_files(assets, Path(source) if source else None)
        for line in prepare_corpus(assets, corpus):
            typer.echo(line)
