"""`prepare`: the splits of a corpus to the DocBin files that training reads."""

from pathlib import Path
from typing import Annotated

import typer

from ._app import app
from ._output import report_errors


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
        from ..splits import fill_assets, prepare_corpus

        fill_assets(assets, Path(source) if source else None)
        for line in prepare_corpus(assets, corpus):
            typer.echo(line)
