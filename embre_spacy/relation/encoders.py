"""The registered encoders: settings, and how to make what they describe. PyTorch is imported when it is needed."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from .batch import DocumentBatch, Instance, make_document_batch

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class DocumentEncoderSettings:
    """The settings of the document encoder; see `create_document_encoder`."""

    name: str
    tags: bool
    window: Optional[int]
    overlap: int
    hidden_width: int
    n_heads: int
    dropout: float
    hidden_dropout: Optional[float]
    attention_dropout: Optional[float]
    precision: str
    batch_wordpieces: int

    def to_dict(self) -> Dict[str, Any]:
        return asdict(self)

    def load_transformer(self, entity_types: Sequence[str]):
        """Load the pretrained transformer and its tokenizer, with tags for the entity types if they are wanted.

        entity_types (Sequence[str]): The entity types.
        RETURNS (Tuple[PreTrainedModel, PreTrainedTokenizerBase]): Both.
        RAISES (EmbreError): If they cannot be loaded, or the window does not fit the transformer.
        """
        from ..transformer import add_tags, choose_window, load_checkpoint

        transformer, tokenizer = load_checkpoint(
            self.name, hidden_dropout=self.hidden_dropout, attention_dropout=self.attention_dropout
        )
        choose_window(transformer, tokenizer, self.window, self.overlap, self.name)
        if self.tags:
            add_tags(transformer, tokenizer, entity_types)
        return transformer, tokenizer

    def build(self, transformer: "PreTrainedModel", entity_types: Sequence[str]) -> "nn.Module":
        """Make the module that gives the vectors of candidates.

        transformer (PreTrainedModel): The transformer.
        entity_types (Sequence[str]): The entity types.
        RETURNS (nn.Module): A module with a `width`, called with what `make_batch` returns.
        """
        from .modules.document import DocumentEncoder

        return DocumentEncoder(
            transformer,
            n_entity_types=len(entity_types),
            hidden_width=self.hidden_width,
            n_heads=self.n_heads,
            dropout=self.dropout,
            precision=self.precision,
            batch_wordpieces=self.batch_wordpieces,
        )

    def make_batch(
        self,
        instances: List[Instance],
        transformer: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        entity_types: Sequence[str],
    ) -> DocumentBatch:
        """Lay out documents as the module reads them.

        instances (List[Instance]): The documents with their candidates.
        transformer (PreTrainedModel): The transformer.
        tokenizer (PreTrainedTokenizerBase): Its tokenizer.
        entity_types (Sequence[str]): The entity types.
        RETURNS (DocumentBatch): The batch.
        """
        from ..transformer import choose_window, get_tag_ids

        return make_document_batch(
            instances,
            tokenizer,
            entity_types=entity_types,
            tag_ids=get_tag_ids(tokenizer, entity_types) if self.tags else None,
            window=choose_window(transformer, tokenizer, self.window, self.overlap, self.name),
            overlap=self.overlap,
        )


def create_document_encoder(
    name: str,
    tags: bool = True,
    window: Optional[int] = None,
    overlap: int = 64,
    hidden_width: int = 256,
    n_heads: int = 8,
    dropout: float = 0.1,
    hidden_dropout: Optional[float] = None,
    attention_dropout: Optional[float] = 0.0,
    precision: str = "auto",
    batch_wordpieces: int = 2048,
) -> DocumentEncoderSettings:
    """One pass of the transformer over each document (`embre_spacy.DocumentEncoder.v1`).

    name (str): The pretrained transformer: a Hugging Face folder, "package:NAME", or a name on a hub.
    tags (bool): Whether a tag with the entity type stands before and after every mention.
    window (Optional[int]): The most wordpieces of text in one pass; as many as the transformer takes if None.
    overlap (int): The least number of wordpieces that neighbouring windows of a long document share.
    hidden_width (int): The width of the vectors that stand for the source and the target of a candidate.
    n_heads (int): The number of attention heads that find the context of a candidate.
    dropout (float): The dropout on the vectors of candidates.
    hidden_dropout (Optional[float]): The dropout in the transformer after each layer; its own setting if None.
    attention_dropout (Optional[float]): The dropout of attention weights; its own setting if None. Drawing it costs
        half of the training speed on CPUs.
    precision (str): "float32", "bfloat16", or "auto" for bfloat16 where the device is faster with it.
    batch_wordpieces (int): The most wordpieces, padding included, in one call of the transformer. When predicting on a
        CPU each window is a call of its own, which makes the scores the same for every batch size.
    RETURNS (DocumentEncoderSettings): The settings.
    """
    return DocumentEncoderSettings(**locals())
