"""A run: from inputs to outputs, with what was finished before taken up again."""

import os
import shutil
import sys
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Callable, DefaultDict, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from .. import __version__
from ..errors import EmbreError, InputError
from ..files import OUTPUT_FORMATS, find_file, format_of, is_folder, is_special, is_uri, open_output, remove_parts
from ..formats import Rejected
from ..formats.pubtator3 import is_query
from ..formats.reading import describe_repeated
from ..formats.record import Anomalies
from ..formats.writing import write_rejects
from ..util import checksum_pipeline
from .engines import Progress, run_local, run_ray
from .outputs import OutputWriter
from .stages import AnnotateOptions
from .state import NO_IDENTIFIERS, STDIN, Outcome, RunState
from .units import STANDARD_INPUT, InputFile, Unit, choose_unit_bytes, find_change, find_inputs, split_units

ENGINES = {"local": run_local, "ray": run_ray}


class Summary(NamedTuple):
    """What came of a run."""

    documents: int  # that came out
    relations: int  # that these have
    rejected: int  # documents that were set aside
    rejects: str  # the file that says why
    predicted: int  # documents, since the run started last
    seconds: float  # that they took, without loading the pipeline
    notes: List[str]  # what is odd in the inputs and was kept


def annotate(
    model: str,
    inputs: Sequence[str],
    output: str,
    *,
    from_format: Optional[str] = None,
    to: Optional[str] = None,
    batch_size: int = 64,
    n_process: int = 1,
    gpu_id: int = -1,
    overwrite: bool = False,
    engine: str = "local",
    actors: Optional[int] = None,
    quote_formulas: bool = False,
    on_start: Callable[[int], None] = lambda size: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Predict the relations of all documents of files, and write them.

    model (str): The pipeline: its folder, or the name of an installed package.
    inputs (Sequence[str]): Files, folders, patterns, URIs, "-" for standard input, or "pubtator3:PMID,...".
    output (str): The file to write; or a folder (it ends in "/", or exists), which gets a file for each input.
    from_format (Optional[str]), to (Optional[str]): One of INPUT_FORMATS and OUTPUT_FORMATS, if no suffix is to decide.
    batch_size (int): How many documents the pipeline gets at once.
    n_process (int): How many processes predict. With a GPU one predicts, and so many others read and write for it.
    gpu_id (int): The GPU to use, or -1 for the CPU.
    overwrite (bool): Whether outputs that exist, and what a run of another kind left, are replaced.
    engine (str): One of ENGINES.
    actors (Optional[int]): How many actors Ray starts; as many as the cluster has processors or GPUs if None.
    quote_formulas (bool): Whether in tables an apostrophe goes before text that a spreadsheet would take for a formula.
    on_start (Callable[[int], None]): Takes how many bytes of the inputs are to be read, when prediction starts.
    on_progress (Callable[[Progress], None]): Takes how far the work is, from time to time.
    RETURNS (Summary): What came of it.
    RAISES (EmbreError): If something is wrong with the arguments, a run of another kind was begun, or no document came
        out. What is finished stays in the folder OUTPUT.parts, and the same call goes on from there.
    """
    _check_arguments(inputs, output, from_format, n_process, engine, actors)
    if not output.endswith("/") and is_folder(output):
        output += "/"
    if output.endswith("/") and to is None:
        raise InputError("a folder has no suffix: name the format of its files (--to)", file=output)
    format = format_of(output, to, tuple(OUTPUT_FORMATS))
    writer = OutputWriter(format, quote_formulas)
    base = output.rstrip("/") if is_uri(output) else os.path.abspath(output)
    state = RunState(f"{base}.parts")
    rejects = f"{output}rejects.jsonl" if output.endswith("/") else f"{output}.rejects.jsonl"
    rejects_location = f"{base}/rejects.jsonl" if output.endswith("/") else f"{base}.rejects.jsonl"
    device = "cpu" if gpu_id < 0 else "gpu"
    with state.lead(), _copy_standard_input(inputs, state.location) as standard_input:
        own = (base, state.location, rejects_location)
        missing: List[Rejected] = []
        files = find_inputs(inputs, from_format, standard_input=standard_input, own=own, missing=missing)
        if output.endswith("/"):
            files = _set_targets(files, base, format)
        settings = {
            "version": __version__,
            "model": checksum_pipeline(model),
            "inputs": [[file.name, file.format, file.size, file.version] for file in files],
            "format": format,
            "folder": output.endswith("/"),
            "quote_formulas": quote_formulas,
            # The last digits of a probability depend on what else is in its batch.
            "batch_size": batch_size,
            "device": device,
            "unit_bytes": choose_unit_bytes(files, device),
        }
        outputs = [*dict.fromkeys(file.target or base for file in files), rejects_location]
        _begin(state, settings, files, outputs, overwrite)
        units = split_units(files, settings["unit_bytes"])
        of_run = model, settings["model"], format, state.location, state.run
        options = AnnotateOptions(*of_run, batch_size, n_process, gpu_id, actors, quote_formulas)
        finished = state.finished()
        left = [unit for unit in units if unit.index not in finished]
        progress = Progress(on_start, on_progress)
        try:
            if left:
                ENGINES[engine](options, left, progress)
        finally:
            # Workers that were ended leave what they were writing.
            remove_parts(outputs)
        seconds = perf_counter() - progress.began
        if (changed := find_change(files)) is not None:
            state.remove()
            raise InputError("it changed while it was read, so nothing is written", file=changed)
        joined = _Join(state, files, missing)
        joined.write(units, writer, base)
        write_rejects(joined.rejected, rejects_location)
        state.remove()
    if not joined.documents and not writer.is_table:
        raise EmbreError(f"{output}: no document came out, and there is nothing to write: see {rejects}")
    counts = joined.documents, joined.relations, len(joined.rejected)
    return Summary(*counts, rejects, progress.documents, seconds, joined.describe_anomalies())


def _check_arguments(
    inputs: Sequence[str], output: str, from_format: Optional[str], n_process: int, engine: str, actors: Optional[int]
) -> None:
    if engine not in ENGINES:
        raise EmbreError(f"unknown engine {engine!r}: use one of {', '.join(ENGINES)}")
    if engine == "ray" and n_process != 1:
        raise EmbreError("with Ray, actors are the processes: say how many by --actors, not by --n-process")
    if engine == "ray" and STANDARD_INPUT in inputs:
        raise EmbreError("standard input is on one machine, so it cannot be read with Ray")
    if STANDARD_INPUT in inputs and from_format is None:
        raise InputError("standard input has no suffix: name its format (--from)", file=STANDARD_INPUT)
    if from_format is not None and any(map(is_query, inputs)):
        raise InputError("documents of PubTator3 have their format, and --from is for all inputs", file="pubtator3")
    if engine != "ray" and actors is not None:
        raise EmbreError("--actors is for --engine ray")
    # The state lies beside the output, and beside a bucket there are only other buckets.
    if is_uri(output) and "/" not in output.split("://", 1)[1].rstrip("/"):
        raise EmbreError(f"{output}: a folder in the bucket is needed, because OUTPUT.parts lies beside the output")


@contextmanager
def _copy_standard_input(inputs: Sequence[str], folder: str) -> Iterator[Optional[Path]]:
    """A copy of standard input, if it is an input: in the state, or, if that lies elsewhere, on this machine."""
    with TemporaryDirectory() if is_uri(folder) else nullcontext(folder) as local_folder:
        path = Path(local_folder) / STDIN
        if STANDARD_INPUT in inputs:
            with open_output(path) as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        yield path


def _set_targets(files: List[InputFile], base: str, format: str) -> List[InputFile]:
    """Say where the output of each file goes: below the folder as the file below its input, with another suffix."""
    taken: Dict[str, str] = {f"{base}/rejects.jsonl": "the file of rejects"}
    for index, file in enumerate(files):
        target = f"{base}/{file.relative}{OUTPUT_FORMATS[format]}"
        if target in taken:
            raise InputError(f"{taken[target]} has the same output, {target}", file=file.name)
        taken[target] = file.name
        files[index] = file._replace(target=target)
    return files


def _begin(
    state: RunState, settings: Dict[str, Any], files: List[InputFile], outputs: List[str], overwrite: bool
) -> None:
    """Go on with the run that was begun, or begin one. What an earlier one left half written goes."""
    names = {os.path.realpath(file.location): file.name for file in files}
    for output in outputs:
        if name := names.get(os.path.realpath(output)):
            raise InputError("it is an input too", file=name)
        if is_special(output):
            raise InputError("it is a device or a pipe, and outputs are files", file=output)
    differences = state.resume(settings)
    if differences and not overwrite:
        raise EmbreError(
            f"{state.location}: another run was begun here ({'; '.join(differences)}): --overwrite begins anew"
        )
    if differences is None and not overwrite:
        for output in outputs:
            if find_file(output) is not None:
                raise InputError("it exists: --overwrite replaces it", file=output)
    if differences != []:
        state.begin(settings)
    remove_parts(outputs)


class _Join:
    """Joins finished units. Of documents with one id only the first of a file, and the first of an output, come out."""

    def __init__(self, state: RunState, files: List[InputFile], missing: List[Rejected]) -> None:
        self.documents = self.relations = self._without_identifiers = 0
        self.rejected = missing
        self._state = state
        self._files = files
        self._anomalies: DefaultDict[int, Anomalies] = defaultdict(Anomalies)
        # In a single output: the file that had each id first.
        self._first: Optional[Dict[str, int]] = None if files[0].target else {}

    def write(self, units: List[Unit], writer: OutputWriter, output: str) -> None:
        """Write the one output of all files, or that of each file that was cut. The others are written already."""
        if self._first is not None:
            writer.write(self._iter_data(units), output)
            return
        for target, of_target in groupby(units, key=lambda unit: unit.files[0].section and unit.files[0].target):
            data = self._iter_data(of_target)
            if target is not None:
                writer.write(data, target)
            else:
                list(data)

    def describe_anomalies(self) -> List[str]:
        """What is odd in the files and was kept, a line for each."""
        notes = [f"{self._files[index].name}: {anomalies}" for index, anomalies in self._anomalies.items()]
        if self._without_identifiers:
            cause = "relations are between identifiers, so these documents have none"
            notes.insert(0, f"{NO_IDENTIFIERS}: {self._without_identifiers} ({cause})")
        return notes

    def _iter_data(self, units: Iterable[Unit]) -> Iterator[bytes]:
        """The data of the documents that come out. The others are set aside."""
        file = -1
        before = number = 0
        numbers: Dict[str, int] = {}
        for unit in units:
            before = number
            for outcome in self._state.read_unit(unit.index):
                if outcome.file != file:
                    file, before, numbers = outcome.file, 0, {}
                outcome.shift(before)
                number = outcome.number
                self._without_identifiers += outcome.anomalies.pop(NO_IDENTIFIERS, (0,))[0]
                if outcome.anomalies:
                    self._anomalies[file].update(outcome.anomalies)
                cause = self._find_repeated(outcome, numbers)
                if cause is not None:
                    self.rejected.append(Rejected(self._files[file].name, outcome.document, number, cause))
                    continue
                self.documents += outcome.documents
                self.relations += outcome.relations
                if outcome.data:
                    yield outcome.data

    def _find_repeated(self, outcome: Outcome, numbers: Dict[str, int]) -> Optional[str]:
        """Why a document is set aside, if it is. `numbers` has the number of each document that its file had so far."""
        identifier, number = outcome.document, outcome.number
        if identifier is not None and outcome.was_read and numbers.setdefault(identifier, number) != number:
            return describe_repeated(numbers[identifier], number)
        if outcome.cause is None and self._first is not None and identifier is not None:
            first = self._first.setdefault(identifier, outcome.file)
            if first != outcome.file:
                return f"{self._files[first].name} has this document too"
        return outcome.cause
