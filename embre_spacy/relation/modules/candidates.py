"""From the vectors of the units of documents (wordpieces or tokens) to the vectors of their candidates."""

from typing import Optional, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...errors import EmbreError
from ..layout import Layout
from ..proximity import CLOSE_BOUNDS, COUNT_BOUNDS, DISTANCE_BOUNDS, N_PLACES
from .context import find_context

# The most candidates whose vectors are computed at once: all of a full text would take gigabytes.
MOST_CANDIDATES = 2**13


class CandidateEncoder(nn.Module):
    """What encoders have in common that read a document once for all of its candidates.

    A concept pools its mentions by log-sum-exp; a candidate adds the context that both concepts attend to (Zhou et al.
    2021, "Document-level relation extraction with adaptive thresholding and localized context pooling", section 4.2),
    the entity types, the numbers and places of the mentions, and how near they come to each other.

    input_width (int): The width of the vectors of units.
    n_entity_types (int): The number of entity types that have a class of their own.
    hidden_width (int): The width of the vectors that stand for the source and the target.
    n_heads (int): The number of attention heads for the context.
    dropout (float): The dropout on the vectors of source and target.
    marker_width (int): The width of the vectors of markers; 0 if there are none.
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
        feature_width: int = 32,
    ) -> None:
        super().__init__()
        if n_heads < 1 or input_width % n_heads:
            raise EmbreError(f"`n_heads` must divide the width of the vectors, {input_width}, and {n_heads} does not")
        self.n_heads = n_heads
        self.query = nn.Linear(input_width, input_width)
        self.key = nn.Linear(input_width, input_width)
        self.types = nn.Embedding(n_entity_types + 1, feature_width)
        self.distances = nn.Embedding(len(DISTANCE_BOUNDS) + 1, feature_width)
        self.closeness = nn.Embedding(len(CLOSE_BOUNDS) + 1, feature_width)
        self.nearest = nn.Embedding(N_PLACES, feature_width)
        self.counts = nn.Embedding(len(COUNT_BOUNDS) + 1, feature_width)
        self.firsts = nn.Embedding(N_PLACES, feature_width)
        self.source = nn.Linear(2 * input_width + 3 * feature_width + marker_width, hidden_width)
        self.target = nn.Linear(2 * input_width + 3 * feature_width + marker_width, hidden_width)
        self.dropout = nn.Dropout(dropout)
        self.width = 3 * hidden_width + 3 * feature_width

    @property
    def device(self) -> torch.device:
        return self.query.weight.device

    def pool(self, vectors: Tensor, mentions: Tensor, layout: Layout, markers: Optional[Tensor] = None) -> Tensor:
        """The vectors of all candidates.

        vectors (Tensor): The vectors of all units; shape (n, input width), float32.
        mentions (Tensor): The vectors of all mentions; shape (m, input width).
        layout (Layout): Where the documents, their mentions, concepts and candidates are; at least one candidate.
        markers (Optional[Tensor]): The vectors of the markers of all candidates, 0 for those without; shape
            (p, 2, marker width). None if there are no markers.
        RETURNS (Tensor): Shape (p, self.width).
        """
        concept_mentions = torch.from_numpy(layout.concept_mentions).to(self.device)
        candidates = torch.from_numpy(layout.candidates).to(self.device)
        missing = concept_mentions < 0
        of_concepts = mentions[concept_mentions.clamp(min=0)]
        concepts = of_concepts.masked_fill(missing.unsqueeze(-1), float("-inf")).logsumexp(dim=1)
        features = self._embed(
            (self.types, layout.concept_types), (self.counts, layout.counts), (self.firsts, layout.firsts)
        )
        context = self._find_context(vectors, mentions, layout)
        of_pairs = self._embed(
            (self.distances, layout.distances), (self.closeness, layout.closeness), (self.nearest, layout.nearest)
        )
        found = []
        for rows in torch.arange(len(candidates), device=self.device).split(MOST_CANDIDATES):
            sides = []
            for side, layer in enumerate((self.source, self.target)):
                which = candidates[rows, side]
                of_marker = [] if markers is None else [markers[rows, side]]
                inputs = torch.cat([concepts[which], context[rows], features[which], *of_marker], dim=-1)
                sides.append(torch.tanh(layer(inputs)))
            found.append(torch.cat([*sides, sides[0] * sides[1], of_pairs[rows]], dim=-1))
        return self.dropout(torch.cat(found))

    def _embed(self, *features: Tuple[nn.Embedding, NDArray[numpy.int64]]) -> Tensor:
        return torch.cat([layer(torch.from_numpy(classes).to(self.device)) for layer, classes in features], dim=-1)

    def _find_context(self, vectors: Tensor, mentions: Tensor, layout: Layout) -> Tensor:
        """What both concepts of each candidate attend to; shape (p, input width)."""
        queries, keys = self.query(mentions), self.key(vectors)
        contexts = []
        for first_unit, last_unit, first, last, first_candidate, last_candidate in layout.documents:
            contexts.append(
                find_context(
                    vectors[first_unit:last_unit],
                    queries,
                    keys[first_unit:last_unit],
                    n_heads=self.n_heads,
                    starts=layout.mentions[:, 0] - first_unit,
                    concept_mentions=layout.concept_mentions[first:last],
                    pairs=layout.candidates[first_candidate:last_candidate] - first,
                )
            )
        return torch.cat(contexts)
