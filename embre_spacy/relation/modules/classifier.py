"""The two heads on the vectors of candidates."""

import warnings
from typing import Any, Tuple

from torch import Tensor, nn


class RelationClassifier(nn.Module):
    """Two independent multi-layer perceptrons: relation type and novelty (section 3.4 of the paper).

    encoder (nn.Module): Gives the vectors of candidates; has a `width`.
    n_relation_types (int): The number of relation types. One more class stands for "not related" and comes first.
    n_novelty_labels (int): The number of novelty labels.
    hidden_width (int): The width of the hidden layer of each head.
    dropout (float): The dropout on the hidden layer of the relation type.
    novelty_dropout (float): That on the hidden layer of the novelty.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        n_relation_types: int,
        n_novelty_labels: int,
        hidden_width: int,
        dropout: float,
        novelty_dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.relation = _head(encoder.width, hidden_width, n_relation_types + 1, dropout)
        self.novelty = _head(encoder.width, hidden_width, n_novelty_labels, novelty_dropout)

    def forward(self, batch: Any, *vectors: Tensor) -> Tuple[Tensor, Tensor]:
        """The scores of all candidates before softmax.

        batch (Any): What the encoder reads, with p candidates in all.
        vectors (Tensor): The vectors of tokens, if it reads these too.
        RETURNS (Tuple[Tensor, Tensor]): Shapes (p, relation types + 1) and (p, novelty labels).
        """
        candidates = self.encoder(batch, *vectors)
        return self.relation(candidates), self.novelty(candidates)


def _head(width: int, hidden_width: int, n_classes: int, dropout: float) -> nn.Module:
    hidden = nn.Linear(width, hidden_width)
    with warnings.catch_warnings():
        # A corpus without novelty has no classes of it. That is no mistake, so torch need not warn of it.
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        output = nn.Linear(hidden_width, n_classes)
    return nn.Sequential(hidden, nn.GELU(), nn.Dropout(dropout), output)
