"""The document encoder: one pass of the transformer over a document, whatever the number of its candidates."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence

from ...errors import EmbreError
from ..batch import DocumentBatch, make_document_batch
from ..instance import Instance
from .settings import OwnTransformer, TransformerEncoderSettings

if TYPE_CHECKING:
    from torch import nn


@dataclass
class DocumentEncoderSettings(TransformerEncoderSettings):
    """The settings of the document encoder; see `create_document_encoder`."""

    tags: bool
    overlap: int
    hidden_width: int
    n_heads: int
    dropout: float
    batch_wordpieces: int
    # Pipelines that were saved before there were markers do not name them.
    markers: bool = False
    mention_dropout: float = 0.0
    word_dropout: float = 0.0

    @property
    def has_tags(self) -> bool:
        return self.tags

    def choose_window(self, base: OwnTransformer) -> int:
        """See `TransformerEncoderSettings.choose_window`."""
        from ...transformer import choose_window

        return choose_window(base.transformer, base.tokenizer, self.window, self.overlap, self.name)

    def build(self, base: OwnTransformer, entity_types: Sequence[str]) -> "nn.Module":
        """See `EncoderSettings.build`."""
        from ..modules.document import DocumentEncoder

        return DocumentEncoder(
            base.transformer,
            n_entity_types=len(entity_types),
            hidden_width=self.hidden_width,
            n_heads=self.n_heads,
            dropout=self.dropout,
            precision=self.precision,
            batch_wordpieces=self.batch_wordpieces,
            markers=self.markers,
        )

    def make_batch(
        self, instances: List[Instance], base: OwnTransformer, entity_types: Sequence[str], *, is_train: bool = False
    ) -> DocumentBatch:
        """See `EncoderSettings.make_batch`."""
        from ...transformer import get_tag_ids

        return make_document_batch(
            instances,
            base.tokenizer,
            entity_types=entity_types,
            tag_ids=get_tag_ids(base.tokenizer, entity_types) if self.tags else None,
            markers=self.markers,
            window=self.choose_window(base),
            overlap=self.overlap,
            mention_dropout=self.mention_dropout if is_train else 0.0,
            word_dropout=self.word_dropout if is_train else 0.0,
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
    markers: bool = True,
    mention_dropout: float = 0.0,
    word_dropout: float = 0.0,
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
    markers (bool): Whether each candidate gets levitated markers, with which the transformer reads the text for it;
        see `embre_spacy.relation.markers`. They need a transformer with absolute positions and no others, such as BERT
        and RoBERTa; MPNet and DeBERTa have relative ones.
    mention_dropout (float): The share of concepts of which, in training, all mentions are masked as in pretraining, so
        that relations are learned from what the text says of them and not from their names.
    word_dropout (float): The share of other wordpieces that are masked in training.
    RETURNS (DocumentEncoderSettings): The settings.
    RAISES (EmbreError): If a share is not at least 0 and less than 1.
    """
    if not (0.0 <= mention_dropout < 1.0 and 0.0 <= word_dropout < 1.0):
        raise EmbreError(
            f"encoder {name!r}: `mention_dropout` and `word_dropout` must be at least 0 and less than 1, "
            f"not {mention_dropout} and {word_dropout}"
        )
    return DocumentEncoderSettings(**locals())
