"""From the vectors of the units of documents (wordpieces or tokens) to the vectors of their candidates."""

from itertools import pairwise
from math import prod
from typing import Callable, List, Optional, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import EmbreError
from .features import CLOSE_BOUNDS, COUNT_BOUNDS, DISTANCE_BOUNDS, N_POSITIONS, CandidateFeatures

FEATURE_WIDTH = 32
# The most attention weights that are computed at once: all of a full text would take gigabytes.
MAX_WEIGHTS = 2**24
# In a document longer than two of them, a mention attends to its own block of so many units and the two beside it.
# Abstracts are shorter; and what reads them in training has never had to choose among the units of a full text.
BLOCK = 1024


class CandidatePooling(nn.Module):
    """What encoders have in common that read a document once for all of its candidates.

    A concept pools its mentions by log-sum-exp; a candidate adds the context that both concepts attend to (Zhou et al.
    2021, "Document-level relation extraction with adaptive thresholding and localized context pooling", section 4.2),
    the entity types, the numbers and positions of the mentions, and how near they come to each other.
    """

    def __init__(
        self,
        input_width: int,
        *,
        n_entity_types: int,
        hidden_width: int,
        n_heads: int,
        dropout: float,
        marker_width: int = 0,
    ) -> None:
        super().__init__()
        if n_heads < 1 or input_width % n_heads:
            raise EmbreError(f"`n_heads` must divide the width of the vectors, {input_width}, and {n_heads} does not")
        self.n_heads = n_heads
        self.query = nn.Linear(input_width, input_width)
        self.key = nn.Linear(input_width, input_width)
        self.types = nn.Embedding(n_entity_types + 1, FEATURE_WIDTH)
        self.distances = nn.Embedding(len(DISTANCE_BOUNDS) + 1, FEATURE_WIDTH)
        self.closeness = nn.Embedding(len(CLOSE_BOUNDS) + 1, FEATURE_WIDTH)
        self.nearest = nn.Embedding(N_POSITIONS, FEATURE_WIDTH)
        self.counts = nn.Embedding(len(COUNT_BOUNDS) + 1, FEATURE_WIDTH)
        self.firsts = nn.Embedding(N_POSITIONS, FEATURE_WIDTH)
        self.source = nn.Linear(2 * input_width + 3 * FEATURE_WIDTH + marker_width, hidden_width)
        self.target = nn.Linear(2 * input_width + 3 * FEATURE_WIDTH + marker_width, hidden_width)
        self.dropout = nn.Dropout(dropout)
        self.width = 3 * hidden_width + 3 * FEATURE_WIDTH

    def forward(
        self, vectors: Tensor, mentions: Tensor, features: CandidateFeatures
    ) -> Callable[[NDArray[numpy.int64], Optional[Tensor]], Tensor]:
        """Read the vectors of all units, shape (n, input width), and of all mentions, shape (m, input width). What is
        returned makes the vectors of k candidates, shape (k, self.width), of their numbers in rising order, and of the
        vectors of their markers, if there are any, shape (k, 2, marker width), zeros for those without."""
        concept_mentions = torch.from_numpy(features.concept_mentions).to(vectors.device)
        rows = mentions[concept_mentions.clamp(min=0)]
        concepts = rows.masked_fill((concept_mentions < 0).unsqueeze(-1), float("-inf")).logsumexp(dim=1)
        concept_features = _embed(
            (self.types, features.concept_types),
            (self.counts, features.n_mentions_bin),
            (self.firsts, features.first_position),
        )
        queries, keys = self.query(mentions), self.key(vectors)
        contexts = [
            ContextPooling(
                vectors[units],
                queries,
                keys[units],
                n_heads=self.n_heads,
                starts=features.mentions[:, 0] - units.start,
                concept_mentions=features.concept_mentions[of_concepts],
            )
            for units, of_concepts, _ in features.documents
        ]

        def pool(numbers: NDArray[numpy.int64], markers: Optional[Tensor]) -> Tensor:
            pairs = features.candidates[numbers]
            bounds = numpy.searchsorted(numbers, [candidates.start for _, _, candidates in features.documents[1:]])
            parts = zip(contexts, features.documents, numpy.split(pairs, bounds))
            context = torch.cat([of_doc(part - of_concepts.start) for of_doc, (_, of_concepts, _), part in parts])
            sides = []
            for side, layer in enumerate((self.source, self.target)):
                of_side = torch.from_numpy(pairs[:, side]).to(vectors.device)
                of_marker = [] if markers is None else [markers[:, side]]
                inputs = [concepts[of_side], context, concept_features[of_side], *of_marker]
                sides.append(torch.tanh(layer(torch.cat(inputs, dim=-1))))
            pair_features = _embed(
                (self.distances, numpy.searchsorted(DISTANCE_BOUNDS, features.distances[numbers])),
                (self.closeness, features.n_close_bin[numbers]),
                (self.nearest, features.pair_position[numbers]),
            )
            return self.dropout(torch.cat([*sides, sides[0] * sides[1], pair_features], dim=-1))

        return pool


