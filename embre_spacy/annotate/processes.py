"""Worker processes that neither outlive this process nor die unnoticed.

`nlp.pipe(n_process=2)` looks after neither: its workers wait for ever for a parent that was killed, and it waits for
ever for a worker that was.
"""

import multiprocessing
import os
import signal
import threading
import time
from contextlib import contextmanager
from traceback import walk_tb
from typing import Iterator, List, Set

from ..errors import EmbreError

# Short, because a worker is known from the first look on, and must be known before it dies.
_SECONDS = 0.05
_PARENT_SECONDS = 0.5
# Whether processes that are forked now are workers.
_forks_are_workers = threading.Event()


@contextmanager
def guard_workers(n_process: int) -> Iterator[None]:
    """Watch the worker processes that are started within.

    n_process (int): How many there will be; nothing is watched if the work is done in this process.
    RAISES (EmbreError): If a worker died. All others are ended then.
    """
    if n_process == 1:
        yield
        return
    died: List[str] = []
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(done, died), daemon=True)
    _forks_are_workers.set()
    watch.start()
    try:
        yield
    except (EOFError, OSError) as error:
        # The channel of a worker has no other end any more.
        if not died:
            raise
        # What is in the queues nobody takes out any more, and this process would wait for that when it ends.
        for frame, _ in walk_tb(error.__traceback__):
            for queue in frame.f_locals.get("texts_q", ()):
                queue.cancel_join_thread()
        raise EmbreError(f"a worker process {died[0]}: is there memory for all of them?") from error
    finally:
        _forks_are_workers.clear()
        done.set()
        watch.join()


def _watch(done: threading.Event, died: List[str]) -> None:
    known: Set[multiprocessing.process.BaseProcess] = set()
    while not done.wait(_SECONDS):
        known.update(multiprocessing.active_children())
        codes = [process.exitcode for process in known if process.exitcode]
        if codes and not died:
            code = codes[0]
            died.append(f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}")
            # The others hold open what nothing will come through, and would be waited for.
            for process in known:
                process.terminate()


def _end_with_parent() -> None:
    if _forks_are_workers.is_set():
        parent = os.getppid()
        threading.Thread(target=_wait_for_end, args=(parent,), daemon=True).start()


def _wait_for_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_with_parent)
