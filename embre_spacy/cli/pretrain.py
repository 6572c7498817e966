"""`pretrain`: a transformer, by entity masking."""

from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import typer

from ..errors import EmbreError
from ._app import app
from ._output import note, report_errors


@app.command(
    "pretrain", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, no_args_is_help=True
)
def pretrain_command(
    ctx: typer.Context,
    corpus: Annotated[
        Path, typer.Argument(help="The training documents, in any format that `convert` reads.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT_DIR", help="The folder to write: a Hugging Face folder, with a report.", show_default=False
        ),
    ],
    config: Annotated[
        Optional[Path],
        typer.Option("--config", "-c", help="The settings, such as configs/pretrain.cfg; their defaults if not given."),
    ] = None,
    dev: Annotated[
        Optional[Path],
        typer.Option("--dev", "-d", help="Held-out documents; a share of CORPUS if not given."),
    ] = None,
    also: Annotated[
        Optional[List[Path]],
        typer.Option(
            "--also", help="More training documents: a file, or a folder with .spacy files. May be given several times."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with an interrupted run in OUTPUT_DIR, or start anew.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what OUTPUT_DIR holds.")] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="The GPU to use; -1 for the CPU.")] = -1,
) -> None:
    """Pretrain a transformer by **entity masking**: of each document some concepts are hidden, every mention of each,
    and their identifiers and entity types are predicted.

    Settings can be overridden as for `spacy train`: `--training.epochs 3`. On several GPUs:
    `accelerate launch -m embre_spacy pretrain ...`. A run that was interrupted goes on with the same command.

    OUTPUT_DIR/pretraining.json has the settings and the table of epochs. The folder is the `encoder` of the training
    config.

    Example: python -m embre_spacy pretrain train.spacy pretrained --dev dev.spacy --config configs/pretrain.cfg
    """
    with report_errors():
        # Importing takes seconds, so what may be wrong in the call comes first.
        from ..pretraining import load_pretraining_config

        settings = load_pretraining_config(config, _parse_overrides(ctx.args))

        from spacy.vocab import Vocab

        from ..formats import read
        from ..pretraining import join_corpora

        vocab = Vocab()
        dev_docs = None if dev is None else list(read(dev, vocab))
        docs = list(read(corpus, vocab))
        if also:
            # With one corpus, what it holds is what is trained on; what is put together may overlap.
            docs, left_out = join_corpora(docs, [read(file, vocab) for file in _find_files(also)], dev_docs or [])
            for line in left_out:
                note(line)

        from rich.console import Console

        from ..pretraining import pretrain

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


def _find_files(paths: List[Path]) -> List[Path]:
    files = []
    for path in paths:
        found = sorted(path.rglob("*.spacy")) if path.is_dir() else [path]
        if not found:
            raise EmbreError(f"{path}: there is no .spacy file in this folder or below it")
        files.extend(found)
    return files


def _parse_overrides(extra: List[str]) -> Dict[str, Any]:
    """Read settings from the command line, and from SPACY_CONFIG_OVERRIDES, as `spacy train` does."""
    from click import NoSuchOption
    from spacy.cli._util import parse_config_overrides

    try:
        return parse_config_overrides(list(extra))
    except NoSuchOption as error:
        # Some versions of typer do not handle the errors of click, which spaCy raises.
        raise EmbreError(f"no such option: {error.option_name} (settings have a section: --training.epochs)") from error
