"""Plain texts: from files with one on every line to wordpieces in a file, of which only what is read is in memory."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Collection, Dict, Iterator, Sequence

import numpy
from numpy.typing import NDArray
from spacy.util import minibatch
from transformers import PreTrainedTokenizerBase

from ..errors import InputError
from ..files import Location, add_file_to_errors, iter_lines, open_input, open_output
from ..transformer.text import TaggedText, Wordpieces, cut_wordpieces
from .data import ENCODED_AT_ONCE, EncodedDocument, find_word_starts

# The bit of a wordpiece that starts a word; no vocabulary is as large.
_STARTS_WORD = 2**31


class EncodedTexts(Sequence[EncodedDocument]):
    """Plain texts as documents without mentions. They are encoded once, into two files in a folder that bear the name
    of what they are made of."""

    def __init__(
        self,
        files: Sequence[Location],
        folder: Path,
        tokenizer: PreTrainedTokenizerBase,
        left_out: Collection[str],
        name: str,
    ) -> None:
        pieces_file, ends_file = folder / f"{name}.bin", folder / f"{name}.npy"
        # It is written last, so that both are whole if it is there.
        if not ends_file.is_file():
            lengths = []
            with open_output(pieces_file, make_folder=True) as output:
                for texts in minibatch(read_texts(files, left_out), ENCODED_AT_ONCE):
                    encoded = cut_wordpieces(tokenizer, [TaggedText(text, []) for text in texts])
                    for text, (ids, starts) in zip(texts, encoded):
                        flags = numpy.where(find_word_starts(text, starts), _STARTS_WORD, 0)
                        output.write((ids + flags).astype("uint32").tobytes())
                        lengths.append(len(ids))
            with open_output(ends_file) as output:
                numpy.save(output, numpy.cumsum([0, *lengths]))
        self._ends = numpy.load(ends_file)
        # An empty file cannot be mapped.
        is_empty = not self._ends[-1]
        self._pieces = numpy.zeros(0, "uint32") if is_empty else numpy.memmap(pieces_file, "uint32", mode="r")

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def lengths(self) -> NDArray[numpy.int64]:
        """The number of wordpieces of each text; shape (texts,)."""
        return numpy.diff(self._ends)

    def __getitem__(self, index: int) -> EncodedDocument:  # type: ignore[override]
        pieces = self._pieces[self._ends[index] : self._ends[index + 1]]
        is_tag = numpy.zeros(len(pieces), dtype="bool")
        none = numpy.zeros((0, 2), dtype="int64")
        ids = (pieces % _STARTS_WORD).astype("int64")
        return EncodedDocument(index, Wordpieces(ids, none, is_tag), pieces >= _STARTS_WORD, none, [])

    def count_words(self) -> Counter:
        """Count the wordpieces by their ids."""
        counts = numpy.bincount(self._pieces % _STARTS_WORD).tolist()
        return Counter({id: count for id, count in enumerate(counts) if count})


def read_texts(files: Sequence[Location], left_out: Collection[str]) -> Iterator[str]:
    """Yield the texts of files of JSON lines, each an object with `text`, or `title` and `abstract`, but for those
    whose `id` is to be left out. RAISES (InputError): If a line is none."""
    for file in files:
        with add_file_to_errors(file), open_input(file) as opened:
            for number, line, damage in iter_lines(opened):
                if damage is not None:
                    raise damage
                if line.strip():
                    fields = _parse(line, number)
                    text = fields.get("text") or " ".join(filter(None, (fields.get("title"), fields.get("abstract"))))
                    if not isinstance(text, str) or not text.strip():
                        raise InputError(f"line {number}: it has no text")
                    if not fields.get("id") or str(fields["id"]) not in left_out:
                        yield text


def _parse(line: str, number: int) -> Dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number}: not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InputError(f"line {number}: not an object")
    return fields
