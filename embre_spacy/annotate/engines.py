"""What takes units through the stages: this process, worker processes, or Ray."""

import logging
import os
import pickle
import signal
import tempfile
from collections import deque
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import groupby, islice
from threading import Thread
from time import perf_counter, sleep
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Tuple

import torch
from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool

from ..errors import EmbreError
from ..files import is_uri, part_name
from ..util import checksum_pipeline
from .stages import AnnotateOptions, Stages, finish_unit
from .state import RunState
from .units import Unit

# Worker processes share the processors already.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_PARENT_SECONDS = 0.5
_MAX_BLOCKS = 10_000


@dataclass
class Progress:
    """How far the work is: documents that came out of the pipeline, and bytes of the inputs. See `annotate`."""

    on_start: Callable[[int], None]
    on_progress: Callable[["Progress"], None]
    documents: int = 0
    size: int = 0
    began: float = field(default_factory=perf_counter)

    def start(self, units: List[Unit]) -> None:
        self.on_start(sum(unit.size for unit in units))
        self.began = perf_counter()

    def add(self, documents: int, size: int = 0) -> None:
        self.documents += documents
        self.size += size
        self.on_progress(self)


def run_local(options: AnnotateOptions, units: List[Unit], progress: Progress) -> None:
    """Annotate units in this process, or in several that have a pipeline and one thread each."""
    stages = Stages(options, options.gpu_id) if options.n_process == 1 or options.gpu_id >= 0 else None
    if options.is_split or (stages is not None and options.n_process > 1 and stages.can_split):
        _run_split(options, units, progress, stages or Stages(options))
    elif stages is not None:
        progress.start(units)
        for unit in units:
            stages.annotate_unit(unit, progress.add)
            progress.add(0, unit.size)
    else:
        with _start_workers(options) as submit:
            submit("load").result()
            progress.start(units)
            sizes = {submit("annotate_unit", unit): unit.size for unit in units}
            for future in as_completed(sizes):
                progress.add(future.result(), sizes[future])


def _run_split(options: AnnotateOptions, units: List[Unit], progress: Progress, stages: Stages) -> None:
    """Predict in this process, and have workers do what comes before and after."""
    folder = tempfile.gettempdir() if is_uri(options.location) else options.location
    left = iter(units)

    with _start_workers(options) as submit:

        def read_ahead(count: int) -> Iterator[Any]:
            for unit in islice(left, count):
                # What is read of a large unit must not be in memory.
                path = os.path.join(folder, part_name(f"{unit.index:08d}.{options.run}"))
                yield unit, path, submit("save_chunks", unit, path)

        def predict(path: str) -> Iterator[bytes]:
            writing: Deque[Any] = deque()
            with open(path, "rb") as file:
                while file.peek(1):
                    chunk = pickle.load(file)
                    stages.predict(chunk)
                    writing.append(submit("write_predicted", chunk))
                    progress.add(chunk.n_read)
                    if len(writing) > 2 * options.n_process:
                        yield writing.popleft().result()
            for future in writing:
                yield future.result()

        progress.start(units)
        reading: Deque[Any] = deque(read_ahead(options.n_process + 1))
        while reading:
            unit, path, future = reading.popleft()
            future.result()
            finish_unit(unit, predict(path), options)
            os.unlink(path)
            reading.extend(read_ahead(1))
            progress.add(0, unit.size)


@contextmanager
def _start_workers(options: AnnotateOptions) -> Iterator[Callable[..., Any]]:
    """Worker processes, which end with this one. What is given runs a method of the `Stages` that they load."""
    # An interrupt is for the process that leads.
    ignore = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    executor = ProcessPoolExecutor(options.n_process, env=_ONE_THREAD, **ignore)
    try:
        yield partial(executor.submit, _run_method, options, os.getpid())
    except BrokenProcessPool as error:
        raise EmbreError("a worker process died: is there memory for all of them?") from error
    finally:
        executor.shutdown(kill_workers=True)


@lru_cache
def _load_stages(options: AnnotateOptions, leader: int) -> Tuple[Stages, Any]:
    """The stages of a worker process, and its lock."""
    Thread(target=_end_with, args=(leader,), daemon=True).start()
    torch.set_num_threads(1)
    lock = RunState(options.location).join()
    return Stages(options), lock


def _run_method(options: AnnotateOptions, leader: int, method: str, *arguments: Any) -> Any:
    stages, _ = _load_stages(options, leader)
    return None if method == "load" else getattr(stages, method)(*arguments)


def _end_with(leader: int) -> None:
    """End this process when the one that leads has been killed. By itself it would wait for work for ever."""
    while os.getppid() == leader:
        sleep(_PARENT_SECONDS)
    os._exit(1)


