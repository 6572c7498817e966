"""The application that the commands belong to."""

import typer

app = typer.Typer(
    name="embre_spacy",
    help="Biomedical relations with novelty in spaCy: convert, pretrain, score, evaluate. Training is `spacy train`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Make the application a group of commands even while it has one."""
