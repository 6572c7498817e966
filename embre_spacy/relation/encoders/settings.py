"""What the settings of all encoders have in common."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from ..batch import Instance

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class EncoderSettings(ABC):
    """The settings of an encoder of candidates.

    name (str): The pretrained transformer: a Hugging Face folder, "package:NAME", or a name on a hub.
    window (Optional[int]): The most wordpieces in one pass; as many as the transformer takes if None.
    hidden_dropout (Optional[float]): The dropout in the transformer after each layer; its own setting if None.
    attention_dropout (Optional[float]): The dropout of attention weights; its own setting if None.
    precision (str): "float32", "bfloat16", or "auto" for bfloat16 where the device is faster with it.
    """

    name: str
    window: Optional[int]
    hidden_dropout: Optional[float]
    attention_dropout: Optional[float]
    precision: str

    @property
    def has_tags(self) -> bool:
        """Whether there are tags with the entity type before and after mentions."""
        return True

    def to_dict(self) -> Dict[str, Any]:
        return asdict(self)

    def load_transformer(self, entity_types: Sequence[str]):
        """Load the pretrained transformer and its tokenizer, with tags for the entity types if they are wanted.

        entity_types (Sequence[str]): The entity types.
        RETURNS (Tuple[PreTrainedModel, PreTrainedTokenizerBase]): Both.
        RAISES (EmbreError): If they cannot be loaded, or the window does not fit the transformer.
        """
        from ...transformer import add_tags, load_checkpoint

        transformer, tokenizer = load_checkpoint(
            self.name, hidden_dropout=self.hidden_dropout, attention_dropout=self.attention_dropout
        )
        self.choose_window(transformer, tokenizer)
        if self.has_tags:
            add_tags(transformer, tokenizer, entity_types)
        return transformer, tokenizer

    @abstractmethod
    def choose_window(self, transformer: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> int:
        """The number of wordpieces in one pass, beside the special tokens around them.

        transformer (PreTrainedModel): The transformer.
        tokenizer (PreTrainedTokenizerBase): Its tokenizer.
        RETURNS (int): The number.
        RAISES (EmbreError): If the window does not fit the transformer, or is too small.
        """

    @abstractmethod
    def build(self, transformer: "PreTrainedModel", entity_types: Sequence[str]) -> "nn.Module":
        """Make the module that gives the vectors of candidates.

        transformer (PreTrainedModel): The transformer.
        entity_types (Sequence[str]): The entity types.
        RETURNS (nn.Module): A module with a `width`, called with what `make_batch` returns.
        """

    @abstractmethod
    def make_batch(
        self,
        instances: List[Instance],
        transformer: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        entity_types: Sequence[str],
    ) -> Any:
        """Lay out documents as the module reads them.

        instances (List[Instance]): The documents with their candidates.
        transformer (PreTrainedModel): The transformer.
        tokenizer (PreTrainedTokenizerBase): Its tokenizer.
        entity_types (Sequence[str]): The entity types.
        RETURNS (Any): The batch. Its candidates are in the order of the instances.
        """
