"""What takes units through the stages: this process, worker processes, or Ray."""

import logging
import os
import pickle
import tempfile
from collections import deque
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from itertools import groupby, islice
from time import perf_counter
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional

import torch
from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool

from ..errors import EmbreError
from ..files import is_uri, part_name
from ..util import checksum_pipeline
from .outputs import create_writer
from .stages import AnnotateOptions, Chunk, Stages, finish_unit
from .state import RunState
from .units import Unit

# Worker processes share the processors already.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_MAX_BLOCKS = 10_000


class Progress(NamedTuple):
    """How far the work is.

    documents (int): How many documents came out of the pipeline.
    size (int): How many bytes of the inputs are done.
    """

    documents: int
    size: int


class Meter:
    """Measures the work, and tells of it.

    on_start (Callable[[int], None]): Takes how many bytes there are, when the pipeline is loaded.
    on_progress (Callable[[Progress], None]): Takes how far the work is, from time to time.
    """

    def __init__(self, on_start: Callable[[int], None], on_progress: Callable[[Progress], None]) -> None:
        self._on_start = on_start
        self._on_progress = on_progress
        self.progress = Progress(0, 0)
        self.began = perf_counter()

    def start(self, units: List[Unit]) -> None:
        """Start the clock."""
        self._on_start(sum(unit.size for unit in units))
        self.began = perf_counter()

    def add(self, documents: int, size: int = 0) -> None:
        """Tell of more documents, and more bytes of the inputs."""
        self.progress = Progress(self.progress.documents + documents, self.progress.size + size)
        self._on_progress(self.progress)


def run_local(options: AnnotateOptions, units: List[Unit], meter: Meter) -> None:
    """Annotate units on this machine.

    options (AnnotateOptions): How. Each of several processes has a pipeline and one thread.
    units (List[Unit]): The units.
    meter (Meter): Measures the work.
    RAISES (EmbreError): If the pipeline cannot be used, or a worker process dies.
    """
    stages = Stages(options, options.gpu_id) if options.n_process == 1 or options.gpu_id >= 0 else None
    if options.is_split or (stages is not None and options.n_process > 1 and stages.can_split):
        _run_split(options, units, meter, stages or Stages(options))
    elif stages is not None:
        meter.start(units)
        for unit in units:
            stages.annotate_unit(unit, meter.add)
            meter.add(0, unit.size)
    else:
        with _start_workers(options) as executor:
            executor.submit(_load_stages, options, os.getpid()).result()
            meter.start(units)
            sizes = {executor.submit(_annotate_unit, options, os.getpid(), unit): unit.size for unit in units}
            for future in as_completed(sizes):
                meter.add(future.result(), sizes[future])


def _run_split(options: AnnotateOptions, units: List[Unit], meter: Meter, stages: Stages) -> None:
    """Predict in this process, and have workers do what comes before and after."""
    left = iter(units)
    with _start_workers(options) as executor:

        def read(unit: Unit) -> "Future[str]":
            return executor.submit(_read_unit, options, os.getpid(), unit)

        meter.start(units)
        # Units that are read ahead, one more than there are workers.
        reading: Deque[Any] = deque((unit, read(unit)) for unit in islice(left, options.n_process + 1))
        while reading:
            unit, path = reading.popleft()
            chunks = _predict_chunks(options, stages, executor, path.result(), meter)
            finish_unit(unit, chunks, stages.writer, stages.state)
            reading.extend((unit, read(unit)) for unit in islice(left, 1))
            meter.add(0, unit.size)


def _predict_chunks(
    options: AnnotateOptions, stages: Stages, executor: ProcessPoolExecutor, path: str, meter: Meter
) -> Iterator[bytes]:
    """Predict the chunks that a worker has read, and yield in their order what a worker writes of each."""
    writing: Deque[Any] = deque()
    for chunk in _load_chunks(path):
        stages.predict(chunk)
        writing.append((chunk.n_read, executor.submit(_write_chunk, options, os.getpid(), chunk)))
        while len(writing) > 2 * options.n_process:
            documents, future = writing.popleft()
            yield future.result()
            meter.add(documents)
    for documents, future in writing:
        yield future.result()
        meter.add(documents)


