"""`pretrain` and `calibrate`: what comes before and after `spacy train`."""

import json
import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional, Sequence

import typer

from ..errors import EmbreError
from ..files import add_file_to_errors
from .app import BatchSize, GpuId, Model, app, expand_patterns, note, report_errors, write_json


@app.command(
    "pretrain", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, no_args_is_help=True
)
def pretrain_command(
    ctx: typer.Context,
    corpus: Annotated[Path, typer.Argument(help="The training documents, in any format that `convert` reads.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT_DIR", help="The Hugging Face folder to write.")],
    config: Annotated[
        Optional[Path],
        typer.Option("--config", "-c", help="The settings, such as configs/pretrain.cfg; their defaults if not given."),
    ] = None,
    dev: Annotated[
        Optional[Path], typer.Option("--dev", "-d", help="Held-out documents; a share of CORPUS if not given.")
    ] = None,
    also: Annotated[
        Optional[List[Path]],
        typer.Option("--also", help="More documents: a file, or a folder of .spacy files. May be given several times."),
    ] = None,
    texts: Annotated[
        Optional[List[Path]],
        typer.Option("--texts", help="Texts to mask words of, as JSON lines: a file or pattern. It can be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue an interrupted run in OUTPUT_DIR, or start anew.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what OUTPUT_DIR holds.")] = False,
    gpu_id: GpuId = -1,
) -> None:
    """Pretrain a transformer by **entity masking**: hide some concepts of each document, with all their mentions, and
    predict their identifiers and entity types.

    Options replace settings as for `spacy train`: `--training.epochs 3`. The same command continues an interrupted run.
    On several GPUs: `accelerate launch -m embre_spacy pretrain ...`.

    OUTPUT_DIR is the `encoder` of a training config; its pretraining.json has the settings and the table of epochs.

    Example: python -m embre_spacy pretrain train.spacy pretrained --dev dev.spacy --config configs/pretrain.cfg
    """
    with report_errors():
        from rich.console import Console
        from spacy.vocab import Vocab

        from ..corpus import list_corpus_files
        from ..formats import read
        from ..pretraining import join_corpora, load_pretraining_config, pretrain

        settings = load_pretraining_config(config, _parse_overrides(ctx.args))
        vocab = Vocab()
        dev_docs = None if dev is None else list(read(dev, vocab))
        docs = list(read(corpus, vocab))
        if also:
            # A corpus alone is trained on as it is; corpora that are joined may overlap.
            others = [read(file, vocab) for path in also for file in list_corpus_files(path)]
            docs, left_out = join_corpora(docs, others, dev_docs or [])
            for line in left_out:
                note(line)
        pretrain(
            docs,
            output,
            settings,
            dev_docs=dev_docs,
            texts=expand_patterns(texts),
            resume=resume,
            overwrite=overwrite,
            gpu_id=gpu_id,
            console=Console(),
        )


def _parse_overrides(arguments: Sequence[str]) -> Dict[str, Any]:
    """Parse settings as `spacy train` does: those of the command line, then those of SPACY_CONFIG_OVERRIDES."""
    overrides: Dict[str, Any] = {}
    rest = [*arguments, *shlex.split(os.environ.get("SPACY_CONFIG_OVERRIDES", ""))]
    while rest:
        name, has_value, value = rest.pop(0).partition("=")
        if not name.startswith("--") or "." not in name:
            raise EmbreError(f"no such option: {name} (settings have a section: --training.epochs)")
        if not has_value:
            value = "true" if not rest or rest[0].startswith("--") else rest.pop(0)
        with suppress(ValueError):
            value = json.loads(value)
        overrides[name[2:].replace("-", "_")] = value
    return overrides


@app.command("calibrate")
def calibrate_command(
    model: Model,
    dev: Annotated[Path, typer.Argument(help="Held-out gold documents, in any format that `convert` reads.")],
    output: Annotated[Path, typer.Argument(help="The folder to write the calibrated pipeline to.")],
    level: Annotated[
        Optional[str],
        typer.Option(help="The level whose F1 chooses the threshold: pair, type, novelty, all; by default their mean."),
    ] = None,
    report: Annotated[Optional[Path], typer.Option(help="Write the results as JSON.")] = None,
    batch_size: BatchSize = 64,
    gpu_id: GpuId = -1,
) -> None:
    """Fit temperatures on held-out documents, so that of the candidates with a probability of 0.7 about 70% are
    related, and choose the threshold with the best F1."""
    with report_errors():
        from ..formats import read
        from ..relation.calibration import calibrate
        from ..relation.scoring import LEVELS
        from ..util import describe_run, load_pipeline

        if level is not None and level not in LEVELS:
            raise EmbreError(f"--level must be one of {', '.join(LEVELS)}, not {level!r}")
        nlp = load_pipeline(model, gpu_id)
        results = calibrate(nlp, list(read(dev, nlp.vocab)), level=level, batch_size=batch_size)
        with add_file_to_errors(output):
            nlp.to_disk(output)
        for name, row in results["calibration"].items():
            note(
                f"{name}: temperature {row['temperature']:.3f}, calibration error {row['ece']:.4f} before, "
                f"{row['ece_after']:.4f} after (fitted on one half of the documents, measured on the other)"
            )
        note(f"threshold {results['threshold']:.2f} -> {output}")
        if report is not None:
            write_json({**results, "run": describe_run()}, report)
