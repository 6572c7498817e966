"""The token encoder: candidates from the vectors of spaCy's tokens, which other components may use as well."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Sequence

import numpy

from ...tokens import get_mentions
from ..instance import Instance
from ..layout import Layout, make_layout
from .settings import EncoderSettings, TokenVectors

if TYPE_CHECKING:
    from torch import nn


@dataclass
class TokenEncoderSettings(EncoderSettings):
    """The settings of the token encoder; see `create_token_encoder`."""

    hidden_width: int
    n_heads: int
    dropout: float

    @property
    def reads_tokens(self) -> bool:
        return True

    def build(self, base: TokenVectors, entity_types: Sequence[str]) -> "nn.Module":
        """See `EncoderSettings.build`."""
        from ..modules.tokens import TokenEncoder

        return TokenEncoder(
            base.width,
            n_entity_types=len(entity_types),
            hidden_width=self.hidden_width,
            n_heads=self.n_heads,
            dropout=self.dropout,
        )

    def make_batch(
        self, instances: List[Instance], base: TokenVectors, entity_types: Sequence[str], *, is_train: bool = False
    ) -> Layout:
        """See `EncoderSettings.make_batch`."""
        instances = [instance for instance in instances if instance.candidates]
        spans = [
            numpy.asarray([(mention.start, mention.end) for mention in get_mentions(instance.doc)], dtype="int64")
            for instance in instances
        ]
        return make_layout(instances, spans, [len(instance.doc) for instance in instances], entity_types)


def create_token_encoder(hidden_width: int = 256, n_heads: int = 8, dropout: float = 0.1) -> TokenEncoderSettings:
    """The document encoder on the vectors of spaCy's tokens (`embre_spacy.TokenEncoder.v1`). The layer that makes them
    is the `tok2vec` of the relation model, such as a listener to a transformer that components share.

    hidden_width (int): The width of the vectors that stand for the source and the target of a candidate.
    n_heads (int): The number of attention heads that find the context of a candidate. It must divide the width of the
        vectors of tokens.
    dropout (float): The dropout on the vectors of candidates.
    RETURNS (TokenEncoderSettings): The settings.
    """
    return TokenEncoderSettings(**locals())
