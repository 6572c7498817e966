"""The pairs encoder: one pass of the transformer for each candidate, as in the paper."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence

from ...errors import EmbreError
from ..batch import Instance
from ..pairs_batch import PairsBatch, make_pairs_batch
from ..stretches import SMALLEST_PASS
from .settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class PairsEncoderSettings(EncoderSettings):
    """The settings of the pairs encoder; see `create_pairs_encoder`."""

    batch_candidates: int

    def choose_window(self, transformer: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> int:
        """See `EncoderSettings.choose_window`."""
        from ...transformer import longest_window

        longest = longest_window(transformer, tokenizer)
        chosen = longest if self.window is None else self.window
        if not SMALLEST_PASS <= chosen <= longest:
            raise EmbreError(
                f"encoder {self.name!r}: `window` must be at least {SMALLEST_PASS} and at most {longest}, not {chosen}"
            )
        return chosen

    def build(self, transformer: "PreTrainedModel", entity_types: Sequence[str]) -> "nn.Module":
        """See `EncoderSettings.build`."""
        from ..modules.pairs import PairsEncoder

        return PairsEncoder(transformer, precision=self.precision, batch_candidates=self.batch_candidates)

    def make_batch(
        self,
        instances: List[Instance],
        transformer: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        entity_types: Sequence[str],
    ) -> PairsBatch:
        """See `EncoderSettings.make_batch`."""
        from ...transformer import get_tag_ids

        return make_pairs_batch(
            instances,
            tokenizer,
            tag_ids=get_tag_ids(tokenizer, entity_types),
            window=self.choose_window(transformer, tokenizer),
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
