"""`python -m experiments`: run grids, report on them, count the sentences of evidence."""

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Iterator, List, Optional

import typer

from embre_spacy.cli.app import GpuId, accept_any_console, note, report_errors, say, write_json
from embre_spacy.errors import EmbreError

app = typer.Typer(
    name="experiments",
    help="Grids of trainings that one file describes, the report on what came of them, and the evidence of gold.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

_RESULTS = Path("experiments/results")


@app.command("run", no_args_is_help=True)
def run_command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The grid, such as experiments/default.yml.", show_default=False)
    ],
    only: Annotated[
        Optional[List[str]], typer.Option("--only", metavar="CELL", help="Run this cell only; may be repeated.")
    ] = None,
    seed: Annotated[
        Optional[List[int]],
        typer.Option(
            "--seed", metavar="N", help="Train with this seed only; may be repeated. It must be one of FILE's."
        ),
    ] = None,
    gpu_id: GpuId = -1,
    results: Annotated[Path, typer.Option(help="Where the small JSON files of results go.")] = _RESULTS,
    work: Annotated[
        Path, typer.Option(help="Where pretrained transformers, logs and pipelines in training go.")
    ] = Path("training/experiments"),
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Keep trained pipelines when they have been evaluated.")
    ] = False,
) -> None:
    """Pretrain, train and evaluate every cell of a grid with every seed, and write a JSON file for each.

    What is done is skipped, so the same command **goes on after it was killed**: finished cells stay, a pretraining
    goes on from its last epoch, a training that was under way starts anew. A cell whose settings or documents have
    changed since is run again. Paths in FILE are those from the current folder.

    If a cell fails, the others are run still, and the exit code is 1.
    """
    with report_errors(), _exit_when_terminated():
        from rich.console import Console

        from .grid import load_grid
        from .run import RunPaths, run_grid

        grid = load_grid(file)
        paths = RunPaths(results, work, gpu_id=gpu_id, keep_weights=keep_weights)
        failed = run_grid(grid, paths, only=only or (), seeds=seed or (), console=Console())
        if failed:
            raise EmbreError(f"{file}: failed: {', '.join(failed)}")


@contextmanager
def _exit_when_terminated() -> Iterator[None]:
    """Take a training down with the command that started it, when this is told to end."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@app.command("report")
def report_command(
    grids: Annotated[
        Path, typer.Option(help="The folder of the grids, of the commentaries on them, and of published.yml.")
    ] = Path("experiments"),
    results: Annotated[Path, typer.Option(help="The folder of results.")] = _RESULTS,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The report, in Markdown. Its figures go to figures/ beside it.")
    ] = Path("docs/results.md"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with code 1 if the report is not what it would be.")
    ] = False,
) -> None:
    """Write the tables and figures of all grids from the JSON files of their results. Needs no corpus."""
    with report_errors():
        from .report import check_report, write_report

        if check:
            check_report(grids, results, output)
            note(f"{output}: is what the results give")
        else:
            for file in write_report(grids, results, output):
                say(str(file))


@app.command("evidence", no_args_is_help=True)
def evidence_command(
    corpus: Annotated[Path, typer.Argument(help="Documents with relations, in any format that `convert` reads.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
) -> None:
    """Count how many sentences the relations of gold documents are read from, and how far apart they are."""
    with report_errors():
        from spacy.vocab import Vocab

        from embre_spacy import read
        from embre_spacy.util import describe_run

        from .evidence import measure_evidence

        measured = measure_evidence(read(corpus, Vocab()))
        write_json({**measured, "run": describe_run("experiments")}, output)
        say(f"{output}: relations by sentences {measured['evidence']}, apart {measured['apart']}")


if __name__ == "__main__":
    accept_any_console()
    app(prog_name="python -m experiments")
