"""Jobs that take hours: a command with its output in a log, and the pretrainings that cells share."""

import json
import os
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Sequence

from spacy.util import ENV_VARS

from embre_spacy.errors import EmbreError
from embre_spacy.pretraining import REPORT_FILE
from embre_spacy.util import checksum

from .grid import PretrainingSpec
from .settings import as_options, checksum_corpus, pretraining_overrides, pretraining_settings

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps two from working in the same place.
    fcntl = None  # type: ignore[assignment]

_TAIL_LINES = 15
_TAIL_BYTES = 20_000


@contextmanager
def open_log(path: Path) -> Iterator[BinaryIO]:
    """Open the log of a job, which is emptied, and keep all others from opening it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        if fcntl is not None:
            # The command that runs inherits the lock together with the log. So a training that outlives its killed
            # parent keeps others out of its folder until it ends.
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                cause = "the job that writes this log is still running; wait for it, or end it"
                raise EmbreError(f"{path}: {cause}") from error
        log.truncate(0)
        yield log


def run_command(arguments: Sequence[str], log: BinaryIO) -> float:
    """Run a Python module with its arguments and its output in a log, and return the seconds that it took. If it fails,
    the error has the end of the log."""
    log.write(f"$ python -m {shlex.join(arguments)}\n".encode())
    log.flush()
    # Settings come from the grid alone.
    environment = {name: value for name, value in os.environ.items() if name != ENV_VARS.CONFIG_OVERRIDES}
    start = time.monotonic()
    code = subprocess.run(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
    ).returncode
    if code:
        how = f"ended with exit code {code}" if code > 0 else f"was killed by signal {-code}"
        tail = "\n".join(f"  | {line}" for line in _tail(Path(log.name)))
        raise EmbreError(f"`{' '.join(arguments[:2])}` {how}; the end of {log.name}:\n{tail}")
    return time.monotonic() - start


def _tail(path: Path) -> List[str]:
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        # Bars draw over themselves: what stands between two carriage returns was only seen for a moment.
        lines = [line.rpartition("\r")[2].rstrip() for line in log.read().decode("utf8", "replace").split("\n")]
    return [line for line in lines if line][-_TAIL_LINES:]


class PretrainedFolders:
    """Finds or makes the folders of pretrained transformers, which cells, seeds and grids share.

    work (Path): The folder above all of them.
    gpu_id (int): The GPU, or -1 for the CPU.
    say (Callable[[str], None]): Takes a line about what goes on.
    """

    def __init__(self, work: Path, *, gpu_id: int, say: Callable[[str], None]) -> None:
        self.root = work / "pretrained"
        self.gpu_id = gpu_id
        self.say = say
        self._failed: Dict[Path, str] = {}

    def path(self, spec: PretrainingSpec) -> Path:
        """The folder of a pretraining, whether it is there or not. Its name tells settings and corpora apart, so it
        never holds another pretraining."""
        configs = [pretraining_settings(step)["config"] for step in spec.chain]
        files = [[step.corpus, step.dev, *step.also] for step in spec.chain]
        corpora = [[path and checksum_corpus(path) for path in paths] for paths in files]
        key = checksum(json.dumps([configs, corpora], sort_keys=True).encode())
        encoder = configs[0]["encoder"]["name"].rpartition(":")[2].rstrip("/").rpartition("/")[2]
        steps = [
            f"concepts{config['masking']['concept_rate']:g}-words{config['masking']['word_rate']:g}"
            f"-epochs{config['training']['epochs']}"
            for config in configs
        ]
        return self.root / f"{encoder}-{'-'.join(steps)}-{key[:10]}"

    def report(self, spec: PretrainingSpec) -> Optional[Dict[str, Any]]:
        """The report of a finished pretraining; None if it is not finished."""
        # It is written last, so it stands for a whole folder.
        try:
            return json.loads((self.path(spec) / REPORT_FILE).read_text(encoding="utf8"))
        except (OSError, ValueError):
            return None

    def make(self, spec: PretrainingSpec) -> Path:
        """Pretrain unless that has been done; go on with a pretraining that was killed.

        spec (PretrainingSpec): The pretraining.
        RETURNS (Path): The folder.
        RAISES (EmbreError): If it fails, or has failed before in this run.
        """
        folder = self.path(spec)
        if self.report(spec) is not None:
            return folder
        if folder in self._failed:
            raise EmbreError(f"needs the pretraining {spec.name!r}, which failed (see above)")
        encoder = spec.encoder if spec.after is None else str(self.make(spec.after))
        try:
            with open_log(folder.with_name(f"{folder.name}.log")) as log:
                going_on = " (going on where it was killed)" if (folder / "checkpoints").is_dir() else ""
                self.say(f"pretraining {spec.name!r}{going_on} -> {folder}")
                command = ["embre_spacy", "pretrain", spec.corpus, str(folder), "--gpu-id", str(self.gpu_id)]
                command += [] if spec.config is None else ["--config", spec.config]
                command += [] if spec.dev is None else ["--dev", spec.dev]
                command += [part for file in spec.also for part in ("--also", file)]
                run_command([*command, *as_options(pretraining_overrides(spec, encoder))], log)
        except EmbreError as error:
            self._failed[folder] = str(error)
            raise EmbreError(f"pretraining {spec.name!r}: {error}") from error
        return folder

    def describe(self, spec: PretrainingSpec) -> Dict[str, Any]:
        """What results say of a finished pretraining. Its seconds are those of the whole chain; its settings are in the
        results already."""
        report = self.report(spec)
        if report is None:
            raise EmbreError(f"{self.path(spec)}: is no finished pretraining")
        kept = ("classes", "held_out", "written", "device", "precision", "run")
        return {
            "folder": self.path(spec).name,
            **{key: report[key] for key in kept if key in report},
            "seconds": report["seconds"] + (self.describe(spec.after)["seconds"] if spec.after else 0),
            "last_epoch": report["epochs"][-1],
        }
