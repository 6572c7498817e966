"""All measurements of a pipeline, in one process: its memory, and its speed against that of its transformer alone."""

import subprocess
import sys
from itertools import chain, cycle, islice, repeat
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import torch
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch, registry

from embre_spacy.errors import EmbreError
from embre_spacy.formats import read
from embre_spacy.tokens import copy_mentions
from embre_spacy.util import describe_run, load_pipeline

from .parts import BenchmarkedPipeline, Inputs

FULL_TEXT_CHARACTERS = 50_000
# How many times the documents of the corpus the second measurement of memory reads.
FACTOR = 10
SEED = 0
_IMPORT = """
import sys, time
start = time.perf_counter()
import embre_spacy
print(time.perf_counter() - start, int("torch" in sys.modules))
"""
_LOAD = """
import sys, time
start = time.perf_counter()
import spacy
middle = time.perf_counter()
spacy.load(sys.argv[1])
print(middle - start, time.perf_counter() - middle)
"""


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
    batch_size (int): The number of documents that `nlp.pipe` gets at once.
    repeats (int): How many times everything is timed.
    sample (int): How many documents the pairs encoder reads, and how many steps of training there are.
    say (Callable[[str], None]): Takes a line on what is measured next.
    RETURNS (Dict[str, Any]): `start`, `memory`, `inference`, `pairs`, `full_text`, `training`, and the `run`.
    RAISES (EmbreError): If the pipeline has no document encoder, or the corpus cannot be used.
    """
    # Before the measurements: a commit that is made meanwhile is not what was measured.
    run = describe_run("benchmarks")
    settings = {"batch_size": batch_size, "repeats": repeats, "sample": sample, "gpu_id": gpu_id}
    say("loading the pipeline")
    nlp = load_pipeline(model, gpu_id)
    pipeline = BenchmarkedPipeline.find(nlp)

    def read_corpus() -> Iterable[Doc]:
        return read(corpus, nlp.vocab, on_anomalies=lambda line: None)

    # The peak of memory can only grow, so what takes most comes later.
    say("memory")
    memory = measure_memory(nlp, read_corpus, batch_size=batch_size)
    docs = list(read_corpus())
    timing = {"batch_size": batch_size, "repeats": repeats}
    say("nlp.pipe and the bare transformer")
    inference = measure_inference(pipeline, docs, **timing)
    say("the pairs encoder")
    pairs = measure_pairs(pipeline, _choose_docs(pipeline, docs, sample), **timing)
    say("a full text")
    full_text = measure_full_text(pipeline, docs, characters=FULL_TEXT_CHARACTERS, **timing)
    say("training")
    fix_random_seed(SEED)
    training = measure_training(pipeline, docs, steps=sample, repeats=repeats)
    say("import and load")
    return {
        "memory": memory,
        "inference": inference,
        "pairs": pairs,
        "full_text": full_text,
        "training": training,
        "start": measure_start(model, repeats=repeats),
        "run": {**run, "settings": settings, "seed": SEED, "threads": torch.get_num_threads()},
    }


def _choose_docs(pipeline: BenchmarkedPipeline, docs: List[Doc], sample: int) -> List[Doc]:
    """Choose documents with candidates all over the corpus."""
    usable = [doc for doc in docs if pipeline.component.candidates(doc)]
    if not usable:
        raise EmbreError("no document of the corpus has candidates")
    return usable[:: max(len(usable) // sample, 1)][:sample]


def measure_inference(
    pipeline: BenchmarkedPipeline, docs: Sequence[Doc], *, batch_size: int, repeats: int
) -> Dict[str, Any]:
    """Time `nlp.pipe`, and the transformer alone on what `nlp.pipe` gives it: the same wordpieces, in the same calls,
    in the same precision.

    pipeline (BenchmarkedPipeline): The pipeline.
    docs (Sequence[Doc]): The documents.
    batch_size (int): The number of documents that `nlp.pipe` gets at once.
    repeats (int): How many times each is timed.
    RETURNS (Dict[str, Any]): Documents per second, and `pipe_to_bare`, the median of their ratios.
    """
    batches = list(minibatch(map(copy_mentions, docs), batch_size))
    bare = [inputs for batch in batches for inputs in pipeline.make_inputs(batch)]
    text = [inputs for batch in batches for inputs in pipeline.make_inputs(batch, with_tags=False)]

    def call(calls: Sequence[Inputs]) -> None:
        for some in minibatch(calls, batch_size):
            pipeline.call(some)

    functions = {
        "pipe": lambda: _exhaust(pipeline.nlp, docs, batch_size),
        "bare": lambda: call(bare),
        "text": lambda: call(text),
    }
    seconds = time_in_turn(functions, repeats, device=pipeline.device)
    rates = {f"{name}_documents_per_second": len(docs) / median(times) for name, times in seconds.items()}
    return {
        "documents": len(docs),
        "wordpieces": sum(inputs["input_ids"].numel() for inputs in bare),
        "wordpieces_of_text": sum(inputs["input_ids"].numel() for inputs in text),
        **rates,
        "pipe_to_bare": ratio(seconds["bare"], seconds["pipe"]),
        "seconds": seconds,
    }


def measure_pairs(
    pipeline: BenchmarkedPipeline, docs: Sequence[Doc], *, batch_size: int, repeats: int
) -> Dict[str, Any]:
    """Time the document encoder and the pairs encoder, which has one pass for each candidate, on the same weights.

    pipeline (BenchmarkedPipeline): The pipeline.
    docs (Sequence[Doc]): The documents, of which some have candidates.
    batch_size (int): The number of documents that the components get at once.
    repeats (int): How many times each is timed.
    RETURNS (Dict[str, Any]): Documents per second of both, and `pipe_to_pairs`, the median of their ratios.
    """
    pairs = pipeline.make_pairs_component()
    functions = {
        "pipe": lambda: _exhaust(pipeline.component, docs, batch_size),
        "pairs": lambda: _exhaust(pairs, docs, batch_size),
    }
    seconds = time_in_turn(functions, repeats, device=pipeline.device)
    return {
        "documents": len(docs),
        "candidates": sum(len(pipeline.component.candidates(copy_mentions(doc))) for doc in docs),
        "pipe_documents_per_second": len(docs) / median(seconds["pipe"]),
        "pairs_documents_per_second": len(docs) / median(seconds["pairs"]),
        "pipe_to_pairs": ratio(seconds["pairs"], seconds["pipe"]),
        "seconds": seconds,
    }


def measure_full_text(
    pipeline: BenchmarkedPipeline, docs: Sequence[Doc], *, characters: int, batch_size: int, repeats: int
) -> Dict[str, Any]:
    """Time a text of the length of an article against the abstracts that it is made of.

    pipeline (BenchmarkedPipeline): The pipeline.
    docs (Sequence[Doc]): The documents. As many of them become one as it takes; again from the first, if there are too
        few.
    characters (int): The least length of the text.
    batch_size (int): The number of documents that `nlp.pipe` gets at once.
    repeats (int): How many times each is timed.
    RETURNS (Dict[str, Any]): What the text has, wordpieces of the text per second for both, and
        `full_text_to_abstracts`, the median of the ratios of these rates, which are those of the times. A wordpiece
        that several windows share counts once.
    """
    abstracts: List[Doc] = []
    for doc in cycle([doc for doc in docs if len(doc)]):
        abstracts.append(doc)
        if sum(len(doc.text) for doc in abstracts) >= characters:
            break
    # The documents would bring the same keys.
    whole = Doc.from_docs([copy_mentions(doc) for doc in abstracts], exclude=["user_data"])
    functions = {
        "full_text": lambda: _exhaust(pipeline.nlp, [whole], batch_size),
        "abstracts": lambda: _exhaust(pipeline.nlp, abstracts, batch_size),
    }
    seconds = time_in_turn(functions, repeats, device=pipeline.device)
    predicted = copy_mentions(whole)
    # One number for both, because both are the same text.
    wordpieces = pipeline.count_wordpieces([predicted])
    return {
        "characters": len(whole.text),
        "wordpieces": wordpieces,
        "mentions": len(whole.ents),
        "candidates": len(pipeline.component.candidates(predicted)),
        "windows": len(pipeline.make_inputs([predicted], with_tags=False)),
        "full_text_wordpieces_per_second": wordpieces / median(seconds["full_text"]),
        "abstracts_wordpieces_per_second": wordpieces / median(seconds["abstracts"]),
        "full_text_to_abstracts": ratio(seconds["abstracts"], seconds["full_text"]),
        "seconds": seconds,
    }


def measure_training(pipeline: BenchmarkedPipeline, docs: Sequence[Doc], *, steps: int, repeats: int) -> Dict[str, Any]:
    """Time steps of `spacy train`, with the batches, optimizer and dropout of the pipeline's own config, against bare
    forward and backward passes. The pipeline is another one after that.

    pipeline (BenchmarkedPipeline): The pipeline.
    docs (Sequence[Doc]): The documents.
    steps (int): The largest number of steps in a run.
    repeats (int): How many times runs are timed.
    RETURNS (Dict[str, Any]): Documents per second, and `step_to_bare`, the median of the ratios of times.
    """
    settings = registry.resolve(pipeline.nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    optimizer = pipeline.nlp.resume_training(sgd=settings["optimizer"])
    examples = [Example(copy_mentions(doc), doc) for doc in docs]
    batches = [list(batch) for batch in islice(settings["batcher"](examples), steps)]
    inputs = [pipeline.make_inputs([example.predicted for example in batch], is_train=True) for batch in batches]

    def run_steps() -> None:
        for batch in batches:
            pipeline.nlp.update(batch, sgd=optimizer, drop=settings["dropout"])

    def run_bare() -> None:
        for calls in inputs:
            torch.autograd.backward([vectors.float().sum() for vectors in pipeline.call(calls, is_train=True)])
            pipeline.transformer.zero_grad()

    seconds = time_in_turn({"steps": run_steps, "bare": run_bare}, repeats, device=pipeline.device)
    n_documents = sum(map(len, batches))
    return {
        "documents": n_documents,
        "steps": len(batches),
        "step_documents_per_second": n_documents / median(seconds["steps"]),
        "bare_documents_per_second": n_documents / median(seconds["bare"]),
        "step_to_bare": ratio(seconds["steps"], seconds["bare"]),
        "seconds": seconds,
    }


def measure_memory(nlp: Language, read_corpus: Callable[[], Iterable[Doc]], *, batch_size: int) -> Dict[str, Any]:
    """Measure the peak of memory of the process after the documents of a corpus, and after ten times as many.

    nlp (Language): The pipeline.
    read_corpus (Callable[[], Iterable[Doc]]): Reads the documents as a stream.
    batch_size (int): The number of documents that `nlp.pipe` gets at once.
    RETURNS (Dict[str, Any]): Both peaks in bytes, and their ratio. None where the system does not tell them.
    """
    once = _exhaust(nlp, read_corpus(), batch_size)
    peak = peak_memory()
    passes: Iterator[Iterable[Doc]] = (read_corpus() for _ in repeat(None, FACTOR))
    more = _exhaust(nlp, chain.from_iterable(passes), batch_size)
    later = peak_memory()
    return {
        "documents": once,
        "more_documents": more,
        "peak_bytes": peak,
        "more_peak_bytes": later,
        "more_to_less": later / peak if peak and later else None,
    }


def measure_start(model: str, *, repeats: int) -> Dict[str, Any]:
    """Time `import embre_spacy`, and `import spacy` followed by `spacy.load(model)`, in a new Python each time.

    model (str): The pipeline: its folder, or the name of an installed package.
    repeats (int): How many times each is timed. Each is done once before that, so that files are in memory.
    RETURNS (Dict[str, Any]): Seconds, and whether importing the package imports PyTorch.
    """
    imports = [_run_python(_IMPORT) for _ in range(repeats + 1)][1:]
    loads = [_run_python(_LOAD, model) for _ in range(repeats + 1)][1:]
    return {
        "import_seconds": median(seconds for seconds, _ in imports),
        "spacy_seconds": median(spacy for spacy, _ in loads),
        "load_seconds": median(load for _, load in loads),
        "import_imports_torch": any(has_torch for _, has_torch in imports),
    }


def _run_python(code: str, *arguments: str) -> List[float]:
    """Run code in a new Python, and return the numbers that it prints."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return list(map(float, subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()))


