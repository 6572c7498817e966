"""Running a command for hours: its output goes to a log, and two never work in the same place."""

import os
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Iterator, List, Sequence

from spacy.util import ENV_VARS

from embre_spacy.errors import EmbreError

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps two from working in the same place.
    fcntl = None  # type: ignore[assignment]

_TAIL_LINES = 15
_TAIL_BYTES = 20_000


@contextmanager
def open_log(path: Path) -> Iterator[BinaryIO]:
    """Open the log of a job, and keep all others from opening it.

    path (Path): The log. What an earlier job wrote is gone.
    YIELDS (BinaryIO): The log.
    RAISES (EmbreError): If a job that writes this log is still running.
    """
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
    """Run a Python module, with its output in a log.

    arguments (Sequence[str]): The name of the module and its arguments.
    log (BinaryIO): The log, as `open_log` opens it.
    RETURNS (float): The seconds that it took.
    RAISES (EmbreError): If it failed, with the end of the log.
    """
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
