"""The pairs encoder: one pass of the transformer for each candidate."""

from typing import List, Optional

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ...transformer import autocast
from ..pairs_batch import PairsBatch
from .padding import pad


class PairsEncoder(nn.Module):
    """Vectors of candidates from a pass over the text in which only their own mentions have tags (section 3.3 of the
    paper).

    The paper does not say how the vector of a candidate is made of the vectors of the wordpieces. Here it is the source
    beside the target, and each of these the mean of the vectors at the opening tags of its mentions in the pass.

    transformer (PreTrainedModel): The transformer, without pooler.
    precision (str): The number format that the transformer computes in.
    batch_candidates (int): The most candidates that one call of the transformer gets.
    """

    def __init__(self, transformer: PreTrainedModel, *, precision: str, batch_candidates: int) -> None:
        super().__init__()
        self.transformer = transformer
        self.precision = precision
        self.batch_candidates = batch_candidates
        self.width = 2 * transformer.config.hidden_size

    @property
    def device(self) -> torch.device:
        return self.transformer.device

    def forward(self, batch: PairsBatch) -> Tensor:
        """The vectors of all candidates.

        batch (PairsBatch): Documents with p candidates in all.
        RETURNS (Tensor): Shape (p, self.width).
        """
        if not batch.inputs:
            return torch.zeros(0, self.width, device=self.device)
        groups = self._group(batch)
        # To keep what the backward pass needs of one call is what one call costs anyway. Of several calls it is not
        # kept, but computed again, one call at a time: so memory does not depend on the number of candidates.
        is_recomputed = torch.is_grad_enabled() and len(groups) > 1
        padding = self.transformer.config.pad_token_id or 0
        vectors: List[Tensor] = []
        # One context for all: it casts the weights once.
        with autocast(self.precision, self.device):
            for group in groups:
                arguments = (
                    *pad([batch.inputs[i] for i in group], padding, self.device),
                    *pad([batch.sources[i] for i in group], 0, self.device),
                    *pad([batch.targets[i] for i in group], 0, self.device),
                )
                if is_recomputed:
                    vectors.append(checkpoint(self._read, *arguments, use_reentrant=False))
                else:
                    vectors.append(self._read(*arguments))
        order = torch.tensor([i for group in groups for i in group], device=self.device)
        return torch.cat(vectors)[order.argsort()]

    def _read(
        self,
        ids: Tensor,
        mask: Optional[Tensor],
        sources: Tensor,
        is_source: Optional[Tensor],
        targets: Tensor,
        is_target: Optional[Tensor],
    ) -> Tensor:
        """One call of the transformer; shape (candidates, width), float32."""
        output = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        return torch.cat([_average(output, sources, is_source), _average(output, targets, is_target)], dim=-1)

    def _group(self, batch: PairsBatch) -> List[List[int]]:
        """Candidates of similar length together, as many as `batch_candidates` allows.

        In prediction those of different documents do not mix, so that a document gets the same scores whatever stands
        beside it.
        """
        together = [(0, len(batch.inputs))] if self.training else batch.documents
        groups = []
        for first, last in together:
            order = sorted(range(first, last), key=lambda i: len(batch.inputs[i]), reverse=True)
            groups.extend(order[i : i + self.batch_candidates] for i in range(0, len(order), self.batch_candidates))
        return groups


def _average(output: Tensor, places: Tensor, is_place: Optional[Tensor]) -> Tensor:
    """The mean of the vectors at some places of each row; shape (rows, hidden)."""
    rows = torch.arange(len(places), device=places.device).unsqueeze(-1)
    found = output[rows, places]
    if is_place is None:
        return found.mean(dim=1)
    return (found * is_place.unsqueeze(-1)).sum(dim=1) / is_place.sum(dim=1, keepdim=True)
