"""Masked documents laid out as tensors: windows, padding, and where the wordpieces to predict from stand."""

from typing import TYPE_CHECKING, Dict, List, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import EmbreError
from ..transformer import split_windows
from .masking import MaskedDocument

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Batch = Dict[str, Tensor]


class Collator:
    """Makes batches of masked documents.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    window (int): The most wordpieces of text in a window.
    overlap (int): The least number of wordpieces that neighbouring windows of a document share.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", *, window: int, overlap: int) -> None:
        self.before, self.after = special_ids_around(tokenizer)
        self.padding_id = tokenizer.pad_token_id or 0
        self.window = window
        self.overlap = overlap

    def __call__(self, documents: Sequence[MaskedDocument]) -> Batch:
        """Lay out documents.

        documents (Sequence[MaskedDocument]): The documents; d of them with c chosen concepts and m masked words in all.
        RETURNS (Dict[str, Tensor]): The batch:
            documents: the numbers of the documents; shape (d,). Comes first: the trainer takes its length for the size.
            input_ids, attention_mask: the windows of all documents; shape (windows, longest window).
            concept_documents: the document of each concept, counted in the batch; shape (c,).
            concept_types, concept_identifiers: the classes of each concept; shape (c,).
            concept_rows, concept_places, concept_weights: a concept's vector is the sum of these places of the
                flattened windows with these weights; three equally long vectors.
            word_documents, word_ids: the document and the former id of each masked word; shape (m,).
            word_rows, word_places, word_weights: the same for the vectors of words.
        """
        windows: List[NDArray[numpy.int64]] = []
        spans = [split_windows(len(document), self.window, self.overlap) for document in documents]
        for document, of_document in zip(documents, spans):
            windows.extend(
                numpy.concatenate([self.before, document.ids[start:end], self.after]) for start, end in of_document
            )
        longest = max(len(window) for window in windows)
        ids = numpy.full((len(windows), longest), self.padding_id, dtype="int64")
        mask = numpy.zeros((len(windows), longest), dtype="int64")
        for row, window in enumerate(windows):
            ids[row, : len(window)] = window
            mask[row, : len(window)] = 1
        concepts, words = _Sums(), _Sums()
        first_row = 0
        for number, (document, of_document) in enumerate(zip(documents, spans)):
            starts = numpy.asarray([start for start, _ in of_document])
            ends = numpy.asarray([end for _, end in of_document])
            # Where the wordpiece 0 of the document would stand in the flattened windows, for each window.
            origins = (first_row + numpy.arange(len(of_document))) * longest + len(self.before) - starts
            for concept in document.concepts:
                concepts.add(number, concept.pieces[None], starts, ends, origins)
            words.add(number, document.words[:, None], starts, ends, origins)
            first_row += len(of_document)
        chosen = [concept for document in documents for concept in document.concepts]
        return {
            "documents": torch.tensor([document.number for document in documents]),
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            **concepts.tensors("concept"),
            "concept_types": torch.tensor([concept.type for concept in chosen], dtype=torch.long),
            "concept_identifiers": torch.tensor([concept.identifier for concept in chosen], dtype=torch.long),
            **words.tensors("word"),
            "word_ids": torch.from_numpy(numpy.concatenate([document.word_ids for document in documents])),
        }


class _Sums:
    """Collects which places of the flattened windows make up the averaged vectors, and with what weights."""

    def __init__(self) -> None:
        self.documents: List[int] = []
        self.rows: List[NDArray[numpy.int64]] = []
        self.places: List[NDArray[numpy.int64]] = []
        self.weights: List[NDArray[numpy.float32]] = []

    def add(self, document: int, pieces: NDArray, starts: NDArray, ends: NDArray, origins: NDArray) -> None:
        """Add vectors.

        document (int): The document of the vectors.
        pieces (NDArray[int64]): The wordpieces that each vector is the average of; shape (vectors, wordpieces).
        starts (NDArray[int64]), ends (NDArray[int64]), origins (NDArray[int64]): The windows; shape (windows,).
        """
        inside = (starts <= pieces[..., None]) & (pieces[..., None] < ends)
        rows, columns, windows = numpy.nonzero(inside)
        # First the average over the windows that a wordpiece is in, then that over the wordpieces.
        times = inside.sum(axis=-1)
        self.rows.append(rows + len(self.documents))
        self.places.append(origins[windows] + pieces[rows, columns])
        self.weights.append((1.0 / (times[rows, columns] * pieces.shape[1])).astype("float32"))
        self.documents.extend([document] * len(pieces))

    def tensors(self, name: str) -> Batch:
        def join(parts: List[NDArray], dtype: str) -> Tensor:
            return torch.from_numpy(numpy.concatenate(parts) if parts else numpy.zeros(0, dtype=dtype))

        return {
            f"{name}_documents": torch.tensor(self.documents, dtype=torch.long),
            f"{name}_rows": join(self.rows, "int64"),
            f"{name}_places": join(self.places, "int64"),
            f"{name}_weights": join(self.weights, "float32"),
        }


def special_ids_around(tokenizer: "PreTrainedTokenizerBase") -> Tuple[NDArray[numpy.int64], NDArray[numpy.int64]]:
    """The special tokens that a transformer wants before and after a text.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RETURNS (Tuple[NDArray[int64], NDArray[int64]]): The ids before and those after.
    RAISES (EmbreError): If the tokenizer puts special tokens elsewhere.
    """
    text = tokenizer.mask_token
    inner = tokenizer(text, add_special_tokens=False)["input_ids"]
    outer = tokenizer(text)["input_ids"]
    for before in range(len(outer) - len(inner) + 1):
        if outer[before : before + len(inner)] == inner:
            after = outer[before + len(inner) :]
            return numpy.asarray(outer[:before], dtype="int64"), numpy.asarray(after, dtype="int64")
    raise EmbreError("the tokenizer of the encoder does not put its special tokens around the text")