def _embed(*features: Tuple[nn.Embedding, NDArray[numpy.int64]]) -> Tensor:
    """The vectors of classes of several kinds side by side."""
    return torch.cat([layer(torch.from_numpy(classes).to(layer.weight.device)) for layer, classes in features], dim=-1)


class ContextPooling:
    """The contexts of candidates of one document (localized context pooling): the mean of its vectors, weighted by how
    much both concepts attend to them, which is what their mentions attend to on average, multiplied, and summed over
    the heads; zeros for concepts that attend to nothing in common. Time and memory grow with the length of the
    document, not with its square.

    `vectors` and `keys` are those of its n units, shape (n, width), `queries` those of all mentions, shape (m, width).
    `starts` are the units that all mentions start with, counted within the document; `concept_mentions` are the
    mentions of its concepts, padded with -1, shape (c, most mentions).
    """

    def __init__(
        self,
        vectors: Tensor,
        queries: Tensor,
        keys: Tensor,
        *,
        n_heads: int,
        starts: NDArray[numpy.int64],
        concept_mentions: NDArray[numpy.int64],
    ) -> None:
        concepts, columns = numpy.nonzero(concept_mentions >= 0)
        mentions = concept_mentions[concepts, columns]
        shares = (1.0 / numpy.bincount(concepts)[concepts]).astype("float32")
        length, device = len(vectors), vectors.device
        n_blocks = 1 if length <= 2 * BLOCK else -(-length // BLOCK)
        bounds = [length * number // n_blocks for number in range(n_blocks + 1)]
        # The blocks that mentions are in.
        homes = numpy.searchsorted(bounds[1:-1], starts[mentions], side="right")
        self._vectors = vectors
        # The bounds of each block, the concepts that attend to it, and what their mentions attend to on average: shape
        # (concepts of the block, heads, units of the block).
        self._blocks: List[Tuple[int, int, NDArray[numpy.int64], Tensor]] = []
        for number, (start, end) in enumerate(pairwise(bounds)):
            near = numpy.unique(concepts[abs(homes - number) <= 1])
            self._blocks.append((start, end, near, torch.zeros(len(near), n_heads, end - start, device=device)))
        queries, keys = (vectors.unflatten(1, (n_heads, -1)) for vectors in (queries, keys))
        for home in numpy.unique(homes).tolist():
            blocks = self._blocks[max(home - 1, 0) : home + 2]
            first, last = blocks[0][0], blocks[-1][1]
            entries = numpy.flatnonzero(homes == home)
            for chunk in numpy.array_split(entries, -(-len(entries) // _how_many(n_heads, last - first))):
                of_mentions = queries[torch.from_numpy(mentions[chunk]).to(device)]
                weights = torch.einsum("mhd,nhd->mhn", of_mentions, keys[first:last])
                weights = weights.mul(keys.shape[2] ** -0.5).softmax(dim=-1)
                weights = weights * torch.from_numpy(shares[chunk]).to(device)[:, None, None]
                for start, end, near, attention in blocks:
                    rows = torch.from_numpy(numpy.searchsorted(near, concepts[chunk])).to(device)
                    attention.index_add_(0, rows, weights[:, :, start - first : end - first])

    def __call__(self, pairs: NDArray[numpy.int64]) -> Tensor:
        """The contexts of the two concepts of each of k candidates, shape (k, 2): shape (k, width)."""
        device = self._vectors.device
        context = torch.zeros(len(pairs), self._vectors.shape[1], device=device)
        weight = torch.zeros(len(pairs), device=device)
        for start, end, near, attention in self._blocks:
            chosen = numpy.flatnonzero(numpy.isin(pairs, near).all(axis=1))
            if not len(chosen):
                continue
            sides = torch.from_numpy(numpy.searchsorted(near, pairs[chosen])).to(device)
            chunk = _how_many(end - start)
            for rows, both in zip(torch.from_numpy(chosen).to(device).split(chunk), sides.split(chunk)):
                sources, targets = both.unbind(dim=1)
                # Head by head: the weights of all heads of both sides of each candidate would be a large copy.
                shared = attention[sources, 0] * attention[targets, 0]
                for head in range(1, attention.shape[1]):
                    shared = shared.addcmul_(attention[sources, head], attention[targets, head])
                context.index_add_(0, rows, shared @ self._vectors[start:end])
                weight.index_add_(0, rows, shared.sum(dim=-1))
        return context / (weight.unsqueeze(-1) + 1e-12)


def _how_many(*shape: int) -> int:
    """How many tensors of a shape may have MAX_WEIGHTS elements together."""
    return max(MAX_WEIGHTS // max(prod(shape), 1), 1)