@contextmanager
def _start_workers(options: AnnotateOptions) -> Iterator[ProcessPoolExecutor]:
    executor = ProcessPoolExecutor(options.n_process, env=_ONE_THREAD)
    try:
        yield executor
    except BrokenProcessPool as error:
        raise EmbreError("a worker process died: is there memory for all of them?") from error
    finally:
        executor.shutdown(kill_workers=True)


# What a worker process has loaded.
_loaded: Dict[AnnotateOptions, Stages] = {}


def _load_stages(options: AnnotateOptions, leader: int) -> None:
    if options not in _loaded:
        torch.set_num_threads(1)
        _loaded[options] = Stages(options, leader=leader)


def _annotate_unit(options: AnnotateOptions, leader: int, unit: Unit) -> int:
    _load_stages(options, leader)
    return _loaded[options].annotate_unit(unit)


def _read_unit(options: AnnotateOptions, leader: int, unit: Unit) -> str:
    """Read and prepare a unit, and give the file with its chunks: those of a large one must not be in memory."""
    _load_stages(options, leader)
    folder = tempfile.gettempdir() if is_uri(options.location) else options.location
    path = os.path.join(folder, part_name(f"{unit.index:08d}.{options.run}"))
    with open(path, "wb") as file:
        for chunk in _loaded[options].iter_prepared(unit):
            pickle.dump(chunk, file)
    return path


def _load_chunks(path: str) -> Iterator[Chunk]:
    with open(path, "rb") as file:
        while file.peek(1):
            yield pickle.load(file)
    os.unlink(path)


def _write_chunk(options: AnnotateOptions, leader: int, chunk: Chunk) -> bytes:
    _load_stages(options, leader)
    return _loaded[options].write_predicted(chunk)