def _exhaust(component: Any, docs: Iterable[Doc], batch_size: int) -> int:
    """Predict copies of documents by a pipeline or a component, and return how many there were."""
    return sum(1 for _ in component.pipe((copy_mentions(doc) for doc in docs), batch_size=batch_size))


def peak_memory() -> Optional[int]:
    """The peak of memory of this process in bytes; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    # In kilobytes, but in bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def time_in_turn(
    functions: Dict[str, Callable[[], object]], repeats: int, *, device: Optional[torch.device] = None
) -> Dict[str, List[float]]:
    """Run some functions in turn, several times: what else the machine does then hits all of them alike.

    functions (Dict[str, Callable[[], object]]): The functions by name.
    repeats (int): How many times each is timed. Each runs once before that.
    device (Optional[torch.device]): What they compute on; the CPU if None.
    RETURNS (Dict[str, List[float]]): The seconds of each run of each function.
    """
    seconds: Dict[str, List[float]] = {name: [] for name in functions}
    for number in range(repeats + 1):
        for name, function in functions.items():
            _wait_for(device)
            start = perf_counter()
            function()
            _wait_for(device)
            if number:
                seconds[name].append(perf_counter() - start)
    return seconds


def _wait_for(device: Optional[torch.device]) -> None:
    """Wait until a GPU has done its work: functions return when they have only asked for it."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def ratio(numerators: List[float], denominators: List[float]) -> float:
    """The median of the ratios of times that were taken one after the other."""
    return median(numerator / denominator for numerator, denominator in zip(numerators, denominators))
