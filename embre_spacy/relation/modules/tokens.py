"""The token encoder: candidates from the vectors of spaCy's tokens."""

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..layout import Layout
from .candidates import CandidateEncoder


class TokenEncoder(CandidateEncoder):
    """Vectors of candidates from vectors of tokens that another layer has made.

    A mention is the mean of the vectors of its tokens: there are no tags here that could stand for it.
    """

    def forward(self, layout: Layout, vectors: Tensor) -> Tensor:
        """The vectors of all candidates.

        layout (Layout): Documents of n tokens with p candidates in all.
        vectors (Tensor): The vectors of the tokens; shape (n, input width).
        RETURNS (Tensor): Shape (p, self.width).
        """
        if not len(layout.candidates):
            return torch.zeros(0, self.width, device=self.device)
        return self.pool(vectors, average(vectors, layout.mentions), layout)


def average(vectors: Tensor, spans: NDArray[numpy.int64]) -> Tensor:
    """The means of vectors over spans.

    vectors (Tensor): The vectors; shape (n, width).
    spans (NDArray[int64]): The first and the one-after-last vector of each span; shape (m, 2).
    RETURNS (Tensor): The means, zeros for a span of no vectors; shape (m, width).
    """
    lengths = spans[:, 1] - spans[:, 0]
    rows = numpy.repeat(numpy.arange(len(spans)), lengths)
    # The number of each place within its span, counted from where the span starts.
    places = numpy.arange(len(rows)) - numpy.repeat(lengths.cumsum() - lengths, lengths) + spans[rows, 0]
    device = vectors.device
    summed = torch.zeros(len(spans), vectors.shape[1], device=device)
    summed = summed.index_add(0, torch.from_numpy(rows).to(device), vectors[torch.from_numpy(places).to(device)])
    return summed / torch.from_numpy(lengths).to(device).clamp(min=1).unsqueeze(-1)
