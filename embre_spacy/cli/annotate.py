"""`annotate`: relations for many documents."""

from enum import Enum
from typing import Annotated, Any, List, Optional

import typer
from rich.console import Console

from ..files import OUTPUT_FORMATS
from .app import BatchSize, GpuId, InputFormat, Model, Pmids, add_pmids, app, note, report_errors, say

OutputFormat = Enum("OutputFormat", {name: name for name in OUTPUT_FORMATS}, type=str)  # type: ignore[misc]
Engine = Enum("Engine", {name: name for name in ("local", "ray")}, type=str)  # type: ignore[misc]

_MOST_NOTES = 20


@app.command("annotate", no_args_is_help=True)
def annotate_command(
    model: Model,
    inputs: Annotated[
        Optional[List[str]],
        typer.Argument(
            metavar="INPUT",
            help='Files, folders (all files in them whose suffix is known), patterns such as "corpus/*.xml.gz", URIs '
            "(s3://bucket/folder), - for standard input, or pubtator3:PMID,... for documents of PubTator3.",
        ),
    ] = None,
    *,
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT", help="A file, or a folder (it ends in / or exists) with one per input.")
    ],
    from_: InputFormat = None,
    pmids: Pmids = None,
    to: Annotated[
        Optional[OutputFormat], typer.Option("--to", help="The format of the output, if no suffix is to decide.")
    ] = None,
    batch_size: BatchSize = 64,
    n_process: Annotated[
        int, typer.Option("--n-process", "-n", min=1, help="How many processes predict, or read and write for a GPU.")
    ] = 1,
    gpu_id: GpuId = -1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that exist, and what another run has begun.")
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="`ray` runs the same work on the Ray cluster that is there, or else on this machine.")
    ] = Engine.local,  # type: ignore[attr-defined]
    actors: Annotated[
        Optional[int], typer.Option(min=1, help="How many actors Ray starts; by default one for each processor or GPU.")
    ] = None,
    quote_formulas: Annotated[
        bool, typer.Option("--quote-formulas", help="Put an apostrophe before what spreadsheets take for formulas.")
    ] = False,
) -> None:
    """Predict the relations of all documents of **any number of files**, in every format that `convert` reads, and
    write them with their mentions as **BioC XML**, **BioC JSON**, **PubTator** or **DocBin** (.xml, .json, .jsonl,
    .pubtator, .spacy), or the relations alone as a **table** (.csv, .tsv, .parquet, or `--to relations-jsonl`).
    Relations that the inputs have are replaced.

    A table has a row for each relation: document; source_id, source_type, source_name; target_id, target_type,
    target_name; relation; novelty; pair_probability (that the two are related), relation_probability (that of this
    type), novelty_probability; evidence, evidence_offsets (the sentences that it is read from, and their characters).

    Outputs appear when they are complete. A command that was killed **goes on where it was**, from OUTPUT.parts.

    A document that cannot be used is **set aside** in OUTPUT.rejects.jsonl (rejects.jsonl in a folder) with its file,
    id, number and cause; so is, in one file of several, a document with an id that was there before. Exit code: 0 if
    all documents came out, 3 if some were set aside, 1 for an error.

    A **large file is shared out** among processes if it is JSON lines, lines of text, PubTator, or XML of BioC or
    PubMed, and not gzipped. Inputs in BioC JSON and DocBin, and one DocBin as output, are in memory; all else streams.

    Example: python -m embre_spacy annotate en_embre corpus/ "more/*.pubtator.gz" relations.parquet
    """
    with report_errors():
        from rich.progress import Progress

        from ..annotate import annotate

        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("loading the pipeline", total=None)

            def show(progress: Any) -> None:
                rate = f"{progress.documents / (bar.tasks[0].elapsed or 1):.1f} per second"
                bar.update(task, completed=progress.size, description=f"{progress.documents} documents, {rate}")

            summary = annotate(
                model,
                add_pmids(inputs, pmids),
                output,
                from_format=from_ and from_.value,
                to=to and to.value,
                batch_size=batch_size,
                n_process=n_process,
                gpu_id=gpu_id,
                overwrite=overwrite,
                engine=engine.value,
                actors=actors,
                quote_formulas=quote_formulas,
                on_start=lambda size: bar.reset(task, total=size, description="no document yet"),
                on_progress=show,
            )
        for line in summary.notes[:_MOST_NOTES]:
            note(f"Note: {line}")
        if len(summary.notes) > _MOST_NOTES:
            note(f"Note: there are {len(summary.notes) - _MOST_NOTES} more notes of this kind")
        say(
            f"{output}: documents {summary.documents}, relations {summary.relations}, set aside {summary.rejected}, "
            f"{summary.predicted / summary.seconds:.1f} documents per second"
        )
    if summary.rejected:
        note(f"{summary.rejects}: {summary.rejected} documents were set aside")
        raise typer.Exit(3)
