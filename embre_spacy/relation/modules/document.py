"""The document encoder: one pass of the transformer over a document, whatever the number of its candidates."""

from inspect import signature
from typing import Dict, List, Optional, Tuple

import numpy
import torch
from torch import Tensor
from transformers import PreTrainedModel

from ...errors import EmbreError
from ...transformer import autocast, first_position, has_given_positions
from ..batch import DocumentBatch
from .candidates import CandidateEncoder
from .markers import pad_with_markers
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
    batch_wordpieces (int): The most wordpieces, padding and markers included, that one call of the transformer gets.
    markers (bool): Whether candidates have levitated markers.
    RAISES (EmbreError): If markers are wanted of a transformer that cannot be told their positions.
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
        markers: bool,
    ) -> None:
        super().__init__(
            transformer.config.hidden_size,
            n_entity_types=n_entity_types,
            hidden_width=hidden_width,
            n_heads=n_heads,
            dropout=dropout,
            marker_width=transformer.config.hidden_size if markers else 0,
        )
        arguments = signature(transformer.forward).parameters
        if markers and not has_given_positions(transformer):
            raise EmbreError(
                f"{type(transformer).__name__} counts positions itself, so that markers would stand behind the text "
                f"and not at their mentions: set `markers` of the encoder to false"
            )
        self.transformer = transformer
        self.takes_segments = "token_type_ids" in arguments
        self.markers = markers
        self.precision = precision
        self.batch_wordpieces = batch_wordpieces

    def forward(self, batch: DocumentBatch) -> Tensor:
        """The vectors of all candidates.

        batch (DocumentBatch): Documents with p candidates in all.
        RETURNS (Tensor): Shape (p, self.width).
        """
        if not len(batch.layout.candidates):
            return torch.zeros(0, self.width, device=self.device)
        vectors, markers = self._read(batch)
        # A mention of nothing but characters that the tokenizer drops may stand behind the last wordpiece.
        starts = torch.from_numpy(batch.layout.mentions[:, 0].copy()).to(self.device).clamp(max=len(vectors) - 1)
        return self.pool(vectors, vectors[starts], batch.layout, markers)

    def _read(self, batch: DocumentBatch) -> Tuple[Tensor, Optional[Tensor]]:
        """The vectors of all wordpieces, averaged where windows overlap, shape (n, width), and those of the markers of
        all candidates, shape (p, 2, width); float32."""
        groups = self.group(batch)
        # One context for all: it casts the weights once.
        with autocast(self.precision, self.device):
            outputs = [self.transformer(**self.make_inputs(batch, group)).last_hidden_state for group in groups]
        order = [i for group in groups for i in group]
        rows = [row for output in outputs for row in output]
        first = batch.n_before
        found = torch.cat([row[first : first + len(batch.places[i])] for row, i in zip(rows, order)]).float()
        where = torch.from_numpy(numpy.concatenate([batch.places[i] for i in order])).to(self.device)
        shape = (batch.layout.n_units, found.shape[1])
        summed = torch.zeros(shape, device=found.device).index_add(0, where, found)
        times = torch.zeros(shape[0], device=found.device).index_add(0, where, torch.ones_like(found[:, 0]))
        vectors = summed / times.unsqueeze(-1)
        if not self.markers:
            return vectors, None
        lengths = [max(len(batch.windows[i]) for i in group) for group in groups for _ in group]
        of_markers = torch.cat([row[n : n + 2 * len(batch.markers[i])] for row, n, i in zip(rows, lengths, order)])
        which = torch.from_numpy(numpy.concatenate([batch.markers[i][:, 0] for i in order])).to(self.device)
        markers = torch.zeros(len(batch.layout.candidates), 2, shape[1], device=found.device)
        return vectors, markers.index_add(0, which, of_markers.float().view(-1, 2, shape[1]))

    def make_inputs(self, batch: DocumentBatch, group: List[int]) -> Dict[str, Tensor]:
        """What the transformer gets in one call.

        batch (DocumentBatch): The documents.
        group (List[int]): The windows that it reads at once.
        RETURNS (Dict[str, Tensor]): The arguments. Their rows are the windows of the group, their columns wordpieces
            and, behind the longest text, markers.
        """
        padding = self.transformer.config.pad_token_id or 0
        windows = [batch.windows[i] for i in group]
        if not self.markers:
            ids, mask = pad(windows, padding, self.device)
            return {"input_ids": ids} if mask is None else {"input_ids": ids, "attention_mask": mask}
        ids, mask, positions = pad_with_markers(
            windows,
            [batch.markers[i] for i in group],
            padding=padding,
            first_position=first_position(self.transformer),
            device=self.device,
        )
        found = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        if self.takes_segments:
            # Markers make it longer than what the transformer has segments ready for.
            found["token_type_ids"] = torch.zeros_like(ids)
        return found

    def group(self, batch: DocumentBatch) -> List[List[int]]:
        """Which windows are read at once: those of similar length, as many as `batch_wordpieces` allows.

        On a CPU larger batches gain little, but change the last digits: there a window is predicted on its own, so that
        a document gets the same scores whatever stands beside it.

        batch (DocumentBatch): The documents.
        RETURNS (List[List[int]]): The numbers of the windows of each call.
        """
        if not self.training and self.device.type == "cpu":
            return [[i] for i in range(len(batch.windows))]
        texts = [len(window) for window in batch.windows]
        markers = [2 * len(found) for found in batch.markers] or [0] * len(texts)
        groups: List[List[int]] = []
        text = more = 0
        for i in sorted(range(len(texts)), key=lambda i: texts[i] + markers[i], reverse=True):
            text, more = max(text, texts[i]), max(more, markers[i])
            if groups and (len(groups[-1]) + 1) * (text + more) <= self.batch_wordpieces:
                groups[-1].append(i)
            else:
                groups.append([i])
                text, more = texts[i], markers[i]
        return groups
