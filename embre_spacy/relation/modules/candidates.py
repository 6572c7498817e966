"""From the vectors of the units of documents (wordpieces or tokens) to the vectors of their candidates."""

from typing import Optional, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...errors import EmbreError
from ..layout import Layout
from ..proximity import CLOSE_BOUNDS, COUNT_BOUNDS, DISTANCE_BOUNDS, N_PLACES


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
        context = self._find_context(vectors, of_concepts, missing, candidates, layout)
        source, target = candidates[:, 0], candidates[:, 1]
        of_source, of_target = ([], []) if markers is None else ([markers[:, 0]], [markers[:, 1]])
        source = torch.tanh(self.source(torch.cat([concepts[source], context, features[source], *of_source], dim=-1)))
        target = torch.tanh(self.target(torch.cat([concepts[target], context, features[target], *of_target], dim=-1)))
        of_pairs = self._embed(
            (self.distances, layout.distances), (self.closeness, layout.closeness), (self.nearest, layout.nearest)
        )
        return self.dropout(torch.cat([source, target, source * target, of_pairs], dim=-1))

    def _embed(self, *features: Tuple[nn.Embedding, NDArray[numpy.int64]]) -> Tensor:
        return torch.cat([layer(torch.from_numpy(classes).to(self.device)) for layer, classes in features], dim=-1)

    def _find_context(
        self, vectors: Tensor, of_concepts: Tensor, missing: Tensor, candidates: Tensor, layout: Layout
    ) -> Tensor:
        """What both concepts of each candidate attend to; shape (p, input width)."""
        queries, keys = self.query(of_concepts), self.key(vectors)
        contexts = []
        for first_unit, last_unit, first, last, first_candidate, last_candidate in layout.documents:
            attention = self._attend(queries[first:last], keys[first_unit:last_unit], missing[first:last])
            pairs = candidates[first_candidate:last_candidate] - first
            shared = (attention[pairs[:, 0]] * attention[pairs[:, 1]]).sum(dim=1)
            shared = shared / (shared.sum(dim=-1, keepdim=True) + 1e-12)
            contexts.append(shared @ vectors[first_unit:last_unit])
        return torch.cat(contexts)

    def _attend(self, queries: Tensor, keys: Tensor, missing: Tensor) -> Tensor:
        """What the mentions of each concept attend to on average; shape (concepts, heads, units)."""
        n_concepts, n_mentions, width = queries.shape
        per_head = width // self.n_heads
        queries = queries.view(n_concepts, n_mentions, self.n_heads, per_head)
        keys = keys.view(-1, self.n_heads, per_head)
        weights = torch.einsum("cmhd,nhd->cmhn", queries, keys).mul(per_head**-0.5).softmax(dim=-1)
        weights = weights.masked_fill(missing[:, :, None, None], 0.0)
        return weights.sum(dim=1) / (~missing).sum(dim=1).clamp(min=1)[:, None, None]
