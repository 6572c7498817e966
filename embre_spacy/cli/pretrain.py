"""`python -m embre_spacy pretrain`."""

from pathlib import Path
from typing import List, Optional

import typer

from ..errors import EmbreError, InputError
from ._app import app


@app.command(
    "pretrain", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, no_args_is_help=True
)
def pretrain_command(
    ctx: typer.Context,
    corpus: Path = typer.Argument(..., help="Training documents with their mentions (DocBin)", show_default=False),
    output: Path = typer.Argument(
        ..., help="Folder to write: a Hugging Face folder with a report", show_default=False, metavar="OUTPUT_DIR"
    ),
    config: Optional[Path] = typer.Option(
        None, "--config", "-c", help="Config file, such as configs/pretrain.cfg; its defaults if not given"
    ),
    dev: Optional[Path] = typer.Option(
        None, "--dev", "-d", help="Held-out documents (DocBin); a share of CORPUS if not given"
    ),
    resume: bool = typer.Option(
        True, "--resume/--no-resume", help="Go on with an interrupted run in OUTPUT_DIR, or start anew"
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace a finished run in OUTPUT_DIR"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """
    Pretrain a transformer by **entity masking**: concepts of a document are hidden at random, all mentions of each, and
    their identifiers and types predicted.

    Settings of the config can be overridden, as for `spacy train`: `--training.epochs 3`. On several GPUs run
    `accelerate launch -m embre_spacy pretrain ...`. A run that was interrupted goes on with the same command.
    """
    try:
        _pretrain(ctx.args, corpus, output, config, dev, resume, overwrite, gpu_id)
    except EmbreError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None


def _pretrain(
    extra: List[str],
    corpus: Path,
    output: Path,
    config: Optional[Path],
    dev: Optional[Path],
    resume: bool,
    overwrite: bool,
    gpu_id: int,
) -> None:
    # What takes seconds to import comes after what may be wrong in the call.
    from spacy.cli._util import parse_config_overrides

    from ..pretraining import load_pretraining_config

    settings = load_pretraining_config(config, parse_config_overrides(extra))
    docs = _read(corpus)
    dev_docs = None if dev is None else _read(dev)

    from rich.console import Console

    from ..pretraining.train import pretrain

    pretrain(
        docs,
        output,
        settings,
        dev_docs=dev_docs,
        resume=resume,
        overwrite=overwrite,
        gpu_id=gpu_id,
        console=Console(),
    )


def _read(path: Path) -> list:
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    if not path.is_file():
        raise InputError("there is no such file", file=str(path))
    try:
        docs = list(DocBin().from_disk(path).get_docs(Vocab()))
    except Exception as error:
        raise InputError("not a DocBin file", file=str(path)) from error
    if not docs:
        raise InputError("the corpus has no documents", file=str(path))
    return docs
