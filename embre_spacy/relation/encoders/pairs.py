"""The pairs encoder: one pass of the transformer for each candidate, as in the paper."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence

from ...errors import EmbreError
from ..instance import Instance
from ..pairs_batch import PairsBatch, make_pairs_batch
from ..stretches import SMALLEST_PASS
from .settings import OwnTransformer, TransformerEncoderSettings

if TYPE_CHECKING:
    from torch import nn


@dataclass
class PairsEncoderSettings(TransformerEncoderSettings):
    """The settings of the pairs encoder; see `create_pairs_encoder`."""

    batch_candidates: int

    def choose_window(self, base: OwnTransformer) -> int:
        """See `TransformerEncoderSettings.choose_window`."""
        from ...transformer import longest_window

        longest = longest_window(base.transformer, base.tokenizer)
        chosen = longest if self.window is None else self.window
        if not SMALLEST_PASS <= chosen <= longest:
            raise EmbreError(
                f"encoder {self.name!r}: `window` must be at least {SMALLEST_PASS} and at most {longest}, not {chosen}"
            )
        return chosen

    def build(self, base: OwnTransformer, entity_types: Sequence[str]) -> "nn.Module":
        """See `EncoderSettings.build`."""
        from ..modules.pairs import PairsEncoder

        return PairsEncoder(base.transformer, precision=self.precision, batch_candidates=self.batch_candidates)

    def make_batch(
        self, instances: List[Instance], base: OwnTransformer, entity_types: Sequence[str], *, is_train: bool = False
    ) -> PairsBatch:
        """See `EncoderSettings.make_batch`."""
        from ...transformer import get_tag_ids

        return make_pairs_batch(
            instances,
            base.tokenizer,
            tag_ids=get_tag_ids(base.tokenizer, entity_types),
            window=self.choose_window(base),
        )


def create_pairs_encoder(
    name: str,
    window: Optional[int] = None,
    hidden_dropout: Optional[float] = None,
    attention_dropout: Optional[float] = 0.0,
    precision: str = "auto",
    batch_candidates: int = 16,
) -> PairsEncoderSettings:
    """One pass of the transformer for each candidate (`embre_spacy.PairsEncoder.v1`; section 3.3 of the paper).

    name (str): The pretrained transformer: a Hugging Face folder, "package:NAME", or a name on a hub.
    window (Optional[int]): The most wordpieces and tags in one pass; as many as the transformer takes if None.
    hidden_dropout (Optional[float]): The dropout in the transformer after each layer; its own setting if None.
    attention_dropout (Optional[float]): The dropout of attention weights; its own setting if None. Drawing it costs
        half of the training speed on CPUs.
    precision (str): "float32", "bfloat16", or "auto" for bfloat16 where the device is faster with it.
    batch_candidates (int): The most candidates in one call of the transformer. The memory that is needed depends on it,
        and not on the number of candidates that a document has.
    RETURNS (PairsEncoderSettings): The settings.
    RAISES (EmbreError): If there is no room for a candidate.
    """
    if batch_candidates < 1:
        raise EmbreError(f"encoder {name!r}: `batch_candidates` must be at least 1, not {batch_candidates}")
    return PairsEncoderSettings(**locals())