def run_ray(options: AnnotateOptions, units: List[Unit], meter: Meter) -> None:
    """Annotate units with Ray, on the cluster that is there or else on this machine. An actor that dies is started
    again, and its unit begun anew.

    options (AnnotateOptions): How. Every machine finds the pipeline under its name.
    units (List[Unit]): The units.
    meter (Meter): Measures the work.
    RAISES (EmbreError): If Ray is missing, or an actor fails for good.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EmbreError("--engine ray needs Ray: pip install 'embre_spacy[ray]'") from error
    is_split = options.is_split or (options.gpu_id >= 0 and Stages(options).can_split)
    with _use_ray(ray, is_split):
        resources = {name: int(amount) for name, amount in ray.cluster_resources().items()}
        kind = "CPU" if options.gpu_id < 0 else "GPU"
        if not resources.get(kind):
            raise EmbreError(f"the cluster has no {kind}")
        n_cpus, n_actors = resources.get("CPU", 0), min(options.actors or resources[kind], len(units))
        gpu = {"num_gpus": 1} if options.gpu_id >= 0 else {}
        rows = [{"unit": pickle.dumps(unit)} for unit in units]
        dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), _MAX_BLOCKS))

        def add_stage(actor: type, size: int, **resources: int) -> None:
            nonlocal dataset
            strategy = ray.data.ActorPoolStrategy(size=max(1, size))
            arguments = {"fn_constructor_args": [options], "batch_size": 1, "compute": strategy}
            dataset = dataset.map_batches(actor, **arguments, **resources)

        if is_split:
            # To read takes three times as long as to write.
            add_stage(ReadUnits, n_cpus * 3 // 4, num_cpus=1)
            add_stage(PredictChunks, n_actors, num_cpus=0, **gpu)
            add_stage(WriteChunks, n_cpus // 4, num_cpus=1)
        else:
            add_stage(AnnotateUnits, n_actors, num_cpus=1, **gpu)
        meter.start(units)
        try:
            if is_split:
                _finish_units(options, units, dataset.iter_rows(), meter)
            else:
                for row in dataset.iter_rows():
                    meter.add(int(row["documents"]), int(row["size"]))
        except ray.exceptions.RayError as error:
            raise EmbreError(_find_cause(error)) from error


@contextmanager
def _use_ray(ray: Any, is_ordered: bool) -> Iterator[None]:
    """Start Ray if it does not run, set what datasets made here need, and leave all as it was."""
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(log_to_driver=False, logging_level="warning")
    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    order = context.execution_options
    before = context.enable_progress_bars, context.max_errored_blocks, order.preserve_order, logger.level
    # What Ray says of its plan and its progress, the command says.
    context.enable_progress_bars, context.max_errored_blocks, order.preserve_order = False, 0, is_ordered
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars, context.max_errored_blocks, order.preserve_order, level = before
        logger.setLevel(level)
        if is_ours:
            ray.shutdown()


def _finish_units(options: AnnotateOptions, units: List[Unit], rows: Iterator[Dict[str, Any]], meter: Meter) -> None:
    """Finish units of the chunks that come in their order."""
    writer, state = create_writer(options.format), RunState(options.location, options.run)
    by_index = {unit.index: unit for unit in units}

    def iter_lines(rows: Iterator[Dict[str, Any]]) -> Iterator[bytes]:
        for row in rows:
            yield row["lines"]
            meter.add(int(row["documents"]))

    for index, of_unit in groupby(rows, key=lambda row: int(row["unit"])):
        finish_unit(by_index[index], iter_lines(of_unit), writer, state)
        meter.add(0, by_index[index].size)


class _Actor:
    """An actor of Ray, with a pipeline. Its calls take one row, and give rows, as columns.

    options (AnnotateOptions): How to annotate.
    RAISES (EmbreError): If the pipeline is not that of the run.
    """

    gpu = False

    def __init__(self, options: AnnotateOptions) -> None:
        if checksum_pipeline(options.model) != options.checksum:
            raise EmbreError(f"{options.model}: the pipeline on this machine is another than that of the run")
        # Ray shows an actor no GPU but its own.
        self.stages = Stages(options, 0 if self.gpu and options.gpu_id >= 0 else -1)


class AnnotateUnits(_Actor):
    """Takes units through all stages."""

    gpu = True

    def __call__(self, batch: Dict[str, Any]) -> Dict[str, List[int]]:
        unit = pickle.loads(batch["unit"][0])
        return {"documents": [self.stages.annotate_unit(unit)], "size": [unit.size]}


class ReadUnits(_Actor):
    """Reads and prepares units."""

    def __call__(self, batch: Dict[str, Any]) -> Iterator[Dict[str, List[Any]]]:
        unit = pickle.loads(batch["unit"][0])
        for chunk in self.stages.iter_prepared(unit):
            yield {"unit": [unit.index], "chunk": [pickle.dumps(chunk)]}


class PredictChunks(_Actor):
    """Predicts chunks."""

    gpu = True

    def __call__(self, batch: Dict[str, Any]) -> Dict[str, List[Any]]:
        chunk = pickle.loads(batch["chunk"][0])
        self.stages.predict(chunk)
        return {"unit": [int(batch["unit"][0])], "chunk": [pickle.dumps(chunk)]}


class WriteChunks(_Actor):
    """Decides and writes chunks."""

    def __call__(self, batch: Dict[str, Any]) -> Dict[str, List[Any]]:
        chunk = pickle.loads(batch["chunk"][0])
        lines = self.stages.write_predicted(chunk)
        return {"unit": [int(batch["unit"][0])], "lines": [lines], "documents": [chunk.n_read]}


def _find_cause(error: BaseException) -> str:
    """What an actor failed with: Ray wraps it in errors of its own."""
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(cause, EmbreError):
            return str(cause)
        cause = getattr(cause, "cause", None) or cause.__cause__
    # The last line of the traceback that Ray gives as text.
    return f"Ray: {str(error).strip().splitlines()[-1].strip()}"
