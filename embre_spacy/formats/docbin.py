"""spaCy's DocBin: documents as they are, tokens and predictions included."""

from pathlib import Path
from typing import Iterable, Iterator

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import InputError


def read_docbin(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read a .spacy file.

    path (Path): The file.
    vocab (Vocab): The vocabulary that its documents will share.
    YIELDS (Doc): Its documents.
    RAISES (InputError): If it is damaged, or something else.
    """
    try:
        data = path.read_bytes()
        if not data:
            raise InputError("the file is empty")
        # Damaged bytes fail anywhere between zlib, MessagePack, NumPy and spaCy, with whatever that raises.
        docs = DocBin().from_bytes(data).get_docs(vocab)
    except (InputError, OSError):
        raise
    except Exception as error:
        raise InputError(f"not a DocBin, or damaged: {_short(error)}") from error
    while True:
        try:
            doc = next(docs)
        except StopIteration:
            return
        except Exception as error:
            raise InputError(f"not a DocBin, or damaged: {_short(error)}") from error
        yield doc


def write_docbin(docs: Iterable[Doc]) -> bytes:
    """Make the content of a .spacy file.

    docs (Iterable[Doc]): The documents.
    RETURNS (bytes): The content.
    """
    docbin = DocBin(store_user_data=True)
    for doc in docs:
        docbin.add(doc)
    return docbin.to_bytes()


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
