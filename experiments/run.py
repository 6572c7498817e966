"""A grid from beginning to end: what is done is skipped, and what fails does not stop the rest."""

import shutil
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import torch
from rich.console import Console

from embre_spacy.errors import EmbreError
from embre_spacy.util import describe_run

from .check import check_grid
from .grid import Cell, Grid, PretrainingSpec
from .jobs import PretrainedFolders, open_log, run_command
from .measure import measure_floor, measure_pipeline
from .results import FLOOR_FILE, find_result, result_path, shorten_changes, write_result
from .settings import RunKey, as_options, key_of_cell, key_of_floor, training_overrides
from .statistics import LEVELS

Job = Tuple[Cell, int]
_MODEL = "model-best"
# The result of a pipeline that is kept, beside it.
_KEPT_FILE = "result.json"


@dataclass(frozen=True)
class RunPaths:
    """Where a run writes, and what it runs on.

    results (Path): The folder of results.
    work (Path): The folder of everything else.
    gpu_id (int): The GPU, or -1 for the CPU.
    keep_weights (bool): Whether trained pipelines stay when they have been evaluated.
    """

    results: Path
    work: Path
    gpu_id: int = -1
    keep_weights: bool = False


def run_grid(
    grid: Grid,
    paths: RunPaths,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] = (),
    console: Optional[Console] = None,
) -> List[str]:
    """Run the cells of a grid that are not done yet.

    grid (Grid): The grid.
    paths (RunPaths): Where to write.
    only (Sequence[str]): The names of the cells to run; all if empty.
    seeds (Sequence[int]): The seeds to run them with; all that they have if empty.
    console (Optional[Console]): Where to print the progress; nowhere if None.
    RETURNS (List[str]): The names of the jobs that failed, such as "none seed 0".
    RAISES (EmbreError): If the grid cannot be run at all; nothing has been run then.
    """
    cells = [cell for cell in grid.cells if not cell.retired]
    _refuse_unknown(only, [cell.name for cell in cells], f"{grid.file}: there is no cell")
    cells = [cell for cell in cells if not only or cell.name in only]
    jobs = [(cell, seed) for cell in cells for seed in cell.seeds]
    _refuse_unknown(seeds, sorted({seed for _, seed in jobs}), f"{grid.file}: no cell has the seed")
    run = _GridRun(grid, paths, console or Console(quiet=True))
    return run.run([(cell, seed) for cell, seed in jobs if not seeds or seed in seeds])


def _refuse_unknown(names: Sequence[Any], known: Sequence[Any], what: str) -> None:
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        raise EmbreError(f"{what} {', '.join(map(str, unknown))} (there are {', '.join(map(str, known))})")


