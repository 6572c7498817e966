"""Masked documents in the order of an epoch, and batches of them as tensors."""

from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset
from transformers import PreTrainedTokenizerBase

from ..transformer.text import round_up, special_tokens, split_windows
from .config import TrainingConfig
from .data import DEV_STREAM, ORDER_STREAM, TRAIN_STREAM, EncodedDocument, MaskingConcept, make_rng
from .masking import MaskedDocument, Masker

# The class of what is not predicted.
NO_LABEL = -100
# Documents are sorted by length within pools of so many batches: enough to save nearly all padding, few enough that
# the batches differ from epoch to epoch.
_POOL = 16


@dataclass(eq=False)
class MaskedDataset(IterableDataset):
    """Training documents, each `repeats` times, and plain texts once, in a new order and masked anew in each epoch.
    Both depend on the seed and the epoch alone; `group_by_length` of transformers draws from PyTorch's random numbers,
    which differ between processes on CPUs, so that two of them saw 27 of 32 documents, some twice."""

    documents: Sequence[EncodedDocument]
    texts: Sequence[EncodedDocument]
    masker: Masker
    widths: NDArray[numpy.int64]  # the lengths of the longest windows of the documents, and then of the texts
    batch_size: int  # that of all devices together
    config: TrainingConfig
    epoch: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch. accelerate calls this before each epoch, in a resumed run too."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.config.repeats * len(self.documents) + len(self.texts)

    def __iter__(self) -> Iterator[MaskedDocument]:
        n_documents = self.config.repeats * len(self.documents)
        for place, index in enumerate(self._draw_order()):
            is_text = index >= n_documents
            document = self.texts[index - n_documents] if is_text else self.documents[index % len(self.documents)]
            rng = make_rng(self.config.seed, TRAIN_STREAM, self.epoch, index)
            yield self.masker(document, rng, progress=(self.epoch + place / len(self)) / self.config.epochs)

    def _draw_order(self) -> List[int]:
        """Draw the order of the documents: batches of similar length, in random order."""
        rng = make_rng(self.config.seed, ORDER_STREAM, self.epoch)
        n = len(self.documents)
        widths = numpy.concatenate([numpy.tile(self.widths[:n], self.config.repeats), self.widths[n:]])
        order = rng.permutation(len(self))
        batches: List[NDArray[numpy.int64]] = []
        for start in range(0, len(order), self.batch_size * _POOL):
            pool = order[start : start + self.batch_size * _POOL]
            pool = pool[numpy.argsort(-widths[pool], kind="stable")]
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
    """Makes batches of masked documents; long ones become windows that share at least `overlap` wordpieces. `labels`
    are the labels of each objective in the order of their classes; concepts with others get NO_LABEL."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, labels: Mapping[str, Iterable[Any]], *, window: int, overlap: int
    ) -> None:
        self.before, self.after = (numpy.asarray(ids, dtype="int64") for ids in special_tokens(tokenizer))
        self.padding_id = tokenizer.pad_token_id or 0
        self.classes = {
            name: {label: number for number, label in enumerate(of_objective)}
            for name, of_objective in labels.items()
            if name in MaskingConcept._fields
        }
        self.window = window
        self.overlap = overlap

    def __call__(self, documents: Sequence[MaskedDocument]) -> Dict[str, Any]:
        """Lay out d documents, with c masked concepts and m masked words in all.

        RETURNS (Dict[str, Any]): The batch:
            documents: the indices of the documents; shape (d,). It comes first: the trainer takes its length for the
                batch size.
            input_ids, attention_mask: the windows of all documents; shape (windows, longest window).
            concepts, words: what is predicted; each with the position in the batch of its `documents` and the classes
                `identifier` and `type` or the former id `word`, shape (c,) or (m,), and with `rows`, `places` and
                `weights`: vector `rows[i]` gets the vector at `places[i]` of the flattened windows, times `weights[i]`.
        """
        lengths = [len(document) for document in documents]
        # From here on, wordpieces are numbered through all documents.
        firsts = numpy.cumsum([0, *lengths])
        spans = [split_windows(length, self.window, self.overlap) for length in lengths]
        starts, ends = numpy.concatenate([first + numpy.asarray(of_doc) for first, of_doc in zip(firsts, spans)]).T
        ids = numpy.concatenate([document.ids for document in documents])
        rows = [numpy.concatenate([self.before, ids[start:end], self.after]) for start, end in zip(starts, ends)]
        sizes = numpy.asarray([len(row) for row in rows])
        longest = round_up(int(sizes.max()), self.window + len(self.before) + len(self.after))
        mask = numpy.arange(longest) < sizes[:, None]
        input_ids = numpy.full(mask.shape, self.padding_id)
        input_ids[mask] = numpy.concatenate(rows)
        # The places in the flattened windows of the wordpieces 0 that these would have.
        origins = numpy.arange(len(rows)) * longest + len(self.before) - starts
        windows = firsts, starts, ends, origins
        concepts = [concept for document in documents for concept in document.concepts]
        pieces = [[concept.pieces for concept in document.concepts] for document in documents]
        of_concepts = _average(pieces, *windows)
        for name, numbers in self.classes.items():
            classes = [numbers.get(getattr(concept, name), NO_LABEL) for concept in concepts]
            of_concepts[name] = torch.tensor(classes, dtype=torch.long)
        return {
            "documents": torch.tensor([document.index for document in documents]),
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(mask.astype("int64")),
            "concepts": of_concepts,
            "words": {
                **_average([document.words[:, None] for document in documents], *windows),
                "word": torch.from_numpy(numpy.concatenate([document.word_ids for document in documents])),
            },
        }


def _average(
    of_documents: Sequence[Sequence[NDArray]], firsts: NDArray, starts: NDArray, ends: NDArray, origins: NDArray
) -> Dict[str, Tensor]:
    """Say what the averaged vectors are made of that are predicted from. Each document has items, and an item the
    wordpieces of a concept, or one word."""
    items = [item for of_document in of_documents for item in of_document]
    documents = numpy.repeat(numpy.arange(len(of_documents)), [len(of_document) for of_document in of_documents])
    sizes = numpy.asarray([len(item) for item in items], dtype="int64")
    rows = numpy.repeat(numpy.arange(len(items)), sizes)
    pieces = numpy.concatenate([numpy.zeros(0, dtype="int64"), *items]) + firsts[documents[rows]]
    # The windows that have a wordpiece are one after the other: the first of them, and how many there are.
    first = numpy.searchsorted(ends, pieces, side="right")
    times = numpy.searchsorted(starts, pieces, side="right") - first
    windows = numpy.arange(times.sum()) + numpy.repeat(first - numpy.cumsum(times) + times, times)
    # First the average over the windows that a wordpiece is in, then that over the wordpieces.
    weights = 1.0 / (times * sizes[rows])
    return {
        "documents": torch.from_numpy(documents),
        "rows": torch.from_numpy(numpy.repeat(rows, times)),
        "places": torch.from_numpy(origins[windows] + numpy.repeat(pieces, times)),
        "weights": torch.from_numpy(numpy.repeat(weights, times).astype("float32")),
    }
