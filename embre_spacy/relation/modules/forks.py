"""What `nlp.pipe(n_process=2)` needs on systems where processes are forked."""

import os
from functools import lru_cache

import torch

_VARIABLE = "TOKENIZERS_PARALLELISM"


@lru_cache(maxsize=1)
def prepare_forks() -> None:
    """Let forked processes work with one thread each.

    The threads of PyTorch do not survive a fork, and a worker that wants more than one would wait for them for ever.
    Those of tokenizers do not either, of which it would warn in every worker if it were not told before the fork.
    """
    if hasattr(os, "register_at_fork"):
        saved = []
        os.register_at_fork(
            before=lambda: (saved.append(os.environ.get(_VARIABLE)), os.environ.__setitem__(_VARIABLE, "false")),
            after_in_parent=lambda: _restore(saved.pop()),
            after_in_child=lambda: torch.set_num_threads(1),
        )


def _restore(value: "str | None") -> None:
    if value is None:
        os.environ.pop(_VARIABLE, None)
    else:
        os.environ[_VARIABLE] = value
