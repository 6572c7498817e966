"""The draw: which concepts and words of a document are masked, and what the transformer then reads."""

from dataclasses import dataclass
from typing import List

import numpy
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from .config import MaskingConfig
from .data import EncodedDocument, MaskingConcept

# The shares of masked words that become the mask token and a random word; the rest stays (Devlin et al. 2019, 3.1).
_MASK_SHARE, _RANDOM_SHARE = 0.8, 0.1


@dataclass
class MaskedDocument:
    """A document as the transformer reads it, and what is to be predicted."""

    index: int  # its position among its documents
    ids: NDArray[numpy.int64]  # those of its wordpieces; shape (n,)
    concepts: List[MaskingConcept]  # the masked ones; their `pieces` are positions in `ids`
    words: NDArray[numpy.int64]  # the positions in `ids` of wordpieces that were masked one by one; shape (m,)
    word_ids: NDArray[numpy.int64]  # the ids that these had; shape (m,)

    def __len__(self) -> int:
        return len(self.ids)


class Masker:
    """Masks concepts with the probability `concept_rate`, and the share `word_rate` of other wordpieces or words."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: MaskingConfig) -> None:
        self.config = config
        self.mask_id = tokenizer.mask_token_id
        self.ordinary_ids = numpy.setdiff1d(numpy.arange(len(tokenizer)), tokenizer.all_special_ids)

    def __call__(
        self, document: EncodedDocument, rng: numpy.random.Generator, *, progress: float = 0.0
    ) -> MaskedDocument:
        """Mask every wordpiece of every mention of the chosen concepts, then other words. `progress` is the share of
        the training that is over."""
        chosen = [document.concepts[i] for i in choose_concepts(len(document.concepts), self.config.concept_rate, rng)]
        wordpieces = document.wordpieces
        ids = wordpieces.ids.copy()
        masked = numpy.zeros(len(ids), dtype="bool")
        for concept in chosen:
            masked[concept.pieces] = True
        ids[masked] = self.mask_id
        words = self._choose_words(document.starts_word, ~masked & ~wordpieces.is_tag, rng)
        self._change_words(ids, words, rng, is_pure=progress >= 1.0 - self.config.pure_share)
        kept = numpy.ones(len(ids), dtype="bool")
        for start, end in document.tagged:
            if masked[start:end].any():
                # The tags of a mention with a masked word would tell what is to be predicted.
                kept[[start, end - 1]] = False
        positions = numpy.cumsum(kept) - 1
        return MaskedDocument(
            document.index,
            ids[kept],
            [concept._replace(pieces=positions[concept.pieces]) for concept in chosen],
            positions[words],
            wordpieces.ids[words],
        )

    def _choose_words(
        self, starts_word: NDArray[numpy.bool_], maskable: NDArray[numpy.bool_], rng: numpy.random.Generator
    ) -> NDArray[numpy.int64]:
        """Choose wordpieces one by one, or words whole."""
        if not self.config.word_rate:
            return numpy.zeros(0, dtype="int64")
        is_chosen = rng.random(len(maskable)) < self.config.word_rate
        if self.config.whole_words:
            is_chosen = is_chosen[numpy.cumsum(starts_word) - 1]
        return numpy.flatnonzero(maskable & is_chosen)

    def _change_words(
        self, ids: NDArray[numpy.int64], words: NDArray[numpy.int64], rng: numpy.random.Generator, *, is_pure: bool
    ) -> None:
        """Change `ids` in place: most words are masked, some are replaced, some stay; all are masked if `is_pure`."""
        draws = rng.random(len(words)) * (0.0 if is_pure else 1.0)
        ids[words[draws < _MASK_SHARE]] = self.mask_id
        replaced = words[(draws >= _MASK_SHARE) & (draws < _MASK_SHARE + _RANDOM_SHARE)]
        ids[replaced] = rng.choice(self.ordinary_ids, len(replaced))


def choose_concepts(count: int, rate: float, rng: numpy.random.Generator) -> NDArray[numpy.int64]:
    """Choose some of `count` concepts, each with the same probability, but never all (paper, section 3.2)."""
    if count < 2 or not rate:
        return numpy.zeros(0, dtype="int64")
    chosen = numpy.flatnonzero(rng.random(count) < rate)
    if not len(chosen):
        # The paper does not say what happens to a document of which no concept was drawn (of those with ten concepts,
        # one in nine). It would cost a pass of the transformer and teach nothing, so one concept is chosen.
        return rng.integers(count, size=1)
    if len(chosen) == count:
        return numpy.delete(chosen, rng.integers(count))
    return chosen
