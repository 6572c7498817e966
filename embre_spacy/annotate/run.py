"""A run: from inputs to outputs, with what was finished before taken up again."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..errors import EmbreError, InputError
from ..files import part_name
from .engine import Progress, Settings, annotate_files
from .joining import sum_reports, write_all, write_rejects
from .kinds import KINDS, kind_of, split_gz
from .outputs import make_output
from .plan import Plan, differences, make_plan
from .sources import STANDARD_INPUT, Source, copy_standard_input, find_sources
from .storage import is_uri, remove_parts, storage_of
from .work import Report, WorkFolder

ENGINES = ("local", "ray")


class Summary(NamedTuple):
    """What came of a run.

    documents (int): How many documents came out.
    relations (int): How many relations they have.
    rejected (int): How many were set aside.
    rejects (str): The file that says why.
    predicted (int): How many documents were predicted since the run started last.
    seconds (float): How long that took, without loading the pipeline.
    notes (List[str]): What is odd in the inputs and was kept.
    """

    documents: int
    relations: int
    rejected: int
    rejects: str
    predicted: int
    seconds: float
    notes: List[str]


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
    shard_size: int = 500,
    overwrite: bool = False,
    engine: str = "local",
    actors: Optional[int] = None,
    on_start: Callable[[int], None] = lambda size: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Predict the relations of all documents of files, and write them.

    model (str): The pipeline: its folder, or the name of an installed package.
    inputs (Sequence[str]): Files, folders, patterns, URIs, or "-" for standard input.
    output (str): The file to write; or a folder (it ends in "/", or exists), which gets a file for each input.
    from_format (Optional[str]): The format of the inputs, if their suffixes are not to decide.
    to (Optional[str]): The kind of output, if the suffix is not to decide; one of KINDS.
    batch_size (int): How many documents the pipeline gets at once.
    n_process (int): How many processes predict.
    gpu_id (int): The GPU to use, or -1 for the CPU.
    shard_size (int): How many documents are written at once, and are not done again if the run is killed.
    overwrite (bool): Whether outputs that exist, and what a run of another kind left, are replaced.
    engine (str): One of ENGINES.
    actors (Optional[int]): How many actors Ray starts; as many as the cluster has processors or GPUs if None.
    on_start (Callable[[int], None]): Takes how many bytes of the inputs are to be read, when prediction starts.
    on_progress (Callable[[Progress], None]): Takes how far the work is, from time to time.
    RETURNS (Summary): What came of it.
    RAISES (EmbreError): If something is wrong with the arguments, a run of another kind was begun, or no document came
        out. What is finished stays in the work folder, and the same call goes on from there.
    """
    _check(inputs, from_format, n_process, gpu_id, engine, actors)
    _check_output(output)
    if not output.endswith("/") and storage_of(output).is_folder(output):
        output += "/"
    kind = kind_of(output, to)
    made = make_output(kind)
    base = _absolute(output)
    work = WorkFolder(f"{base}.parts")
    rejects = f"{output}rejects.jsonl" if output.endswith("/") else f"{output}.rejects.jsonl"
    own = [base, work.location, _absolute(rejects)]
    with _standard_input(inputs, base) as standard_input:
        sources = find_sources(inputs, from_format, standard_input=standard_input, leave_out=own)
        targets = _targets(sources, base, kind) if output.endswith("/") else None
        plan = make_plan(
            *(model, sources, kind),
            shard_size=shard_size,
            gpu=gpu_id >= 0,
            batch_size=batch_size,
            folder=targets is not None,
        )
        outputs = [base] if targets is None else list(targets.values())
        _begin(work, plan, sources, outputs, _absolute(rejects), overwrite)
        found = work.summary()
        if found is None:
            settings = Settings(kind, work.location, targets, shard_size, batch_size, n_process, gpu_id >= 0)
            start, done = _run_engine(
                engine, model, plan["model"], sources, settings, gpu_id, actors, on_start, on_progress
            )
            seconds = perf_counter() - start
            report = sum_reports(work, sources)
            if targets is None and (report.documents or made.may_be_empty):
                report = write_all(work, sources, made, base)
            write_rejects(report.rejects, _absolute(rejects))
            if not report.documents and not made.may_be_empty:
                work.remove()
                raise EmbreError(f"{output}: no document came out, and there is nothing to write: see {rejects}")
            found = _summarize(report, rejects, done, seconds)
            work.mark_complete(found)
        work.remove()
    return Summary(**found)


