"""What the settings of encoders have in common."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Union

from ..instance import Instance

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


# How a network runs, and what is masked when it learns on.
_FREE = {"precision", "batch_wordpieces", "batch_candidates", "mention_dropout", "word_dropout"}


@dataclass
class OwnTransformer:
    """What an encoder stands on that reads text with a transformer of its own.

    transformer (PreTrainedModel): The transformer, without pooler.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    """

    transformer: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"


@dataclass
class TokenVectors:
    """What an encoder stands on that gets the vectors of tokens from a tok2vec layer.

    width (int): The width of these vectors.
    """

    width: int


Base = Union[OwnTransformer, TokenVectors]


@dataclass
class EncoderSettings(ABC):
    """The settings of an encoder of candidates."""

    @property
    def reads_tokens(self) -> bool:
        """Whether the encoder gets the vectors of tokens from a tok2vec layer."""
        return False

    def to_dict(self) -> Dict[str, Any]:
        return asdict(self)

    def adopt(self, other: "EncoderSettings") -> "EncoderSettings":
        """These settings with those of another encoder that no weight depends on, so that whoever loads a pipeline can
        choose them.

        other (EncoderSettings): The other settings.
        RETURNS (EncoderSettings): The new settings; these if the other encoder is of another kind.
        """
        if type(self) is not type(other):
            return self
        free = {field.name: getattr(other, field.name) for field in fields(self) if field.name in _FREE}
        return replace(self, **free)

    @abstractmethod
    def build(self, base: Any, entity_types: Sequence[str]) -> "nn.Module":
        """Make the module that gives the vectors of candidates.

        base (Base): What the encoder stands on.
        entity_types (Sequence[str]): The entity types.
        RETURNS (nn.Module): A module with a `width`, called with what `make_batch` returns, and with the vectors of
            tokens after it if it reads these.
        """

    @abstractmethod
    def make_batch(
        self, instances: List[Instance], base: Any, entity_types: Sequence[str], *, is_train: bool = False
    ) -> Any:
        """Lay out documents as the module reads them.

        instances (List[Instance]): The documents with their candidates.
        base (Base): What the encoder stands on.
        entity_types (Sequence[str]): The entity types.
        is_train (bool): Whether the model will learn from it.
        RETURNS (Any): The batch. Its candidates are in the order of the instances.
        """


@dataclass
class TransformerEncoderSettings(EncoderSettings):
    """The settings of an encoder with a transformer of its own.

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

    def load_transformer(self, entity_types: Sequence[str]) -> OwnTransformer:
        """Load the pretrained transformer and its tokenizer, with tags for the entity types if they are wanted.

        entity_types (Sequence[str]): The entity types.
        RETURNS (OwnTransformer): Both.
        RAISES (EmbreError): If they cannot be loaded, or the window does not fit the transformer.
        """
        from ...transformer import add_tags, load_checkpoint

        base = OwnTransformer(
            *load_checkpoint(self.name, hidden_dropout=self.hidden_dropout, attention_dropout=self.attention_dropout)
        )
        self.choose_window(base)
        if self.has_tags:
            add_tags(base.transformer, base.tokenizer, entity_types)
        return base

    @abstractmethod
    def choose_window(self, base: OwnTransformer) -> int:
        """The number of wordpieces in one pass, beside the special tokens around them.

        base (OwnTransformer): The transformer and its tokenizer.
        RETURNS (int): The number.
        RAISES (EmbreError): If the window does not fit the transformer, or is too small.
        """
