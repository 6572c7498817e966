"""A grid from beginning to end: what is done is skipped, what fails does not stop the rest."""

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from rich.console import Console

from embre_spacy.errors import EmbreError

from .cell import CellRunner, Places
from .check import check_grid
from .columns import LEVELS
from .floor import write_floor
from .grid import Cell, Grid, PretrainingSpec
from .pretrained import PretrainedFolders
from .results import result_path
from .wanted import find_result, want_cell

Job = Tuple[Cell, int]
# How many settings a line names.
_NAMED = 3


def run_grid(
    grid: Grid,
    places: Places,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] = (),
    console: Optional[Console] = None,
) -> List[str]:
    """Run the cells of a grid that are not done yet.

    grid (Grid): The grid.
    places (Places): Where to write.
    only (Sequence[str]): The names of the cells to run; all if empty.
    seeds (Sequence[int]): The seeds to run them with; all that they have if empty.
    console (Optional[Console]): Where to print the progress; nowhere if None.
    RETURNS (List[str]): The names of the jobs that failed, such as "none seed 0".
    RAISES (EmbreError): If the grid cannot be run at all; nothing has been run then.
    """
    console = console or Console(quiet=True)
    _refuse_unknown(only, [cell.name for cell in grid.cells], f"{grid.file}: there is no cell")
    cells = [cell for cell in grid.cells if not only or cell.name in only]
    check_grid(grid, cells)
    jobs = [(cell, seed) for cell in cells for seed in cell.seeds]
    _refuse_unknown(seeds, sorted({seed for _, seed in jobs}), f"{grid.file}: no cell has the seed")
    return _Run(grid, places, console).run([(cell, seed) for cell, seed in jobs if not seeds or seed in seeds])


def _refuse_unknown(wanted: Sequence[Any], known: Sequence[Any], what: str) -> None:
    unknown = [one for one in dict.fromkeys(wanted) if one not in known]
    if unknown:
        raise EmbreError(f"{what} {', '.join(map(str, unknown))} (there are {', '.join(map(str, known))})")


class _Run:
    def __init__(self, grid: Grid, places: Places, console: Console) -> None:
        self.grid = grid
        self.places = places
        self.console = console
        self.pretrained = PretrainedFolders(places.work, gpu_id=places.gpu_id, say=self._say_inside)
        self.cells = CellRunner(grid, places, self.pretrained, self._say_inside)
        self.times: List[float] = []

    def run(self, jobs: List[Job]) -> List[str]:
        todo = self._find_todo(jobs)
        failed = self._write_floor()
        for number, (cell, seed) in enumerate(todo, start=1):
            name = f"{cell.name} seed {seed}"
            self._say(f"[{number}/{len(todo)}] {name}: {cell.label}")
            error = self._run(partial(self._run_cell, cell, seed, todo[number:]))
            if error is not None:
                self._say(f"Error: {self.grid.file}: {name}: {error}")
                failed.append(name)
        return failed

    def _run_cell(self, cell: Cell, seed: int, left: List[Job]) -> None:
        with self.console.status(f"{cell.name} seed {seed}"):
            result = self.cells.run(cell, seed)
        self.times.append(_seconds_of(result))
        scores = ", ".join(f"{title} {result['dev']['counts'][level]['f']:.3f}" for level, title in LEVELS.items())
        line = f"F1 {scores}; {format_seconds(self.times[-1])}"
        self._say_inside(f"{line}; {self._describe_left(left)}")

    def _find_todo(self, jobs: List[Job]) -> List[Job]:
        """The jobs that are not done, with a line for each that is, or that has to be done again."""
        todo = []
        for cell, seed in jobs:
            path = result_path(self.places.results, self.grid.name, cell.name, seed)
            found, different = find_result(path, want_cell(cell, seed))
            if different:
                more = f" and {len(different) - _NAMED} more" if len(different) > _NAMED else ""
                names = ", ".join(different[:_NAMED])
                self._say(f"{cell.name} seed {seed}: again, because {path} differs in {names}{more}")
            elif found:
                self._say(f"{cell.name} seed {seed}: done before ({path})")
                self.times.append(_seconds_of(found))
                continue
            todo.append((cell, seed))
        return todo

    def _write_floor(self) -> List[str]:
        error = self._run(self._write_new_floor)
        if error is not None:
            self._say(f"Error: {self.grid.file}: floor: {error}")
        return [] if error is None else ["floor"]

    def _write_new_floor(self) -> None:
        if write_floor(self.grid, self.places.results):
            self._say("floor: every candidate taken to be related")

    def _run(self, job: Callable[[], Any]) -> Optional[str]:
        try:
            job()
        except EmbreError as error:
            return str(error)
        except OSError as error:
            return f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return None

    def _describe_left(self, left: List[Job]) -> str:
        if not left:
            return "none left"
        seconds = len(left) * sum(self.times) / len(self.times)
        waiting = self._find_pretrainings(left)
        known, unknown = self._estimate_pretrainings(waiting)
        unsure = f", and {unknown} pretraining{'s' if unknown > 1 else ''}" if unknown else ""
        return f"{len(left)} left, about {format_seconds(seconds + known)}{unsure}"

    def _find_pretrainings(self, left: List[Job]) -> List[PretrainingSpec]:
        """The pretrainings that the jobs need and that are not done yet."""
        found: Dict[str, PretrainingSpec] = {}
        for cell, _ in left:
            for spec in cell.pretrainings:
                if self.pretrained.report(spec) is None:
                    found[spec.name] = spec
        return list(found.values())

    def _estimate_pretrainings(self, waiting: List[PretrainingSpec]) -> Tuple[float, int]:
        """The seconds of pretrainings to come, as long as the mean of those that are done; their number if none is."""
        done: Set[str] = set()
        times = []
        for cell in self.grid.cells:
            for spec in cell.pretrainings:
                report = None if spec.name in done else self.pretrained.report(spec)
                if report is not None:
                    done.add(spec.name)
                    times.append(report["seconds"])
        if not times:
            return 0.0, len(waiting)
        return len(waiting) * sum(times) / len(times), 0

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _say_inside(self, line: str) -> None:
        self._say(f"  {line}")


def _seconds_of(result: Dict[str, Any]) -> float:
    return result["seconds"]["training"] + result["seconds"]["evaluation"]


def format_seconds(seconds: float) -> str:
    """A time for people.

    seconds (float): The seconds.
    RETURNS (str): In seconds below two minutes, in minutes below two hours, otherwise in hours and minutes.
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
