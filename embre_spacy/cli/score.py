"""`score`: two files against each other."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from ._app import app
from ._output import note, print_counts, report_errors, write_json


@app.command("score")
def score_command(
    gold: Annotated[Path, typer.Argument(help="The gold documents, in any format that `convert` reads.")],
    predicted: Annotated[Path, typer.Argument(help="The predicted documents, in any of these formats.")],
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Write the scores as JSON.")] = None,
) -> None:
    """Score the relations of one file against another, as the official BioRED evaluation does.

    Documents are matched by their ids. Relations are compared as unordered pairs of identifiers at four levels:
    pair, pair + type, pair + novelty, and all three.
    """
    with report_errors():
        from spacy.vocab import Vocab

        from ..evaluation import score_documents
        from ..formats import read

        vocab = Vocab()
        counts, missing = score_documents(read(gold, vocab), read(predicted, vocab))
        if missing:
            note(f"{predicted}: {len(missing)} gold documents are absent and count as missed: {', '.join(missing[:5])}")
        print_counts(counts, f"{predicted} against {gold}")
        if output is not None:
            write_json(counts, output)
