"""The corpus reader of `spacy train`."""

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Optional, Union

from spacy.language import Language
from spacy.training import Example

from .errors import InputError
from .formats import read
from .tokens import copy_mentions


def create_corpus(path: Optional[Union[str, Path]], limit: int = 0) -> Callable[[Language], Iterable[Example]]:
    """Create the reader of a corpus (`embre_spacy.Corpus.v1`). The predicted documents of its examples have the gold
    mentions for relations, but no entities: a recognizer beside is scored by what it finds.

    path (Optional[Union[str, Path]]): A file in any format that `embre_spacy.read` reads, or a folder with DocBin
        files.
    limit (int): The largest number of documents to read; 0 for all.
    RETURNS (Callable[[Language], Iterable[Example]]): Reads the corpus for a pipeline.
    """
    return partial(_read_examples, path=path, limit=limit)


def _read_examples(nlp: Language, *, path: Optional[Union[str, Path]], limit: int) -> Iterator[Example]:
    if path is None or str(path) == "":
        raise InputError("no path is given: set `paths.train` and `paths.dev` in the config or on the command line")
    references = (reference for file in list_corpus_files(path) for reference in read(file, nlp.vocab))
    reference = None
    for reference in islice(references, limit if limit > 0 else None):
        yield Example(copy_mentions(reference), reference)
    if reference is None:
        raise InputError("the corpus has no documents", file=str(path))


def list_corpus_files(path: Union[str, Path]) -> List[Path]:
    """List the files of a corpus: the file itself, or all DocBin files below the folder."""
    path = Path(path)
    if not path.exists():
        raise InputError("there is no such file or folder", file=str(path))
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob("*.spacy"))
    if not files:
        raise InputError("there is no .spacy file in this folder or below it", file=str(path))
    return files
