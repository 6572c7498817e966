"""One cell with one seed: pretrain, train, evaluate, write the result."""

import shutil
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..errors import EmbreError
from ..provenance import describe_run
from .grid import Cell, Grid
from .jobs import open_log, run_command
from .measure import measure_floor, measure_pipeline
from .pretrained import PretrainedFolders, digest
from .results import FLOOR_FILE, read_result, result_path, settings_changed, write_result
from .settings import as_options, cell_settings, corpus_files, floor_settings, training_overrides

_MODEL = "model-best"
# The result of a pipeline that is kept, beside it.
_KEPT_FILE = "result.json"
# The settings of a training, and the digests of its corpora.
_Wanted = Tuple[Dict[str, Any], Dict[str, str]]


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


def find_result(path: Path, settings: Dict[str, Any], corpora: Dict[str, str]) -> Tuple[Dict[str, Any], List[str]]:
    """The result that an earlier run left.

    path (Path): Its file.
    settings (Dict[str, Any]): The settings that are wanted.
    corpora (Dict[str, str]): The digests of the corpora that are wanted.
    RETURNS (Tuple[Dict[str, Any], List[str]]): The result, empty if there is none, and in what it differs from what is
        wanted.
    """
    try:
        found = read_result(path)
    except EmbreError as error:
        return {}, [str(error)]
    if found is None:
        return {}, []
    names = [name for name, value in corpora.items() if found.get("corpora", {}).get(name) != value]
    return found, [*settings_changed(found, settings), *(f"the documents of {name}" for name in names)]


def digest_corpora(cell: Cell) -> Dict[str, str]:
    """The digests of the corpora of a cell.

    cell (Cell): The cell.
    RETURNS (Dict[str, str]): Those of the files that `corpus_files` finds, by the same names.
    RAISES (EmbreError): If one is not there.
    """
    return {name: digest(Path(file)) for name, file in corpus_files(cell).items()}


def run_cell(
    grid: Grid, cell: Cell, seed: int, places: Places, pretrained: PretrainedFolders, say: Callable[[str], None]
) -> Dict[str, Any]:
    """Train a cell with a seed and write its result.

    grid (Grid): The grid.
    cell (Cell): The cell.
    seed (int): The seed.
    places (Places): Where to write.
    pretrained (PretrainedFolders): Makes what it starts from.
    say (Callable[[str], None]): Takes a line about what goes on.
    RETURNS (Dict[str, Any]): The result.
    RAISES (EmbreError): If anything fails.
    """
    wanted = _find_wanted(cell, seed)
    path = result_path(places.results, grid.name, cell.name, seed)
    for other in sorted(places.results.glob(f"*/*-seed{seed}.json")):
        found, different = find_result(other, *wanted)
        if other != path and found and not different:
            say(f"has the settings and documents of {other}, so it has its result")
            of = found.get("result_of") or f"{other.parent.name}/{other.stem}"
            result = {**found, **_describe(grid, cell, seed), "result_of": of}
            write_result(result, path)
            return result
    return _train(grid, cell, seed, wanted, places, pretrained, say)


def _find_wanted(cell: Cell, seed: int) -> _Wanted:
    return cell_settings(cell, seed), digest_corpora(cell)


