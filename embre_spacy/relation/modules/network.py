"""The whole network with what it needs to read documents: encoder, its settings and what it stands on, heads."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from torch import Tensor, nn

from .classifier import RelationClassifier
from .forks import prepare_forks

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..encoders import Base, EncoderSettings
    from ..instance import Instance

prepare_forks()


class Placeholder(nn.Module):
    """Stands where the network will be until its labels are known."""


class RelationNetwork(nn.Module):
    """A relation classifier that also knows how its input is made.

    base (Base): What the encoder stands on: a transformer of its own, or the vectors of tokens.
    settings (EncoderSettings): The settings of the encoder.
    entity_types (Sequence[str]): The entity types that mentions have.
    n_relation_types (int): The number of relation types, without the class for "not related".
    n_novelty_labels (int): The number of novelty labels.
    hidden_width (int): The width of the hidden layer of each head.
    dropout (float): The dropout in the heads.
    novelty_dropout (Optional[float]): That in the head of the novelty, if it is another.
    """

    def __init__(
        self,
        base: "Base",
        settings: "EncoderSettings",
        *,
        entity_types: Sequence[str],
        n_relation_types: int,
        n_novelty_labels: int,
        hidden_width: int,
        dropout: float,
        novelty_dropout: Optional[float] = None,
    ) -> None:
        super().__init__()
        self.base = base
        self.settings = settings
        self.shape: Dict[str, Any] = {
            "entity_types": list(entity_types),
            "n_relation_types": n_relation_types,
            "n_novelty_labels": n_novelty_labels,
            "hidden_width": hidden_width,
            "dropout": dropout,
            "novelty_dropout": novelty_dropout,
        }
        self.classifier = RelationClassifier(
            settings.build(base, entity_types),
            n_relation_types=n_relation_types,
            n_novelty_labels=n_novelty_labels,
            hidden_width=hidden_width,
            dropout=dropout,
            novelty_dropout=dropout if novelty_dropout is None else novelty_dropout,
        )

    @property
    def transformer(self) -> "Optional[PreTrainedModel]":
        """The transformer of the encoder, if it has one of its own."""
        return getattr(self.base, "transformer", None)

    @property
    def tokenizer(self) -> "Optional[PreTrainedTokenizerBase]":
        """The tokenizer of this transformer."""
        return getattr(self.base, "tokenizer", None)

    def make_batch(self, instances: "List[Instance]", *, is_train: bool = False) -> Any:
        """Lay out documents with their candidates; see the encoder."""
        return self.settings.make_batch(instances, self.base, self.shape["entity_types"], is_train=is_train)

    def forward(self, batch: Any, *vectors: Tensor) -> Tuple[Tensor, Tensor]:
        """The scores of all candidates of a batch; see `RelationClassifier`."""
        return self.classifier(batch, *vectors)
