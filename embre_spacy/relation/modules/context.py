"""The context of candidates: what both of their concepts attend to."""

from dataclasses import dataclass
from math import prod
from typing import List, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

# The most attention weights that are computed at once: all of a full text would take gigabytes.
MOST_WEIGHTS = 2**24
# In a document longer than two of them, a mention attends to its own block of so many units and the two beside it.
# Abstracts are shorter; and what reads them in training has never had to choose among the units of a full text.
BLOCK = 1024


@dataclass
class _Block:
    """A stretch of a document.

    start (int), end (int): Its first and one-after-last unit.
    concepts (NDArray[int64]): The concepts that attend to it.
    """

    start: int
    end: int
    concepts: NDArray[numpy.int64]


def find_context(
    vectors: Tensor,
    queries: Tensor,
    keys: Tensor,
    *,
    n_heads: int,
    starts: NDArray[numpy.int64],
    concept_mentions: NDArray[numpy.int64],
    pairs: NDArray[numpy.int64],
) -> Tensor:
    """The context of the candidates of one document (localized context pooling, Zhou et al. 2021, section 4.2). Time
    and memory grow with the length of the document, not with its square.

    vectors (Tensor): The vectors of its units; shape (n, width).
    queries (Tensor): Of all mentions; shape (m, query width).
    keys (Tensor): Of its units; shape (n, query width).
    n_heads (int): The number of attention heads.
    starts (NDArray[int64]): The unit that each of all mentions starts with, counted within its document; shape (m,).
    concept_mentions (NDArray[int64]): The mentions of each concept, padded with -1; shape (c, most mentions).
    pairs (NDArray[int64]): The two concepts of each candidate; shape (p, 2).
    RETURNS (Tensor): The mean of the vectors, weighted by how much both concepts attend to them: by what their mentions
        attend to on average, multiplied, and summed over the heads. Zeros for concepts that attend to nothing in
        common; shape (p, width).
    """
    concepts, columns = numpy.nonzero(concept_mentions >= 0)
    mentions = concept_mentions[concepts, columns]
    bounds = _split_blocks(len(vectors))
    homes = numpy.searchsorted([start for start, _ in bounds], starts[mentions], side="right") - 1
    blocks = [
        _Block(start, end, numpy.unique(concepts[abs(homes - number) <= 1]))
        for number, (start, end) in enumerate(bounds)
    ]
    attention = _attend(queries, keys, n_heads, blocks, homes, mentions, concepts)
    device = vectors.device
    context = torch.zeros(len(pairs), vectors.shape[1], device=device)
    weight = torch.zeros(len(pairs), device=device)
    for block, weights in zip(blocks, attention):
        chosen = numpy.flatnonzero(numpy.isin(pairs, block.concepts).all(axis=1))
        if not len(chosen):
            continue
        sides = torch.from_numpy(numpy.searchsorted(block.concepts, pairs[chosen])).to(device)
        of_block = vectors[block.start : block.end]
        at_once = _how_many(len(of_block))
        for some, (sources, targets) in zip(
            torch.from_numpy(chosen).to(device).split(at_once), (rows.unbind(dim=1) for rows in sides.split(at_once))
        ):
            # Head by head: the weights of all heads of both sides of each candidate would be a large copy.
            shared = weights[sources, 0] * weights[targets, 0]
            for head in range(1, n_heads):
                shared = shared.addcmul_(weights[sources, head], weights[targets, head])
            context.index_add_(0, some, shared @ of_block)
            weight.index_add_(0, some, shared.sum(dim=-1))
    return context / (weight.unsqueeze(-1) + 1e-12)


def _split_blocks(length: int) -> List[Tuple[int, int]]:
    """The first and one-after-last unit of the blocks of a document, which are of about equal length."""
    count = 1 if length <= 2 * BLOCK else -(-length // BLOCK)
    return [(length * number // count, length * (number + 1) // count) for number in range(count)]


def _attend(
    queries: Tensor,
    keys: Tensor,
    n_heads: int,
    blocks: List[_Block],
    homes: NDArray[numpy.int64],
    mentions: NDArray[numpy.int64],
    concepts: NDArray[numpy.int64],
) -> List[Tensor]:
    """For each block, what the mentions of each of its concepts attend to on average; shape (concepts of the block,
    heads, units of the block). `homes` are the blocks that `mentions` are in, and `concepts` the concepts that they
    are of."""
    shares = (1.0 / numpy.bincount(concepts)[concepts]).astype("float32")
    per_head = queries.shape[1] // n_heads
    queries = queries.view(-1, n_heads, per_head)
    keys = keys.view(-1, n_heads, per_head)
    device = keys.device
    found = [torch.zeros(len(block.concepts), n_heads, block.end - block.start, device=device) for block in blocks]
    for home in numpy.unique(homes).tolist():
        near = range(max(home - 1, 0), min(home + 2, len(blocks)))
        first, last = blocks[near[0]].start, blocks[near[-1]].end
        entries = numpy.flatnonzero(homes == home)
        for some in numpy.array_split(entries, -(-len(entries) // _how_many(n_heads, last - first))):
            of_mentions = queries[torch.from_numpy(mentions[some]).to(device)]
            weights = torch.einsum("mhd,nhd->mhn", of_mentions, keys[first:last]).mul(per_head**-0.5).softmax(dim=-1)
            weights = weights * torch.from_numpy(shares[some]).to(device)[:, None, None]
            for number in near:
                block = blocks[number]
                rows = torch.from_numpy(numpy.searchsorted(block.concepts, concepts[some])).to(device)
                of_block = weights[:, :, block.start - first : block.end - first]
                found[number].index_add_(0, rows, of_block)
    return found


def _how_many(*shape: int) -> int:
    """How many tensors of a shape may have MOST_WEIGHTS elements together."""
    return max(MOST_WEIGHTS // max(prod(shape), 1), 1)
