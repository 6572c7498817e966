"""The whole network with what it needs to read documents: transformer, tokenizer, encoder settings, heads."""

import os
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple

import torch
from torch import Tensor, nn

from .classifier import RelationClassifier

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..batch import Instance


# The threads of PyTorch do not survive a fork: a forked worker of `nlp.pipe(n_process=2)` would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class Placeholder(nn.Module):
    """Stands where the network will be until its labels are known."""


class RelationNetwork(nn.Module):
    """A relation classifier that also knows how its input is made.

    transformer (PreTrainedModel): The transformer.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    settings: The settings of the encoder; see `embre_spacy.relation.encoders`.
    entity_types (Sequence[str]): The entity types that mentions have.
    n_relation_types (int): The number of relation types, without the class for "not related".
    n_novelty_labels (int): The number of novelty labels.
    hidden_width (int): The width of the hidden layer of each head.
    dropout (float): The dropout in the heads.
    """

    def __init__(
        self,
        transformer: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        settings: Any,
        *,
        entity_types: Sequence[str],
        n_relation_types: int,
        n_novelty_labels: int,
        hidden_width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.settings = settings
        self.shape: Dict[str, Any] = {
            "entity_types": list(entity_types),
            "n_relation_types": n_relation_types,
            "n_novelty_labels": n_novelty_labels,
            "hidden_width": hidden_width,
            "dropout": dropout,
        }
        self.classifier = RelationClassifier(
            settings.build(transformer, entity_types),
            n_relation_types=n_relation_types,
            n_novelty_labels=n_novelty_labels,
            hidden_width=hidden_width,
            dropout=dropout,
        )

    @property
    def transformer(self) -> "PreTrainedModel":
        return self.classifier.encoder.transformer

    def make_batch(self, instances: "List[Instance]") -> Any:
        """Lay out documents with their candidates; see the encoder."""
        return self.settings.make_batch(instances, self.transformer, self.tokenizer, self.shape["entity_types"])

    def forward(self, batch: Any) -> Tuple[Tensor, Tensor]:
        """The scores of all candidates of a batch; see `RelationClassifier`."""
        return self.classifier(batch)
