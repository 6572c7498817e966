"""`python -m benchmarks MODEL CORPUS`: how fast a pipeline is and how much memory it takes."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from embre_spacy.cli.app import BatchSize, GpuId, Model, accept_any_console, note, report_errors, say, write_json

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.command(no_args_is_help=True)
def benchmark_command(
    model: Model,
    corpus: Annotated[
        Path, typer.Argument(help="Documents with relations, in any format that `convert` reads.", show_default=False)
    ],
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="Write the measurements as JSON.", show_default=False)
    ] = None,
    report: Annotated[
        Optional[Path],
        typer.Option(help="Write them as Markdown; a plot goes to figures/ beside it.", show_default=False),
    ] = None,
    batch_size: BatchSize = 64,
    repeats: Annotated[int, typer.Option(min=1, help="How often everything is timed.")] = 5,
    sample: Annotated[
        int, typer.Option(min=1, help="How many documents the pairs encoder reads, and how many training steps.")
    ] = 8,
    gpu_id: GpuId = -1,
) -> None:
    """Measure a pipeline with a document encoder, in one process, and compare with what its transformer alone needs.

    - `nlp.pipe` against the bare transformer: the same wordpieces in the same calls, in the same precision.
    - The document encoder against the `pairs` encoder, which reads the text once for each candidate.
    - A text of 50,000 characters, made of documents of the corpus, against these documents.
    - A training step against a bare forward and backward pass.
    - The peak of memory for the corpus, and for ten times as many documents.
    - The seconds that importing the package and loading the pipeline take.

    Ratios are medians of times that were taken in turn; they say more than rates on a machine that others use.
    """
    with report_errors():
        from .measure import run_benchmark
        from .report import describe, write_report

        measured = run_benchmark(
            model, corpus, gpu_id=gpu_id, batch_size=batch_size, repeats=repeats, sample=sample, say=note
        )
        for name, value in describe(measured):
            say(f"{name}: {value}")
        if output is not None:
            write_json(measured, output)
        if report is not None:
            for file in write_report(measured, report):
                say(str(file))


if __name__ == "__main__":
    accept_any_console()
    app(prog_name="python -m benchmarks")
