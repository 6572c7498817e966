"""One cell with one seed: pretrain, train, evaluate, write the result."""

import shutil
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from embre_spacy.errors import EmbreError
from embre_spacy.util import describe_run

from .grid import Cell, Grid
from .jobs import open_log, run_command
from .measure import measure_pipeline
from .pretrained import PretrainedFolders
from .results import result_path, write_result
from .settings import as_options, training_overrides
from .wanted import Wanted, find_result, want_cell

_MODEL = "model-best"
# The result of a pipeline that is kept, beside it.
_KEPT_FILE = "result.json"


@dataclass(frozen=True)
class Places:
    """Where things are written, and on what they run.

    results (Path): The folder of results.
    work (Path): The folder of everything else.
    gpu_id (int): The GPU, or -1 for the CPU.
    keep_weights (bool): Whether trained pipelines stay when they are evaluated.
    """

    results: Path
    work: Path
    gpu_id: int = -1
    keep_weights: bool = False


class CellRunner:
    """Runs the cells of a grid.

    grid (Grid): The grid.
    places (Places): Where to write.
    pretrained (PretrainedFolders): Makes what cells start from.
    say (Callable[[str], None]): Takes a line about what goes on.
    """

    def __init__(self, grid: Grid, places: Places, pretrained: PretrainedFolders, say: Callable[[str], None]) -> None:
        self._grid = grid
        self._places = places
        self._pretrained = pretrained
        self._say = say

    def run(self, cell: Cell, seed: int) -> Dict[str, Any]:
        """Train a cell with a seed and write its result.

        cell (Cell): The cell.
        seed (int): The seed.
        RETURNS (Dict[str, Any]): The result.
        RAISES (EmbreError): If anything fails.
        """
        wanted, path = want_cell(cell, seed), self._result_path(cell, seed)
        for other in sorted(self._places.results.glob(f"*/*-seed{seed}.json")):
            found, different = find_result(other, wanted)
            if other != path and found and not different:
                self._say(f"has the settings and documents of {other}, so it has its result")
                of = found.get("result_of") or f"{other.parent.name}/{other.stem}"
                result = {**found, **self._describe(cell, seed), "result_of": of}
                write_result(result, path)
                return result
        return self._train(cell, seed, wanted)

    def _train(self, cell: Cell, seed: int, wanted: Wanted) -> Dict[str, Any]:
        # Before the hours of training, so that commits that are made meanwhile are not taken for what was trained with.
        # So is what is wanted: files may change meanwhile.
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
            command = ["spacy", "train", cell.config, "--output", str(pipeline), "--gpu-id", str(self._places.gpu_id)]
            training_seconds = run_command([*command, *as_options(overrides)], log)
            try:
                dev = measure_pipeline(pipeline / _MODEL, gpu_id=self._places.gpu_id)
            except Exception as error:
                # Whatever it is, the other cells can still run.
                log.write(traceback.format_exc().encode())
                raise EmbreError(f"the evaluation failed ({type(error).__name__}: {error}); see {log.name}") from error
            keep = self._places.keep_weights or self._grid.teaches(cell, seed)
            if not keep:
                shutil.rmtree(pipeline)
        result = {
            **self._describe(cell, seed),
            "result_of": None,
            "settings": wanted.settings,
            "corpora": wanted.corpora,
            "pretraining": pretraining,
            "run": run,
            "gpu": _name_gpu(self._places.gpu_id),
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
        folder, wanted = self._folder(cell, seed), want_cell(cell, seed)
        # Written last, so it stands for a whole pipeline.
        result, different = find_result(folder / _KEPT_FILE, wanted)
        if different or not result:
            self._say(f"needs the teacher {cell.name} seed {seed}")
            result = self._train(cell, seed, wanted)
        return folder / "pipeline" / _MODEL, result["seconds"]["training"]

    def _folder(self, cell: Cell, seed: int) -> Path:
        return self._places.work / self._grid.name / f"{cell.name}-seed{seed}"

    def _result_path(self, cell: Cell, seed: int) -> Path:
        return result_path(self._places.results, self._grid.name, cell.name, seed)

    def _describe(self, cell: Cell, seed: int) -> Dict[str, Any]:
        """What a result says of the place that it has in a grid."""
        return {
            "grid": self._grid.name,
            "cell": cell.name,
            "label": cell.label,
            "seed": seed,
            "config_file": cell.config,
            "overrides": cell.overrides,
        }


def _name_gpu(gpu_id: int) -> Optional[str]:
    import torch

    return torch.cuda.get_device_name(gpu_id) if gpu_id >= 0 else None
