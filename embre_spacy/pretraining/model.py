"""The network that is trained: the transformer, with heads on the averaged vectors of masked words."""

from typing import Dict, Mapping, Sized

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from ..transformer.text import round_up
from .config import ObjectiveConfig
from .dataset import NO_LABEL

# What the model counts of each document, for each of the objectives.
OBJECTIVES = ("identifier", "type", "word")
COUNTS = ("items", "correct", "loss")
# The concepts or the words of a batch that are predicted.
Items = Dict[str, Tensor]


class EntityMaskingModel(nn.Module):
    """Predicts identifiers and entity types of masked concepts, and words that were masked one by one.

    The paper predicts "from the averaged vectors of the masked words" (section 3.2). All mentions of a masked concept
    have one answer, so the average is over all its wordpieces in the document. `labels` are the classes of each
    objective that is predicted.
    """

    def __init__(
        self,
        transformer: PreTrainedModel,
        objective: ObjectiveConfig,
        labels: Mapping[str, Sized],
        bfloat16: bool = False,
    ) -> None:
        super().__init__()
        width = transformer.config.hidden_size
        self.transformer = transformer
        self.weights = {name: getattr(objective, f"{name}_weight") for name in OBJECTIVES}
        self.identifier_head = nn.Linear(width, len(labels["identifier"])) if "identifier" in labels else None
        self.type_head = nn.Linear(width, len(labels["type"])) if "type" in labels else None
        self.word_head = None
        if "word" in labels:
            # As BERT does: a layer, then the similarity to the embeddings of the vocabulary, and a bias for each word.
            # The head does not have the embeddings, so that saved weights do not contain them twice.
            n_words, n_dims = transformer.get_input_embeddings().weight.shape
            self.word_head = nn.Sequential(nn.Linear(width, n_dims), nn.GELU(), nn.LayerNorm(n_dims))
            self.word_head.bias = nn.Parameter(torch.zeros(n_words))
        self.bfloat16 = bfloat16

    def forward(
        self, documents: Tensor, input_ids: Tensor, attention_mask: Tensor, concepts: Items, words: Items
    ) -> Dict[str, Tensor]:
        """Compute the loss of a batch of `Collator`.

        RETURNS (Dict[str, Tensor]): The `loss`, and the `counts` of each document: items, correct ones and summed loss
            of each objective; shape (documents, objectives, 3).
        """
        # The precision of the config holds, whatever a launcher says: the inner context is the one that counts.
        with torch.autocast(input_ids.device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            output = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            vectors = output.flatten(0, 1)
            counts = torch.zeros(len(documents), len(OBJECTIVES), len(COUNTS), device=vectors.device)
            # Depends on the output, so that a batch without masked words has gradients too (of 0): processes that train
            # together wait for each other's.
            loss = 0.0 * vectors[:1].float().sum()
            averages = _average(vectors, concepts)
            if self.identifier_head is not None:
                loss = loss + self._compute_loss("identifier", self.identifier_head(averages), concepts, counts)
            if self.type_head is not None:
                loss = loss + self._compute_loss("type", self.type_head(averages), concepts, counts)
            if self.word_head is not None:
                embeddings = self.transformer.get_input_embeddings().weight
                scores = functional.linear(self.word_head(_average(vectors, words)), embeddings, self.word_head.bias)
                loss = loss + self._compute_loss("word", scores, words, counts)
        return {"loss": loss, "counts": counts}

    def _compute_loss(self, name: str, scores: Tensor, items: Items, counts: Tensor) -> Tensor:
        """Compute the weighted mean loss of the items that have a label, and count them for their documents."""
        labels = items[name]
        scores = scores[: len(labels)].float()
        losses = functional.cross_entropy(scores, labels, ignore_index=NO_LABEL, reduction="none")
        has_label = labels != NO_LABEL
        with torch.no_grad():
            correct = (scores.argmax(dim=-1) == labels) & has_label
            item_counts = torch.stack([has_label.float(), correct.float(), losses.detach()], dim=-1)
            counts[:, OBJECTIVES.index(name)].index_add_(0, items["documents"], item_counts)
        return self.weights[name] * losses.sum() / has_label.sum().clamp(min=1)


def _average(vectors: Tensor, items: Items) -> Tensor:
    """Average the vectors of the flattened windows, shape (places, width), for each item of a batch, and zeros behind
    them; see `round_up`."""
    averages = torch.zeros(round_up(len(items["documents"])), vectors.shape[1], device=vectors.device)
    return averages.index_add(0, items["rows"], vectors[items["places"]].float() * items["weights"].unsqueeze(-1))
