"""Masked documents in the order of an epoch, and batches of them as tensors."""

from typing import Any, Dict, Iterator, List, Sequence

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset
from transformers import PreTrainedTokenizerBase

from ..transformer import round_up, special_tokens, split_windows
from .data import DEV_STREAM, ORDER_STREAM, TRAIN_STREAM, EncodedDocument, make_rng
from .masking import MaskedDocument, Masker

# Documents are sorted by length within pools of so many batches: enough to save nearly all padding, few enough that
# the batches differ from epoch to epoch.
_POOL = 16


class MaskedDataset(IterableDataset):
    """Training documents, in a new order and masked anew in each epoch. Both depend on the seed and the epoch alone.

    `widths` are the lengths of the longest windows of the documents; `batch_size` is that of all devices together.

    The `group_by_length` of transformers draws from PyTorch's random numbers, which differ between processes that train
    on CPUs: of 32 documents, two processes saw 27 in the third epoch, some of them twice.
    """

    def __init__(
        self, documents: Sequence[EncodedDocument], masker: Masker, *, widths: Sequence[int], batch_size: int, seed: int
    ) -> None:
        self.documents = documents
        self.masker = masker
        self.widths = numpy.asarray(widths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch. accelerate calls this before each epoch, in a resumed run too."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.documents)

    def __iter__(self) -> Iterator[MaskedDocument]:
        for index in self._draw_order():
            yield self.masker(self.documents[index], make_rng(self.seed, TRAIN_STREAM, self.epoch, index))

    def _draw_order(self) -> List[int]:
        """Draw the order of the documents: batches of similar length, in random order."""
        rng = make_rng(self.seed, ORDER_STREAM, self.epoch)
        order = rng.permutation(len(self.documents))
        batches: List[NDArray[numpy.int64]] = []
        for start in range(0, len(order), self.batch_size * _POOL):
            pool = order[start : start + self.batch_size * _POOL]
            pool = pool[numpy.argsort(-self.widths[pool], kind="stable")]
            batches.extend(numpy.split(pool, range(self.batch_size, len(pool), self.batch_size)))
        # A smaller batch must stay at the end, or all that follow would be cut differently.
        n_full = len(order) // self.batch_size
        shuffled = [batches[index] for index in rng.permutation(n_full)]
        return numpy.concatenate([*shuffled, *batches[n_full:]]).tolist()


def mask_held_out(
    documents: Sequence[EncodedDocument], masker: Masker, *, draws: int, seed: int
) -> List[MaskedDocument]:
    """Mask each held-out document `draws` times, the same for all epochs. Draws that mask nothing are left out."""
    masked = [
        masker(document, make_rng(seed, DEV_STREAM, draw, document.index))
        for draw in range(draws)
        for document in documents
    ]
    # Evaluation keeps this order; neighbours of similar length need little padding.
    return sorted((document for document in masked if document.concepts or len(document.words)), key=len, reverse=True)


class Collator:
    """Makes batches of masked documents; long ones become windows that share at least `overlap` wordpieces."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, window: int, overlap: int) -> None:
        before, after = special_tokens(tokenizer)
        self.before = numpy.asarray(before, dtype="int64")
        self.after = numpy.asarray(after, dtype="int64")
        self.padding_id = tokenizer.pad_token_id or 0
        self.window = window
        self.overlap = overlap

    def find_width(self, length: int) -> int:
        """Find the length of the longest window of a document of so many wordpieces."""
        return max(end - start for start, end in split_windows(length, self.window, self.overlap))

    def __call__(self, documents: Sequence[MaskedDocument]) -> Dict[str, Any]:
        """Lay out d documents, with c masked concepts and m masked words in all.

        RETURNS (Dict[str, Any]): The batch:
            documents: the indices of the documents; shape (d,). It comes first: the trainer takes its length for the
                batch size.
            input_ids, attention_mask: the windows of all documents; shape (windows, longest window).
            concepts, words: what is predicted; each with the position in the batch of its `documents` and the classes
                `types` and `identifiers` or the former `ids`, shape (c,) or (m,), and with `rows`, `places`, `weights`:
                vector `rows[i]` gets the vector at `places[i]` of the flattened windows, times `weights[i]`.
        """
        windows: List[NDArray[numpy.int64]] = []
        spans = [numpy.asarray(split_windows(len(document), self.window, self.overlap)) for document in documents]
        for document, doc_spans in zip(documents, spans):
            windows.extend(
                numpy.concatenate([self.before, document.ids[start:end], self.after]) for start, end in doc_spans
            )
        longest = round_up(max(map(len, windows)), self.window + len(self.before) + len(self.after))
        ids = numpy.full((len(windows), longest), self.padding_id, dtype="int64")
        mask = numpy.zeros((len(windows), longest), dtype="int64")
        for row, window in enumerate(windows):
            ids[row, : len(window)] = window
            mask[row, : len(window)] = 1
        concept_averages, word_averages = _Averages(), _Averages()
        first_row = 0
        for position, (document, doc_spans) in enumerate(zip(documents, spans)):
            starts, ends = doc_spans.T
            # The place in the flattened windows where wordpiece 0 of the document would be, for each window.
            origins = (first_row + numpy.arange(len(doc_spans))) * longest + len(self.before) - starts
            for concept in document.concepts:
                concept_averages.add(position, concept.pieces[None], starts, ends, origins)
            word_averages.add(position, document.words[:, None], starts, ends, origins)
            first_row += len(doc_spans)
        concepts = [concept for document in documents for concept in document.concepts]
        return {
            "documents": torch.tensor([document.index for document in documents]),
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "concepts": {
                **concept_averages.to_tensors(),
                "types": torch.tensor([concept.type for concept in concepts], dtype=torch.long),
                "identifiers": torch.tensor([concept.identifier for concept in concepts], dtype=torch.long),
            },
            "words": {
                **word_averages.to_tensors(),
                "ids": torch.from_numpy(numpy.concatenate([document.word_ids for document in documents])),
            },
        }


class _Averages:
    """Collects which places of the flattened windows make up the averaged vectors, and with what weights."""

    def __init__(self) -> None:
        self.documents: List[int] = []
        self.rows: List[NDArray[numpy.int64]] = []
        self.places: List[NDArray[numpy.int64]] = []
        self.weights: List[NDArray[numpy.float32]] = []

    def add(self, document: int, pieces: NDArray, starts: NDArray, ends: NDArray, origins: NDArray) -> None:
        """Add vectors of a document with windows of shape (w,), each of the wordpieces in a row of `pieces`."""
        inside = (starts <= pieces[..., None]) & (pieces[..., None] < ends)
        rows, columns, windows = numpy.nonzero(inside)
        # First the average over the windows that a wordpiece is in, then that over the wordpieces.
        n_windows = inside.sum(axis=-1)
        self.rows.append(rows + len(self.documents))
        self.places.append(origins[windows] + pieces[rows, columns])
        self.weights.append((1.0 / (n_windows[rows, columns] * pieces.shape[1])).astype("float32"))
        self.documents.extend([document] * len(pieces))

    def to_tensors(self) -> Dict[str, Tensor]:
        def join(parts: List[NDArray], dtype: str) -> Tensor:
            return torch.from_numpy(numpy.concatenate([numpy.zeros(0, dtype=dtype), *parts]))

        return {
            "documents": torch.tensor(self.documents, dtype=torch.long),
            "rows": join(self.rows, "int64"),
            "places": join(self.places, "int64"),
            "weights": join(self.weights, "float32"),
        }
