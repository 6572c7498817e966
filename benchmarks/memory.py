"""Memory: how much more a corpus of ten times the documents takes."""

import sys
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator

from spacy.language import Language
from spacy.tokens import Doc

from embre_spacy.tokens import copy_mentions

FACTOR = 10


def measure_memory(nlp: Language, read_corpus: Callable[[], Iterable[Doc]], *, batch_size: int) -> Dict[str, Any]:
    """The peak of memory that the process has had after the documents of a corpus, and after ten times as many.

    nlp (Language): The pipeline.
    read_corpus (Callable[[], Iterable[Doc]]): Reads the documents, one when it is asked for.
    batch_size (int): How many documents `nlp.pipe` gets at once.
    RETURNS (Dict[str, Any]): Both peaks in bytes, and their ratio. None where the system does not tell them.
    """
    once = _pipe(nlp, read_corpus(), batch_size)
    peak = peak_memory()
    passes: Iterator[Iterable[Doc]] = (read_corpus() for _ in repeat(None, FACTOR))
    more = _pipe(nlp, chain.from_iterable(passes), batch_size)
    later = peak_memory()
    return {
        "documents": once,
        "more_documents": more,
        "peak_bytes": peak,
        "more_peak_bytes": later,
        "more_to_less": later / peak if peak and later else None,
    }


def _pipe(nlp: Language, docs: Iterable[Doc], batch_size: int) -> int:
    return sum(1 for _ in nlp.pipe((copy_mentions(doc) for doc in docs), batch_size=batch_size))


def peak_memory() -> "int | None":
    """The most memory that this process has had.

    RETURNS (Optional[int]): Bytes; None where the system does not tell.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    # In kilobytes, but in bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