def run_ray(options: AnnotateOptions, units: List[Unit], progress: Progress) -> None:
    """Annotate units with Ray, on the cluster that is there or else on this machine."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EmbreError("--engine ray needs Ray: pip install 'embre_spacy[ray]'") from error
    is_split = options.is_split or (options.gpu_id >= 0 and Stages(options).can_split)
    with _use_ray(ray, is_split):
        available = {name: int(amount) for name, amount in ray.cluster_resources().items()}
        kind = "CPU" if options.gpu_id < 0 else "GPU"
        if not available.get(kind):
            raise EmbreError(f"the cluster has no {kind}")
        n_cpus, n_actors = available.get("CPU", 0), min(options.actors or available[kind], len(units))
        rows = [{"unit": unit.index, "work": pickle.dumps(unit)} for unit in units]
        dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), _MAX_BLOCKS))
        # To read takes three times as long as to write.
        steps = {"read": n_cpus * 3 // 4, "predict": n_actors, "write": n_cpus // 4}
        for step, size in steps.items() if is_split else [("annotate", n_actors)]:
            has_gpu = options.gpu_id >= 0 and step in ("annotate", "predict")
            dataset = dataset.map_batches(
                Annotator,
                fn_constructor_args=[options, step, has_gpu],
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=max(1, size)),
                num_cpus=0 if step == "predict" else 1,
                num_gpus=1 if has_gpu else 0,
            )
        by_index = {unit.index: unit for unit in units}

        def take(row: Dict[str, Any]) -> bytes:
            progress.add(int(row["documents"]))
            return row["work"]

        progress.start(units)
        try:
            # The rows of a unit follow each other.
            for index, of_unit in groupby(dataset.iter_rows(), key=lambda row: int(row["unit"])):
                if is_split:
                    finish_unit(by_index[index], map(take, of_unit), options)
                else:
                    list(map(take, of_unit))
                progress.add(0, by_index[index].size)
        except ray.exceptions.RayError as error:
            raise EmbreError(_find_cause(error)) from error


@contextmanager
def _use_ray(ray: Any, is_ordered: bool) -> Iterator[None]:
    """Start Ray if it does not run, set what datasets made here need, and leave all as it was."""
    is_ours = not ray.is_initialized()
    context, loggers = ray.data.DataContext.get_current(), [logging.getLogger(name) for name in ("ray", "ray.data")]
    order, levels = context.execution_options, [logger.level for logger in loggers]
    before = context.enable_progress_bars, context.max_errored_blocks, order.preserve_order
    breakpoints, on_end = os.environ.get("PYTHONBREAKPOINT"), signal.getsignal(signal.SIGTERM)
    try:
        if is_ours:
            ray.init(log_to_driver=False, logging_level="warning")
        # What Ray says of its plan and its progress, the command says.
        context.enable_progress_bars, context.max_errored_blocks, order.preserve_order = False, 0, is_ordered
        loggers[1].setLevel(logging.ERROR)
        yield
    finally:
        context.enable_progress_bars, context.max_errored_blocks, order.preserve_order = before
        if is_ours:
            ray.shutdown()
            if breakpoints is None:
                os.environ.pop("PYTHONBREAKPOINT", None)
            if signal.getsignal(signal.SIGTERM) is not on_end:
                signal.signal(signal.SIGTERM, on_end)
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


class Annotator:
    """An actor of Ray, with a pipeline. It takes all stages, or one of the steps "read", "predict" and "write"."""

    def __init__(self, options: AnnotateOptions, step: str, has_gpu: bool) -> None:
        if checksum_pipeline(options.model) != options.checksum:
            raise EmbreError(f"{options.model}: the pipeline on this machine is another than that of the run")
        self.lock = RunState(options.location).join()
        # Ray shows an actor no GPU but its own.
        self.stages = Stages(options, 0 if has_gpu else -1)
        self.step = step

    def __call__(self, batch: Dict[str, Any]) -> Iterator[Dict[str, List[Any]]]:
        """Take a step with a unit or a chunk, and yield what it becomes, and how many documents are through."""
        work = pickle.loads(batch["work"][0])
        if self.step == "annotate":
            results: Iterable[Tuple[bytes, int]] = [(b"", self.stages.annotate_unit(work))]
        elif self.step == "read":
            results = ((pickle.dumps(chunk), 0) for chunk in self.stages.iter_prepared(work))
        elif self.step == "predict":
            self.stages.predict(work)
            results = [(pickle.dumps(work), 0)]
        else:
            results = [(self.stages.write_predicted(work), work.n_read)]
        for result, documents in results:
            yield {"unit": [int(batch["unit"][0])], "work": [result], "documents": [documents]}


def _find_cause(error: BaseException) -> str:
    """What an actor failed with: Ray wraps it in errors of its own."""
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(cause, EmbreError):
            return str(cause)
        cause = getattr(cause, "cause", None) or cause.__cause__
    # The last line of the traceback that Ray gives as text.
    return f"Ray: {str(error).strip().splitlines()[-1].strip()}"
