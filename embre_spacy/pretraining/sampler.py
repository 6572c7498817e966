"""Which documents come in which epoch, in what order, masked how."""

from typing import Iterator, List, Sequence, Tuple

import numpy
from torch.utils.data import Dataset, Sampler

from .examples import MaskableDocument
from .masking import DEV_STREAM, ORDER_STREAM, TRAIN_STREAM, MaskedDocument, Masker, make_rng

# Documents are sorted by length within pools of so many batches: enough to save nearly all padding, few enough that
# the batches differ from epoch to epoch.
_POOL = 16


class TrainingDocuments(Dataset):
    """Training documents, masked anew for each epoch. An item is asked for by its epoch and number.

    documents (Sequence[MaskableDocument]): The documents.
    masker (Masker): Masks them.
    seed (int): The seed of the run.
    """

    def __init__(self, documents: Sequence[MaskableDocument], masker: Masker, seed: int) -> None:
        self.documents = documents
        self.masker = masker
        self.seed = seed

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, item: Tuple[int, int]) -> MaskedDocument:
        epoch, number = item
        return self.masker(self.documents[number], make_rng(self.seed, TRAIN_STREAM, epoch, number))


class HeldOutDocuments(Dataset):
    """Held-out documents, masked once, so that epochs can be compared.

    documents (Sequence[MaskableDocument]): The documents.
    masker (Masker): Masks them.
    seed (int): The seed of the run.
    draws (int): How often each document is masked anew. Draws that choose nothing are left out.
    """

    def __init__(self, documents: Sequence[MaskableDocument], masker: Masker, seed: int, draws: int) -> None:
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
