"""The network that is trained: the transformer with heads on the averaged vectors of masked words."""

from typing import Dict, Optional

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from .config import ObjectiveConfig
from .data import NO_CLASS

# What is counted of each held-out document, for each of these objectives.
COUNTED_OBJECTIVES = ("identifier", "type", "word")
COUNTS = ("items", "correct", "loss")


class EntityMaskingModel(nn.Module):
    """Predicts the identifier and the entity type of masked concepts, and words that were masked one by one.

    The paper predicts "from the averaged vectors of the masked words". All mentions of a chosen concept are masked
    together and have one answer, so the average is over all masked wordpieces of the concept in its document: one
    vector and one prediction for each concept, however often it is mentioned.

    transformer (PreTrainedModel): The transformer, without pooler.
    objective (ObjectiveConfig): What is predicted, and the weights of the losses.
    n_identifiers (int): The number of identifier classes; 0 for no prediction of identifiers.
    n_types (int): The number of entity types; 0 for no prediction of types.
    words (bool): Whether there are words masked one by one.
    """

    def __init__(
        self, transformer: PreTrainedModel, objective: ObjectiveConfig, *, n_identifiers: int, n_types: int, words: bool
    ) -> None:
        super().__init__()
        width = transformer.config.hidden_size
        self.transformer = transformer
        self.weights = {name: getattr(objective, f"{name}_weight") for name in COUNTED_OBJECTIVES}
        self.identifier_head = _make_head(width, objective.head_width, n_identifiers)
        self.type_head = _make_head(width, objective.head_width, n_types)
        self.word_head = WordHead(transformer) if words else None

    def forward(
        self,
        documents: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        concept_documents: Tensor,
        concept_rows: Tensor,
        concept_places: Tensor,
        concept_weights: Tensor,
        concept_types: Tensor,
        concept_identifiers: Tensor,
        word_documents: Tensor,
        word_rows: Tensor,
        word_places: Tensor,
        word_weights: Tensor,
        word_ids: Tensor,
    ) -> Dict[str, Tensor]:
        """The loss of a batch; see `Collator` for what it reads.

        RETURNS (Dict[str, Tensor]): The `loss`, and the `counts` of each document: items, correct ones and summed loss
            of each objective; shape (documents, objectives, 3).
        """
        output = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        places = output.flatten(0, 1)
        counts = torch.zeros(len(documents), len(COUNTED_OBJECTIVES), len(COUNTS), device=places.device)
        # Grows from the output, so that a batch in which nothing was masked has gradients too (of 0): processes that
        # train together wait for each other's.
        loss = 0.0 * places[:1].float().sum()
        if self.identifier_head is not None or self.type_head is not None:
            concepts = _average(places, concept_rows, concept_places, concept_weights, len(concept_documents))
            for name, head, wanted in (
                ("identifier", self.identifier_head, concept_identifiers),
                ("type", self.type_head, concept_types),
            ):
                if head is not None:
                    loss = loss + self._score(name, head(concepts), wanted, concept_documents, counts)
        if self.word_head is not None:
            words = _average(places, word_rows, word_places, word_weights, len(word_documents))
            scores = self.word_head(words, self.transformer.get_input_embeddings().weight)
            loss = loss + self._score("word", scores, word_ids, word_documents, counts)
        return {"loss": loss, "counts": counts}

    def _score(self, name: str, scores: Tensor, wanted: Tensor, documents: Tensor, counts: Tensor) -> Tensor:
        """Count what is right, and give the weighted mean loss of what has a class."""
        scores = scores.float()
        losses = functional.cross_entropy(scores, wanted, ignore_index=NO_CLASS, reduction="none")
        has_class = wanted != NO_CLASS
        with torch.no_grad():
            correct = (scores.argmax(dim=-1) == wanted) & has_class
            of_items = torch.stack([has_class.float(), correct.float(), losses.detach()], dim=-1)
            counts[:, COUNTED_OBJECTIVES.index(name)].index_add_(0, documents, of_items)
        return self.weights[name] * losses.sum() / has_class.sum().clamp(min=1)


class WordHead(nn.Module):
    """Predicts masked words as BERT does: a layer, then the similarity to the embeddings of the vocabulary.

    The embeddings are given at each call rather than held, so that saved weights do not contain them twice.

    transformer (PreTrainedModel): The transformer whose embeddings are used.
    """

    def __init__(self, transformer: PreTrainedModel) -> None:
        super().__init__()
        embeddings = transformer.get_input_embeddings().weight
        self.layer = nn.Sequential(
            nn.Linear(transformer.config.hidden_size, embeddings.shape[1]),
            nn.GELU(),
            nn.LayerNorm(embeddings.shape[1]),
        )
        self.bias = nn.Parameter(torch.zeros(len(embeddings)))

    def forward(self, vectors: Tensor, embeddings: Tensor) -> Tensor:
        """Score the vocabulary.

        vectors (Tensor): The vectors of masked words; shape (words, width).
        embeddings (Tensor): The input embeddings; shape (vocabulary, width).
        RETURNS (Tensor): Shape (words, vocabulary).
        """
        return functional.linear(self.layer(vectors), embeddings, self.bias)


def _make_head(width: int, hidden_width: int, n_classes: int) -> Optional[nn.Module]:
    if not n_classes:
        return None
    if not hidden_width:
        return nn.Linear(width, n_classes)
    return nn.Sequential(nn.Linear(width, hidden_width), nn.GELU(), nn.Linear(hidden_width, n_classes))


def _average(vectors: Tensor, rows: Tensor, places: Tensor, weights: Tensor, count: int) -> Tensor:
    averages = torch.zeros(count, vectors.shape[1], device=vectors.device)
    return averages.index_add(0, rows, vectors[places].float() * weights.unsqueeze(-1))
