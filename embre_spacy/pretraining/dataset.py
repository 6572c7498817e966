"""What the trainer reads: masked documents, in which order, laid out as tensors."""

from typing import Dict, Iterator, List, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedTokenizerBase

from ..transformer import special_tokens, split_windows
from .data import DEV_STREAM, ORDER_STREAM, TRAIN_STREAM, EncodedDocument, make_rng
from .masking import MaskedDocument, Masker

# Documents are sorted by length within pools of so many batches: enough to save nearly all padding, few enough that
# the batches differ from epoch to epoch.
_POOL = 16


class MaskedDataset(Dataset):
    """Training documents, masked anew for each epoch. An item is asked for by its epoch and number.

    documents (Sequence[EncodedDocument]): The documents.
    masker (Masker): Masks them.
    seed (int): The seed of the run.
    """

    def __init__(self, documents: Sequence[EncodedDocument], masker: Masker, seed: int) -> None:
        self.documents = documents
        self.masker = masker
        self.seed = seed

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, item: Tuple[int, int]) -> MaskedDocument:
        epoch, number = item
        return self.masker(self.documents[number], make_rng(self.seed, TRAIN_STREAM, epoch, number))


class HeldOutDataset(Dataset):
    """Held-out documents, masked once, so that epochs can be compared.

    documents (Sequence[EncodedDocument]): The documents.
    masker (Masker): Masks them.
    seed (int): The seed of the run.
    draws (int): How often each document is masked anew. Draws that choose nothing are left out.
    """

    def __init__(self, documents: Sequence[EncodedDocument], masker: Masker, seed: int, draws: int) -> None:
        masked = [
            masker(document, make_rng(seed, DEV_STREAM, draw, number))
            for draw in range(draws)
            for number, document in enumerate(documents)
        ]
        # Evaluation goes through them in this order; neighbours of similar length need little padding.
        self.documents = sorted((one for one in masked if one.concepts or len(one.words)), key=len, reverse=True)

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, number: int) -> MaskedDocument:
        return self.documents[number]


class EpochSampler(Sampler):
    """The order of the training documents in an epoch: at random, but with documents of similar length in a batch.

    widths (Sequence[int]): The length of the longest window of each document.
    batch_size (int): The number of documents that are computed at the same time, on all devices.
    seed (int): The seed of the run.
    """

    def __init__(self, widths: Sequence[int], batch_size: int, seed: int) -> None:
        self.widths = numpy.asarray(widths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.widths)

    def __iter__(self) -> Iterator[Tuple[int, int]]:
        rng = make_rng(self.seed, ORDER_STREAM, self.epoch)
        order = rng.permutation(len(self.widths))
        batches: List[numpy.ndarray] = []
        size = self.batch_size * _POOL
        for first in range(0, len(order), size):
            pool = order[first : first + size]
            pool = pool[numpy.argsort(-self.widths[pool], kind="stable")]
            batches.extend(pool[i : i + self.batch_size] for i in range(0, len(pool), self.batch_size))
        full = [batch for batch in batches if len(batch) == self.batch_size]
        # A smaller batch must stay at the end, or all that follow would be cut differently.
        rest = [batch for batch in batches if len(batch) < self.batch_size]
        for batch in [*(full[i] for i in rng.permutation(len(full))), *rest]:
            yield from ((self.epoch, int(number)) for number in batch)


Batch = Dict[str, Tensor]


class Collator:
    """Makes batches of masked documents.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    window (int): The most wordpieces of text in a window.
    overlap (int): The least number of wordpieces that neighbouring windows of a document share.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, window: int, overlap: int) -> None:
        before, after = special_tokens(tokenizer)
        self.before, self.after = (numpy.asarray(ids, dtype="int64") for ids in (before, after))
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
