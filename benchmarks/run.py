"""All measurements of a pipeline, in one process."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List

from spacy.tokens import Doc
from spacy.util import fix_random_seed

from embre_spacy.errors import EmbreError
from embre_spacy.formats import read
from embre_spacy.util import describe_run, load_pipeline

from .inference import measure_full_text, measure_inference, measure_pairs
from .memory import measure_memory
from .parts import find_parts
from .start import measure_start
from .training import measure_training

FULL_TEXT_CHARACTERS = 50_000
SEED = 0


def run_benchmark(
    model: str,
    corpus: Path,
    *,
    gpu_id: int = -1,
    batch_size: int = 64,
    repeats: int = 5,
    sample: int = 8,
    say: Callable[[str], None],
) -> Dict[str, Any]:
    """Measure a pipeline on the documents of a file.

    model (str): The pipeline: its folder, or the name of an installed package.
    corpus (Path): The documents, with relations, in any format that `convert` reads.
    gpu_id (int): The GPU, or -1 for the CPU.
    batch_size (int): How many documents `nlp.pipe` gets at once.
    repeats (int): How often everything is timed.
    sample (int): How many documents the pairs encoder reads, and how many steps of training there are.
    say (Callable[[str], None]): Takes a line on what is measured next.
    RETURNS (Dict[str, Any]): `start`, `memory`, `inference`, `pairs`, `full_text`, `training`, and the `run`.
    RAISES (EmbreError): If the pipeline has no document encoder, or the corpus cannot be used.
    """
    import torch

    # Before the measurements, so that a commit that is made meanwhile is not taken for what was measured.
    run = describe_run("benchmarks")
    say("loading the pipeline")
    nlp = load_pipeline(model, gpu_id)
    parts = find_parts(nlp)

    def read_corpus() -> Iterable[Doc]:
        return read(corpus, nlp.vocab, on_anomalies=lambda line: None)

    # The peak of memory can only grow, so what takes most comes later.
    say("memory")
    memory = measure_memory(nlp, read_corpus, batch_size=batch_size)
    references = list(read_corpus())
    found: Dict[str, Any] = {"memory": memory}
    say("nlp.pipe and the bare transformer")
    found["inference"] = measure_inference(parts, references, batch_size=batch_size, repeats=repeats)
    say("the pairs encoder")
    found["pairs"] = measure_pairs(parts, _choose(parts, references, sample), batch_size=batch_size, repeats=repeats)
    say("a full text")
    found["full_text"] = measure_full_text(
        parts, references, characters=FULL_TEXT_CHARACTERS, batch_size=batch_size, repeats=repeats
    )
    say("training")
    fix_random_seed(SEED)
    found["training"] = measure_training(parts, references, steps=sample, repeats=repeats)
    say("import and load")
    found["start"] = measure_start(model, repeats=repeats)
    settings = {"batch_size": batch_size, "repeats": repeats, "sample": sample, "gpu_id": gpu_id}
    threads = torch.get_num_threads()
    return {**found, "run": {**run, "settings": settings, "seed": SEED, "threads": threads}}


def _choose(parts: Any, references: List[Doc], sample: int) -> List[Doc]:
    """Documents all over the corpus that have candidates."""
    able = [reference for reference in references if parts.component.candidates(reference)]
    if not able:
        raise EmbreError("no document of the corpus has candidates")
    step = max(len(able) // sample, 1)
    return able[::step][:sample]
