"""The registered corpus reader for `spacy train`."""

from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Optional, Union

from spacy.language import Language
from spacy.training import Example

from .errors import InputError
from .formats import read
from .tokens import copy_mentions


def create_corpus(path: Optional[Union[str, Path]], limit: int = 0) -> Callable[[Language], Iterable[Example]]:
    """Examples whose predicted documents have the gold mentions and no relations (`embre_spacy.Corpus.v1`).

    path (Optional[Union[str, Path]]): A DocBin file or any other that `embre_spacy.read` reads, or a folder (all
        `.spacy` files below it).
    limit (int): The most documents to read; 0 for all.
    RETURNS (Callable[[Language], Iterable[Example]]): Reads the corpus for a pipeline.
    """
    return RelationCorpus(path, limit=limit)


class RelationCorpus:
    """Reads documents with relations; see `create_corpus`."""

    def __init__(self, path: Optional[Union[str, Path]], *, limit: int = 0) -> None:
        self.path = path
        self.limit = limit

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield an example for each document.

        nlp (Language): The pipeline whose vocabulary the documents share.
        YIELDS (Example): The examples.
        RAISES (InputError): If the path is missing or holds no documents.
        """
        count = 0
        for file in self._files():
            for reference in read(file, nlp.vocab):
                yield Example(copy_mentions(reference), reference)
                count += 1
                if count == self.limit:
                    return
        if not count:
            raise InputError("the corpus has no documents", file=str(self.path))

    def _files(self) -> List[Path]:
        if self.path is None or str(self.path) == "":
            raise InputError("no path is given: set `paths.train` and `paths.dev` in the config or on the command line")
        path = Path(self.path)
        if path.is_dir():
            return sorted(path.rglob("*.spacy"))
        if not path.is_file():
            raise InputError("there is no such file or folder", file=str(path))
        return [path]
