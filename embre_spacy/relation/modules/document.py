"""The document encoder: one pass of the transformer over a document, whatever the number of its candidates."""

from typing import List

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ...transformer import autocast
from ..batch import DocumentBatch
from .candidates import CandidateEncoder
from .padding import pad


class DocumentEncoder(CandidateEncoder):
    """Vectors of candidates from one pass over their document.

    A mention is the vector of its first wordpiece: its opening tag, if there are tags.

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
    ) -> None:
        super().__init__(
            transformer.config.hidden_size,
            n_entity_types=n_entity_types,
            hidden_width=hidden_width,
            n_heads=n_heads,
            dropout=dropout,
        )
        self.transformer = transformer
        self.precision = precision
        self.batch_wordpieces = batch_wordpieces

    def forward(self, batch: DocumentBatch) -> Tensor:
        """The vectors of all candidates.

        batch (DocumentBatch): Documents with p candidates in all.
        RETURNS (Tensor): Shape (p, self.width).
        """
        if not len(batch.layout.candidates):
            return torch.zeros(0, self.width, device=self.device)
        vectors = self._read(batch)
        # A mention of nothing but characters that the tokenizer drops may stand behind the last wordpiece.
        starts = torch.from_numpy(batch.layout.mentions[:, 0].copy()).to(self.device).clamp(max=len(vectors) - 1)
        return self.pool(vectors, vectors[starts], batch.layout)

    def _read(self, batch: DocumentBatch) -> Tensor:
        """The vectors of all wordpieces, averaged where windows overlap; shape (n, width), float32."""
        vectors: List[Tensor] = []
        places: List[Tensor] = []
        # One context for all: it casts the weights once.
        with autocast(self.precision, self.device):
            for group in self._group(batch):
                padding = self.transformer.config.pad_token_id or 0
                ids, mask = pad([batch.windows[i] for i in group], padding, self.device)
                output = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
                for row, i in zip(output, group):
                    first = batch.n_before
                    vectors.append(row[first : first + len(batch.places[i])])
                    places.append(torch.from_numpy(batch.places[i]))
        where = torch.cat(places).to(self.device)
        found = torch.cat(vectors).float()
        shape = (batch.layout.n_units, found.shape[1])
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
