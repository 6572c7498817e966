"""`evaluate` and `score`: a pipeline, or a file, against gold documents."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from ..errors import EmbreError
from ..files import remove_file
from .app import BatchSize, Gold, GpuId, Model, app, note, print_counts, report_errors, write_json


@app.command("evaluate")
def evaluate_command(
    model: Model,
    gold: Gold,
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Write the scores as JSON.")] = None,
    from_text: Annotated[
        bool,
        typer.Option(
            "--from-text",
            help="Take the mentions away: the pipeline has to find them, and their identifiers, in the texts.",
        ),
    ] = False,
    to_meta: Annotated[
        bool,
        typer.Option(
            "--to-meta", help="Write the scores into the meta.json of the pipeline, whose package shows them, as well."
        ),
    ] = False,
    batch_size: BatchSize = 64,
    gpu_id: GpuId = -1,
    if_exists: Annotated[
        bool, typer.Option("--if-exists", help="If there is no such file of gold documents, say so and stop well.")
    ] = False,
) -> None:
    """Score the relations that a pipeline finds in documents whose mentions are given, as `score` does.

    With `--from-text` a relation is right if both its identifiers are, as in subtask 2 of BioCreative VIII. Mentions
    (start, end and type must be right) and concepts (identifier and type) are scored as well.
    """
    with report_errors():
        if if_exists and not gold.exists():
            note(f"{gold}: not there, so nothing is evaluated on it")
            if output is not None:
                # Scores that an earlier run left would stand beside others as if they belonged to this pipeline.
                remove_file(output)
            return
        from ..evaluation import evaluate_from_text, evaluate_pipeline
        from ..formats import read
        from ..relation.scoring import flatten_scores
        from ..util import describe_run, load_pipeline

        if to_meta and not Path(model).is_dir():
            raise EmbreError(f"{model}: --to-meta needs the folder of a pipeline")
        nlp = load_pipeline(model, gpu_id)
        evaluate = evaluate_from_text if from_text else evaluate_pipeline
        counts = evaluate(nlp, read(gold, nlp.vocab), batch_size=batch_size)
        print_counts(counts, f"{model} on {gold}")
        if output is not None:
            seed = nlp.config.interpolate()["training"].get("seed")
            write_json({**counts, "run": {**describe_run(), "training_seed": seed}}, output)
        if to_meta:
            scores = flatten_scores(counts)
            prefix = "from_text_" if from_text else ""
            performance = {**nlp.meta.get("performance", {}), **{f"{prefix}{name}": scores[name] for name in scores}}
            write_json({**nlp.meta, "performance": performance}, Path(model) / "meta.json")


@app.command("score")
def score_command(
    gold: Gold,
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
