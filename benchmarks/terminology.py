"""`python -m benchmarks.terminology`: how fast a terminology of a million names is built and looked up."""

import random
import tempfile
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any, Dict, Iterator, List, Optional, Sequence

import typer
from spacy.tokens import Doc

from benchmarks.measure import SEED, peak_memory
from embre_spacy.cli.app import accept_any_console, note, report_errors, say, write_json
from embre_spacy.formats import read
from embre_spacy.labels import CHEMICAL, DISEASE, GENE, entity_type
from embre_spacy.linking.component import DEFAULT_CONFIG, ConceptLinker
from embre_spacy.terminology import Terminology
from embre_spacy.terminology.build import build_terminology
from embre_spacy.util import describe_run, load_pipeline

LOOKUPS = 20_000
THRESHOLD = DEFAULT_CONFIG["threshold"]
_SYLLABLES = [
    "al",
    "bu",
    "co",
    "den",
    "er",
    "fol",
    "gly",
    "ha",
    "is",
    "jo",
    "kin",
    "lep",
    "mo",
    "nor",
    "ox",
    "pro",
    "quin",
]
_SYLLABLES += ["ra", "sul", "tri", "ul", "ver", "xan", "yl", "zo"]
_TAXA = ("9606", "10090", "10116")

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.command()
def terminology_command(
    names: Annotated[int, typer.Option(min=1_000, help="How many names it has.")] = 1_000_000,
    model: Annotated[
        Optional[str], typer.Option(help="A pipeline with embre_concepts, whose share of `nlp.pipe` is measured.")
    ] = None,
    corpus: Annotated[Optional[Path], typer.Option(help="The documents that it reads, as plain text.")] = None,
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="Write the measurements as JSON.", show_default=False)
    ] = None,
) -> None:
    """Build a terminology of made-up names, and look names up in it from disk: names that it has, names with a letter
    more (which are compared with all names that are like them), and names that it does not have.

    With MODEL and CORPUS, also: how much of the time of `nlp.pipe` on plain text its component embre_concepts takes,
    with this terminology beside the names of the pipeline.
    """
    with report_errors(), tempfile.TemporaryDirectory() as folder:
        measured = {"run": describe_run("benchmarks.terminology"), **measure_terminology(Path(folder), names)}
        if model is not None and corpus is not None:
            measured.update(measure_share(model, corpus, Path(folder) / "names.sqlite"))
        for name, value in measured.items():
            if name != "run":
                say(f"{name}: {value:,.4g}" if isinstance(value, float) else f"{name}: {value:,}")
        if output is not None:
            write_json(measured, output)


def make_names(count: int) -> Iterator[str]:
    """Rows of a table: names of one to three words, as chemicals, diseases and genes have."""
    generator = random.Random(SEED)
    for number in range(count):
        words = ["".join(generator.choices(_SYLLABLES, k=generator.randint(2, 4))) for _ in range(number % 3 + 1)]
        type = (CHEMICAL, DISEASE, GENE)[number % 3]
        taxon = _TAXA[number % len(_TAXA)] if type == GENE else ""
        yield f"{type}\tX{number // 4}\t{' '.join(words)} {number % 50}\t{taxon}\n"


def measure_terminology(folder: Path, count: int) -> Dict[str, Any]:
    """Build a terminology in a folder and look names up in it."""
    table, path = folder / "names.tsv", folder / "names.sqlite"
    with table.open("w", encoding="utf8") as file:
        file.write("type\tidentifier\tname\ttaxon\n")
        file.writelines(make_names(count))
    note(f"building a terminology of {count:,} names")
    start = perf_counter()
    different = build_terminology([table], path)[""]
    seconds = perf_counter() - start
    rows = [row.rstrip("\n").split("\t") for row in islice(make_names(count), 0, None, max(count // LOOKUPS, 1))]
    terminology = Terminology(path)
    before = peak_memory()
    note(f"looking up {len(rows):,} names")
    rates = {
        "lookups_per_second": _rate(rows, lambda name, type: terminology.find(name, type)),
        "lookups_of_unknown_names_per_second": _rate(rows, lambda name, type: terminology.find(f"un{name}", type)),
        "lookups_of_names_alike_per_second": _rate(
            rows, lambda name, type: terminology.find_alike(f"{name}e", type, THRESHOLD)
        ),
    }
    return {
        "names": different,
        "build_seconds": seconds,
        "file_bytes": path.stat().st_size,
        "peak_memory_of_build_bytes": before,
        "memory_of_lookups_bytes": None if before is None else peak_memory() - before,
        **rates,
    }


def _rate(rows: Sequence[List[str]], find: Any) -> float:
    start = perf_counter()
    for type, _, name, _ in rows:
        find(name, type)
    return len(rows) / (perf_counter() - start)


def measure_share(model: str, corpus: Path, path: Path) -> Dict[str, Any]:
    """Measure how much of the time of a pipeline on plain text its linker takes, in time of the processor."""
    nlp = load_pipeline(model)
    (linker,) = (pipe for _, pipe in nlp.pipeline if isinstance(pipe, ConceptLinker))
    linker.terminologies.append(Terminology(path))
    texts = [doc.text for doc in read(corpus, nlp.vocab, on_anomalies=lambda line: None)]
    spent = [0.0]
    find = linker.find_identifiers

    def find_timed(doc: Doc, mentions: Any) -> List[str]:
        start = process_time()
        found = find(doc, mentions)
        spent[0] += process_time() - start
        return found

    linker.find_identifiers = find_timed  # type: ignore[method-assign]
    start = process_time()
    mentions = sum(bool(entity_type(ent.label_)) for doc in nlp.pipe(texts) for ent in doc.ents)
    total = process_time() - start
    return {
        "documents": len(texts),
        "mentions": mentions,
        "linker_milliseconds_per_document": 1000 * spent[0] / len(texts),
        "linker_share_of_pipe": spent[0] / total,
    }


if __name__ == "__main__":
    accept_any_console()
    app(prog_name="python -m benchmarks.terminology")
