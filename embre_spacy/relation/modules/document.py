"""The document encoder: one pass of the transformer over a document, whatever the number of its candidates."""

from typing import List, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from ...transformer import autocast
from ..batch import DocumentBatch
from ..proximity import CLOSE_BOUNDS, COUNT_BOUNDS, DISTANCE_BOUNDS, N_PLACES


class DocumentEncoder(nn.Module):
    """Vectors of candidates from one pass over their document.

    A mention is the vector of its first wordpiece (its opening tag, if there are tags); a concept pools its mentions by
    log-sum-exp; a candidate adds the context that both concepts attend to (Zhou et al. 2021, "Document-level relation
    extraction with adaptive thresholding and localized context pooling", section 4.2), the entity types, the numbers
    and places of the mentions, and how near they come to each other.

    transformer (PreTrainedModel): The transformer, without pooler.
    n_entity_types (int): The number of entity types that have a class of their own.
    hidden_width (int): The width of the vectors that stand for the source and the target.
    n_heads (int): The number of attention heads for the context.
    dropout (float): The dropout on the vectors of source and target.
    precision (str): The number format that the transformer computes in.
    batch_wordpieces (int): The most wordpieces, padding included, that one call of the transformer gets.
    """

    def __init__(
        self,
        transformer: PreTrainedModel,
        *,
        n_entity_types: int,
        hidden_width: int,
        n_heads: int,
        dropout: float,
        precision: str,
        batch_wordpieces: int,
        feature_width: int = 32,
    ) -> None:
        super().__init__()
        width = transformer.config.hidden_size
        self.transformer = transformer
        self.precision = precision
        self.batch_wordpieces = batch_wordpieces
        self.n_heads = n_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.types = nn.Embedding(n_entity_types + 1, feature_width)
        self.distances = nn.Embedding(len(DISTANCE_BOUNDS) + 1, feature_width)
        self.closeness = nn.Embedding(len(CLOSE_BOUNDS) + 1, feature_width)
        self.nearest = nn.Embedding(N_PLACES, feature_width)
        self.counts = nn.Embedding(len(COUNT_BOUNDS) + 1, feature_width)
        self.firsts = nn.Embedding(N_PLACES, feature_width)
        self.source = nn.Linear(2 * width + 3 * feature_width, hidden_width)
        self.target = nn.Linear(2 * width + 3 * feature_width, hidden_width)
        self.dropout = nn.Dropout(dropout)
        self.width = 3 * hidden_width + 3 * feature_width

    @property
    def device(self) -> torch.device:
        return self.query.weight.device

    def forward(self, batch: DocumentBatch) -> Tensor:
        """The vectors of all candidates.

        batch (DocumentBatch): Documents with p candidates in all.
        RETURNS (Tensor): Shape (p, self.width).
        """
        if not len(batch.candidates):
            return torch.zeros(0, self.width, device=self.device)
        vectors = self._read(batch)
        device = vectors.device
        # A mention of nothing but characters that the tokenizer drops may stand behind the last wordpiece.
        starts = torch.from_numpy(batch.mentions[:, 0].copy()).to(device).clamp(max=len(vectors) - 1)
        concept_mentions = torch.from_numpy(batch.concept_mentions).to(device)
        candidates = torch.from_numpy(batch.candidates).to(device)
        mentions = vectors[starts]
        missing = concept_mentions < 0
        of_concepts = mentions[concept_mentions.clamp(min=0)]
        concepts = of_concepts.masked_fill(missing.unsqueeze(-1), float("-inf")).logsumexp(dim=1)
        features = self._embed(
            (self.types, batch.concept_types), (self.counts, batch.counts), (self.firsts, batch.firsts)
        )
        queries, keys = self.query(of_concepts), self.key(vectors)
        contexts = []
        for first_piece, last_piece, first, last, first_candidate, last_candidate in batch.documents:
            attention = self._attend(queries[first:last], keys[first_piece:last_piece], missing[first:last])
            pairs = candidates[first_candidate:last_candidate] - first
            shared = (attention[pairs[:, 0]] * attention[pairs[:, 1]]).sum(dim=1)
            shared = shared / (shared.sum(dim=-1, keepdim=True) + 1e-12)
            contexts.append(shared @ vectors[first_piece:last_piece])
        context = torch.cat(contexts)
        source, target = candidates[:, 0], candidates[:, 1]
        source = torch.tanh(self.source(torch.cat([concepts[source], context, features[source]], dim=-1)))
        target = torch.tanh(self.target(torch.cat([concepts[target], context, features[target]], dim=-1)))
        of_pairs = self._embed(
            (self.distances, batch.distances), (self.closeness, batch.closeness), (self.nearest, batch.nearest)
        )
        return self.dropout(torch.cat([source, target, source * target, of_pairs], dim=-1))

    def _embed(self, *features: Tuple[nn.Embedding, NDArray[numpy.int64]]) -> Tensor:
        return torch.cat([layer(torch.from_numpy(classes).to(self.device)) for layer, classes in features], dim=-1)

    def _attend(self, queries: Tensor, keys: Tensor, missing: Tensor) -> Tensor:
        """What the mentions of each concept attend to on average; shape (concepts, heads, wordpieces)."""
        n_concepts, n_mentions, width = queries.shape
        per_head = width // self.n_heads
        queries = queries.view(n_concepts, n_mentions, self.n_heads, per_head)
        keys = keys.view(-1, self.n_heads, per_head)
        weights = torch.einsum("cmhd,nhd->cmhn", queries, keys).mul(per_head**-0.5).softmax(dim=-1)
        weights = weights.masked_fill(missing[:, :, None, None], 0.0)
        return weights.sum(dim=1) / (~missing).sum(dim=1).clamp(min=1)[:, None, None]

    def _read(self, batch: DocumentBatch) -> Tensor:
        """The vectors of all wordpieces, averaged where windows overlap; shape (n, width), float32."""
        vectors: List[Tensor] = []
        places: List[Tensor] = []
        # One context for all: it casts the weights once.
        with autocast(self.precision, self.device):
            for group in self._group(batch):
                ids, mask = self._pad([batch.windows[i] for i in group])
                output = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
                for row, i in zip(output, group):
                    first = batch.n_before
                    vectors.append(row[first : first + len(batch.places[i])])
                    places.append(torch.from_numpy(batch.places[i]))
        where = torch.cat(places).to(self.device)
        found = torch.cat(vectors).float()
        shape = (batch.n_wordpieces, found.shape[1])
        summed = torch.zeros(shape, device=found.device).index_add(0, where, found)
        times = torch.zeros(shape[0], device=found.device).index_add(0, where, torch.ones_like(found[:, 0]))
        return summed / times.unsqueeze(-1)

    def _group(self, batch: DocumentBatch) -> List[List[int]]:
        """Windows of similar length together, as many as `batch_wordpieces` allows.

        On a CPU larger batches gain little, but change the last digits: there a window is predicted on its own, so that
        a document gets the same scores whatever stands beside it.
        """
        if not self.training and self.device.type == "cpu":
            return [[i] for i in range(len(batch.windows))]
        groups: List[List[int]] = []
        order = sorted(range(len(batch.windows)), key=lambda i: len(batch.windows[i]), reverse=True)
        for i in order:
            if groups and (len(groups[-1]) + 1) * len(batch.windows[groups[-1][0]]) <= self.batch_wordpieces:
                groups[-1].append(i)
            else:
                groups.append([i])
        return groups

    def _pad(self, windows):
        if len({len(window) for window in windows}) == 1:
            # Without padding no mask is needed, which lets attention take its fastest path.
            return torch.stack([torch.from_numpy(window) for window in windows]).to(self.device), None
        padding = self.transformer.config.pad_token_id or 0
        ids = torch.full((len(windows), max(map(len, windows))), padding)
        mask = torch.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.from_numpy(window)
            mask[row, : len(window)] = 1
        return ids.to(self.device), mask.to(self.device)
