"""The application that the commands belong to."""

import typer

app = typer.Typer(
    name="embre_spacy",
    help="Biomedical relations with novelty in spaCy: corpora, pretraining, calibration, annotation, evaluation. "
    "Training is `spacy train`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Biomedical relations with novelty in spaCy."""