def _train(
    grid: Grid,
    cell: Cell,
    seed: int,
    wanted: _Wanted,
    places: Places,
    pretrained: PretrainedFolders,
    say: Callable[[str], None],
) -> Dict[str, Any]:
    # Before the hours of training, so that files which change meanwhile, and commits that are made meanwhile, are not
    # taken for what was trained on and with.
    (settings, corpora), run = wanted, describe_run()
    encoder, pretraining = cell.encoder, None
    if cell.pretraining is not None:
        encoder = str(pretrained.make(cell.pretraining))
        pretraining = pretrained.describe(cell.pretraining)
    teachers = [_make_teacher(grid, *teacher, places, pretrained, say) for teacher in cell.teachers]
    folder = _folder(grid, cell, seed, places)
    pipeline = folder / "pipeline"
    with open_log(folder / "train.log") as log:
        # spaCy cannot go on with a training that was killed.
        (folder / _KEPT_FILE).unlink(missing_ok=True)
        shutil.rmtree(pipeline, ignore_errors=True)
        say(f"training -> {folder}")
        overrides = training_overrides(cell, seed, encoder, [str(path) for path, _ in teachers])
        command = ["spacy", "train", cell.config, "--output", str(pipeline), "--gpu-id", str(places.gpu_id)]
        training_seconds = run_command([*command, *as_options(overrides)], log)
        try:
            dev = measure_pipeline(pipeline / _MODEL, gpu_id=places.gpu_id)
        except Exception as error:
            # Whatever it is, the other cells can still run.
            log.write(traceback.format_exc().encode())
            raise EmbreError(f"the evaluation failed ({type(error).__name__}: {error}); see {log.name}") from error
        keep = places.keep_weights or grid.teaches(cell, seed)
        if not keep:
            shutil.rmtree(pipeline)
    result = {
        **_describe(grid, cell, seed),
        "result_of": None,
        "settings": settings,
        "corpora": corpora,
        "pretraining": pretraining,
        "run": run,
        "gpu": _name_gpu(places.gpu_id),
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
    write_result(result, result_path(places.results, grid.name, cell.name, seed))
    return result


def _make_teacher(
    grid: Grid,
    cell: Cell,
    seed: int,
    places: Places,
    pretrained: PretrainedFolders,
    say: Callable[[str], None],
) -> Tuple[Path, float]:
    """The pipeline of a teacher, trained unless it has been, and the seconds that its training took."""
    folder = _folder(grid, cell, seed, places)
    wanted = _find_wanted(cell, seed)
    # Written last, so it stands for a whole pipeline.
    result, different = find_result(folder / _KEPT_FILE, *wanted)
    if different or not result:
        say(f"needs the teacher {cell.name} seed {seed}")
        result = _train(grid, cell, seed, wanted, places, pretrained, say)
    return folder / "pipeline" / _MODEL, result["seconds"]["training"]


def _folder(grid: Grid, cell: Cell, seed: int, places: Places) -> Path:
    return places.work / grid.name / f"{cell.name}-seed{seed}"


def _describe(grid: Grid, cell: Cell, seed: int) -> Dict[str, Any]:
    """What a result says of the place that it has in a grid."""
    return {
        "grid": grid.name,
        "cell": cell.name,
        "label": cell.label,
        "seed": seed,
        "config_file": cell.config,
        "overrides": cell.overrides,
    }


def _name_gpu(gpu_id: int) -> Optional[str]:
    import torch

    return torch.cuda.get_device_name(gpu_id) if gpu_id >= 0 else None


def write_floor(grid: Grid, places: Places) -> bool:
    """Write the floor of a grid, unless it is there: every candidate related, with the most frequent type and novelty.

    grid (Grid): The grid.
    places (Places): Where to write.
    RETURNS (bool): Whether it was written.
    RAISES (EmbreError): If it cannot be computed.
    """
    cell, path = grid.common, places.results / grid.name / FLOOR_FILE
    settings, corpora = floor_settings(grid), digest_corpora(cell)
    found, different = find_result(path, settings, corpora)
    if found and not different:
        return False
    write_result(
        {
            "grid": grid.name,
            "cell": None,
            "label": "floor",
            "seed": None,
            "settings": settings,
            "corpora": corpora,
            "run": describe_run(),
            "dev": _measure_floor(cell),
        },
        path,
    )
    return True


def _measure_floor(cell: Cell) -> Dict[str, Any]:
    try:
        return measure_floor(cell)
    except EmbreError:
        raise
    except Exception as error:
        # spaCy refuses configs and corpora with errors of many kinds. Whatever it is, the cells can still run.
        raise EmbreError(f"{cell.config}: {type(error).__name__}: {' '.join(str(error).split())}") from error
