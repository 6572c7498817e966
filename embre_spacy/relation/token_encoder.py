"""The token encoder: candidates from the vectors of spaCy's tokens, which other components may use as well."""

from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from .encoder import CandidateEncoder, split_candidates
from .features import CandidateFeatures, DocCandidates, make_features
from .pooling import CandidatePooling


def create_token_encoder(hidden_width: int = 256, n_heads: int = 8, dropout: float = 0.1) -> "TokenEncoder":
    """The document encoder on the vectors of spaCy's tokens (`embre_spacy.TokenEncoder.v1`). The layer that makes them
    is the `tok2vec` of the relation model, such as a listener to a transformer that components share.

    hidden_width, n_heads, dropout: As of `embre_spacy.DocumentEncoder.v1`.
    RETURNS (TokenEncoder): The encoder, without layers yet.
    """
    return TokenEncoder(locals())


class TokenEncoder(CandidateEncoder):
    """Vectors of candidates from vectors of tokens that another layer has made. A mention is the mean of its tokens,
    whole ones where tokens were merged."""

    kind = "TokenEncoder"
    weight_settings = ("hidden_width", "n_heads")
    reads_tokens = True

    def build(self, entity_types: Sequence[str], token_width: Optional[int] = None) -> None:
        self.entity_types = list(entity_types)
        self.token_width = token_width
        self.pooling = CandidatePooling(token_width, n_entity_types=len(entity_types), **self.settings)
        self.width = self.pooling.width

    def prepare(self, documents: Sequence[DocCandidates], *, is_train: bool = False) -> CandidateFeatures:
        spans = [
            [doc.char_span(mention.start, mention.end, alignment_mode="expand") for mention in mentions]
            for doc, mentions, _ in documents
        ]
        units = [numpy.asarray([(span.start, span.end) for span in of_doc], dtype="int64") for of_doc in spans]
        return make_features(documents, units, [len(document.doc) for document in documents], self.entity_types)

    def forward(self, arrays: CandidateFeatures, *vectors: Tensor) -> Iterator[Tuple[NDArray[numpy.int64], Tensor]]:
        pool = self.pooling(vectors[0], average(vectors[0], arrays.mentions), arrays)
        for numbers in split_candidates(numpy.arange(len(arrays.candidates))):
            yield numbers, pool(numbers, None)

    def describe(self) -> Dict[str, Any]:
        return {"token_width": self.token_width}

    def restore(self, description: Dict[str, Any], entity_types: Sequence[str]) -> None:
        self.build(entity_types, description["token_width"])


def average(vectors: Tensor, spans: NDArray[numpy.int64]) -> Tensor:
    """The means of vectors over spans of them, shape (m, 2): shape (m, width), zeros for a span of none."""
    units = numpy.concatenate([numpy.arange(start, end) for start, end in spans])
    lengths = spans[:, 1] - spans[:, 0]
    first_of_span = lengths.cumsum() - lengths
    device = vectors.device
    return embedding_bag(
        torch.from_numpy(units).to(device), vectors, torch.from_numpy(first_of_span).to(device), mode="mean"
    )