class _GridRun:
    def __init__(self, grid: Grid, paths: RunPaths, console: Console) -> None:
        self.grid = grid
        self.paths = paths
        self.console = console
        self.pretrained = PretrainedFolders(paths.work, gpu_id=paths.gpu_id, say=self._say_inside)
        self.cells = CellRunner(grid, paths, self.pretrained, self._say_inside)
        self.times: List[float] = []

    def run(self, jobs: List[Job]) -> List[str]:
        lines, todo = self._find_todo(jobs)
        # A cell that is done may have settings that later versions do not know.
        names = {cell.name for cell, _ in todo}
        check_grid(self.grid, [cell for cell in self.grid.cells if cell.name in names])
        for line in lines:
            self._say(line)
        failed = [] if self._try("floor", self._write_floor) else ["floor"]
        for number, (cell, seed) in enumerate(todo, start=1):
            name = f"{cell.name} seed {seed}"
            self._say(f"[{number}/{len(todo)}] {name}: {cell.label}")
            if not self._try(name, partial(self._run_cell, cell, seed, todo[number:])):
                failed.append(name)
        return failed

    def _find_todo(self, jobs: List[Job]) -> Tuple[List[str], List[Job]]:
        """Find the jobs that are not done, with a line for each that is done, or has to be done again."""
        lines, todo = [], []
        for cell, seed in jobs:
            name = f"{cell.name} seed {seed}"
            path = result_path(self.paths.results, self.grid.name, cell.name, seed)
            try:
                result, changes = find_result(path, key_of_cell(cell, seed))
            except EmbreError:
                # The check of the grid says what is wrong with it.
                result, changes = {}, []
            if result and not changes:
                lines.append(f"{name}: done before ({path})")
                self.times.append(_sum_seconds(result))
                continue
            if changes:
                lines.append(f"{name}: again, because {path} differs in {shorten_changes(changes)}")
            todo.append((cell, seed))
        return lines, todo

    def _write_floor(self) -> None:
        path, key = self.paths.results / self.grid.name / FLOOR_FILE, key_of_floor(self.grid)
        result, changes = find_result(path, key)
        if result and not changes:
            return
        common = self.grid.common
        try:
            dev = measure_floor(common)
        except EmbreError:
            raise
        except Exception as error:
            # spaCy refuses configs and corpora with errors of many kinds. Whatever it is, the cells can still run.
            raise EmbreError(f"{common.config}: {type(error).__name__}: {' '.join(str(error).split())}") from error
        identity = {"grid": self.grid.name, "cell": None, "label": "floor", "seed": None}
        run = {"settings": key.settings, "corpora": key.corpora, "run": describe_run("experiments")}
        write_result({**identity, **run, "dev": dev}, path)
        self._say("floor: every candidate taken to be related")

    def _run_cell(self, cell: Cell, seed: int, left: List[Job]) -> None:
        with self.console.status(f"{cell.name} seed {seed}"):
            result = self.cells.run(cell, seed)
        self.times.append(_sum_seconds(result))
        scores = ", ".join(f"{title} {result['dev']['counts'][level]['f']:.3f}" for level, title in LEVELS.items())
        self._say_inside(f"F1 {scores}; {format_seconds(self.times[-1])}; {self._describe_left(left)}")

    def _try(self, name: str, job: Callable[[], None]) -> bool:
        """Do a job, and print how it failed, if it did."""
        try:
            job()
            return True
        except EmbreError as error:
            cause = str(error)
        except OSError as error:
            cause = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        self._say(f"Error: {self.grid.file}: {name}: {cause}")
        return False

    def _describe_left(self, left: List[Job]) -> str:
        if not left:
            return "none left"
        seconds = len(left) * sum(self.times) / len(self.times)
        cells = [cell for cell, _ in left]
        waiting = [spec for spec in _list_pretrainings(cells) if self.pretrained.report(spec) is None]
        reports = [self.pretrained.report(spec) for spec in _list_pretrainings(self.grid.cells)]
        times = [report["seconds"] for report in reports if report is not None]
        if times:
            seconds += len(waiting) * sum(times) / len(times)
        unsure = f", and {len(waiting)} pretraining{'s' if len(waiting) > 1 else ''}" if waiting and not times else ""
        return f"{len(left)} left, about {format_seconds(seconds)}{unsure}"

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _say_inside(self, line: str) -> None:
        self._say(f"  {line}")