def _check(
    inputs: Sequence[str],
    from_format: Optional[str],
    n_process: int,
    gpu_id: int,
    engine: str,
    actors: Optional[int],
) -> None:
    if engine not in ENGINES:
        raise EmbreError(f"unknown engine {engine!r}: use one of {', '.join(ENGINES)}")
    if engine == "ray" and n_process != 1:
        raise EmbreError("with Ray, actors are the processes: say how many by --actors, not by --n-process")
    if engine == "ray" and STANDARD_INPUT in inputs:
        raise EmbreError("standard input is on one machine, so it cannot be read with Ray")
    if STANDARD_INPUT in inputs and from_format is None:
        raise InputError("standard input has no suffix: name its format (--from)", file=STANDARD_INPUT)
    if engine != "ray" and actors is not None:
        raise EmbreError("--actors is for --engine ray")
    if gpu_id >= 0 and n_process != 1:
        raise EmbreError("one process uses a GPU: --n-process is for the CPU")


def _check_output(output: str) -> None:
    # The work folder lies beside the output, and beside a bucket there are only other buckets.
    if is_uri(output) and "/" not in output.split("://", 1)[1].rstrip("/"):
        raise EmbreError(f"{output}: a folder in the bucket is needed, because the work folder lies beside the output")


def _absolute(location: str) -> str:
    return location.rstrip("/") if is_uri(location) else os.path.abspath(location)


@contextmanager
def _standard_input(inputs: Sequence[str], base: str) -> Iterator[Optional[Tuple[Path, str]]]:
    """A copy of standard input with its digest, if it is an input."""
    copy = f"{base}.stdin"
    if not is_uri(base):
        remove_parts([copy])
    if STANDARD_INPUT not in inputs:
        yield None
    elif is_uri(base):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "stdin"
            yield path, copy_standard_input(sys.stdin.buffer, path)
    else:
        # Beside the output there is room for it, and the next run finds it if this one is killed.
        path = Path(copy).with_name(part_name(os.path.basename(copy)))
        try:
            yield path, copy_standard_input(sys.stdin.buffer, path)
        finally:
            path.unlink(missing_ok=True)


def _targets(sources: List[Source], base: str, kind: str) -> Dict[int, str]:
    """Where the output of each file goes: below the folder as the file below its input, with the suffix of the kind."""
    targets: Dict[int, str] = {}
    taken: Dict[str, str] = {f"{base}/rejects.jsonl": "the file of rejects"}
    for source in sources:
        target = f"{base}/{os.path.splitext(split_gz(source.relative)[0])[0]}{KINDS[kind]}"
        if target in taken:
            raise InputError(f"{taken[target]} has the same output, {target}", file=source.name)
        taken[target] = source.name
        targets[source.index] = target
    return targets


def _begin(
    work: WorkFolder, plan: Plan, sources: List[Source], outputs: List[str], rejects: str, overwrite: bool
) -> None:
    """Go on with the run that was begun, or begin one. What an earlier one left half written goes."""
    read = {source.location: source.name for source in sources}
    for output in [*outputs, rejects]:
        if output in read:
            raise InputError("it is an input too", file=read[output])
    if _is_to_begin(work, plan, outputs, overwrite):
        work.remove()
        work.begin(plan)
    remove_parts([*outputs, rejects])


def _is_to_begin(work: WorkFolder, plan: Plan, outputs: List[str], overwrite: bool) -> bool:
    before = work.plan()
    if before is None and work.is_foreign():
        raise EmbreError(f"{work.location}: the work folder would have this name, and there is another folder")
    if before is not None:
        found = differences(before, plan)
        if not found:
            return False
        if not overwrite:
            raise EmbreError(
                f"{work.location}: another run was begun here ({'; '.join(found)}): --overwrite begins anew"
            )
    elif not overwrite:
        for output in outputs:
            if storage_of(output).find(output) is not None:
                raise InputError("it exists: --overwrite replaces it", file=output)
    return True


def _run_engine(
    engine: str,
    model: str,
    digest: str,
    sources: List[Source],
    settings: Settings,
    gpu_id: int,
    actors: Optional[int],
    on_start: Callable[[int], None],
    on_progress: Callable[[Progress], None],
) -> Tuple[float, Progress]:
    finished = WorkFolder(settings.work).finished()
    left = [source for source in sources if source.index not in finished]
    size = sum(source.size for source in left)
    if not left:
        return perf_counter(), Progress(0, 0)
    if engine == "ray":
        from .ray_engine import annotate_with_ray

        on_start(size)
        start = perf_counter()
        return start, annotate_with_ray(model, digest, left, settings, actors=actors, on_progress=on_progress)
    from ..relation import find_component
    from ..util import load_pipeline

    nlp = load_pipeline(model, gpu_id)
    find_component(nlp)
    on_start(size)
    start = perf_counter()
    return start, annotate_files(nlp, left, settings, on_progress)


def _summarize(report: Report, rejects: str, done: Progress, seconds: float) -> Dict[str, Any]:
    return Summary(
        report.documents,
        report.relations,
        len(report.rejected),
        rejects,
        done.documents,
        seconds,
        report.notes,
    )._asdict()