class CellRunner:
    """Pretrains, trains and evaluates the cells of a grid.

    grid (Grid): The grid.
    paths (RunPaths): Where to write.
    pretrained (PretrainedFolders): Makes what cells start from.
    say (Callable[[str], None]): Takes a line about what goes on.
    """

    def __init__(self, grid: Grid, paths: RunPaths, pretrained: PretrainedFolders, say: Callable[[str], None]) -> None:
        self._grid = grid
        self._paths = paths
        self._pretrained = pretrained
        self._say = say

    def run(self, cell: Cell, seed: int) -> Dict[str, Any]:
        """Train a cell with a seed and write its result, or copy that of a cell with the same key.

        cell (Cell): The cell.
        seed (int): The seed.
        RETURNS (Dict[str, Any]): The result.
        RAISES (EmbreError): If anything fails.
        """
        key, path = key_of_cell(cell, seed), self._result_path(cell, seed)
        for other in sorted(self._paths.results.glob(f"*/*-seed{seed}.json")):
            result, changes = find_result(other, key)
            if other != path and result and not changes:
                self._say(f"has the settings and documents of {other}, so it has its result")
                source = result.get("result_of") or f"{other.parent.name}/{other.stem}"
                result = {**result, **self._identify(cell, seed), "result_of": source}
                write_result(result, path)
                return result
        return self._train(cell, seed, key)

    def _train(self, cell: Cell, seed: int, key: RunKey) -> Dict[str, Any]:
        # Before the hours of training: commits that are made meanwhile are not what was trained with.
        run = describe_run("experiments")
        encoder, pretraining = cell.encoder, None
        if cell.pretraining is not None:
            encoder = str(self._pretrained.make(cell.pretraining))
            pretraining = self._pretrained.describe(cell.pretraining)
        teachers = [self._make_teacher(*teacher) for teacher in cell.teachers]
        folder = self._folder(cell, seed)
        pipeline = folder / "pipeline"
        with open_log(folder / "train.log") as log:
            # spaCy cannot go on with a training that was killed.
            (folder / _KEPT_FILE).unlink(missing_ok=True)
            shutil.rmtree(pipeline, ignore_errors=True)
            self._say(f"training -> {folder}")
            overrides = training_overrides(cell, seed, encoder, [str(path) for path, _ in teachers])
            command = ["spacy", "train", cell.config, "--output", str(pipeline), "--gpu-id", str(self._paths.gpu_id)]
            training_seconds = run_command([*command, *as_options(overrides)], log)
            try:
                dev = measure_pipeline(pipeline / _MODEL, gpu_id=self._paths.gpu_id)
            except Exception as error:
                # Whatever it is, the other cells can still run.
                log.write(traceback.format_exc().encode())
                raise EmbreError(f"the evaluation failed ({type(error).__name__}: {error}); see {log.name}") from error
            keep = self._paths.keep_weights or self._grid.teaches(cell, seed)
            if not keep:
                shutil.rmtree(pipeline)
        result = {
            **self._identify(cell, seed),
            "result_of": None,
            "settings": key.settings,
            "corpora": key.corpora,
            "pretraining": pretraining,
            "run": run,
            "gpu": torch.cuda.get_device_name(self._paths.gpu_id) if self._paths.gpu_id >= 0 else None,
            "seconds": {
                "pretraining": None if pretraining is None else pretraining["seconds"],
                "teachers": round(sum(seconds for _, seconds in teachers), 1) if teachers else None,
                "training": round(training_seconds, 1),
                "evaluation": round(dev["seconds"], 1),
            },
            "documents_per_second": round(len(dev["documents"]) / dev["seconds"], 2) if dev["seconds"] else None,
            "dev": dev,
        }
        if keep:
            write_result(result, folder / _KEPT_FILE)
        write_result(result, self._result_path(cell, seed))
        return result

    def _make_teacher(self, cell: Cell, seed: int) -> Tuple[Path, float]:
        """The pipeline of a teacher, trained unless it has been, and the seconds that its training took."""
        folder, key = self._folder(cell, seed), key_of_cell(cell, seed)
        # It is written last, so it stands for a whole pipeline.
        result, changes = find_result(folder / _KEPT_FILE, key)
        if changes or not result:
            self._say(f"needs the teacher {cell.name} seed {seed}")
            result = self._train(cell, seed, key)
        return folder / "pipeline" / _MODEL, result["seconds"]["training"]

    def _folder(self, cell: Cell, seed: int) -> Path:
        return self._paths.work / self._grid.name / f"{cell.name}-seed{seed}"

    def _result_path(self, cell: Cell, seed: int) -> Path:
        return result_path(self._paths.results, self._grid.name, cell.name, seed)

    def _identify(self, cell: Cell, seed: int) -> Dict[str, Any]:
        """What a result says of its place in a grid."""
        return {
            "grid": self._grid.name,
            "cell": cell.name,
            "label": cell.label,
            "seed": seed,
            "config_file": cell.config,
            "overrides": cell.overrides,
        }


def _list_pretrainings(cells: Sequence[Cell]) -> List[PretrainingSpec]:
    return list({spec.name: spec for cell in cells for spec in cell.pretrainings}.values())


def _sum_seconds(result: Dict[str, Any]) -> float:
    return result["seconds"]["training"] + result["seconds"]["evaluation"]


def format_seconds(seconds: float) -> str:
    """Write a time in seconds below two minutes, in minutes below two hours, otherwise in hours and minutes."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
