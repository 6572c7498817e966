"""What an encoder of candidates is, and what those have in common that read text with a transformer of their own."""

from typing import Any, ClassVar, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..transformer.checkpoint import describe_transformer, load_checkpoint, restore_transformer
from ..transformer.text import add_tags, get_tag_ids, round_up, special_tokens
from .features import DocCandidates

# The most candidates whose vectors are in memory at once in prediction: all of a full text would take gigabytes.
MAX_CANDIDATES = 2**11


class CandidateEncoder(nn.Module):
    """An encoder of candidates. A registered function makes it of its settings. It gets its layers when the entity
    types are known (`build`), or with saved weights (`restore`). Then it has a `width`, that of its vectors.

    To add one: a module with a subclass and a function that makes it, an entry point in `pyproject.toml`
    (`spacy_architectures`), and an entry in `MODELS` of `tests/relation/conftest.py`.
    """

    # What saved weights are said to be of.
    kind: ClassVar[str]
    # The settings that weights depend on. All others can be chosen anew whenever a pipeline is loaded.
    weight_settings: ClassVar[Tuple[str, ...]]
    # Whether it gets the vectors of tokens from a `tok2vec` layer.
    reads_tokens: ClassVar[bool] = False

    def __init__(self, settings: Dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings

    def build(self, entity_types: Sequence[str], token_width: Optional[int] = None) -> None:
        """Make the layers, with pretrained weights where there are any, for vectors of tokens of a width, if it reads
        these."""
        raise NotImplementedError

    def prepare(self, documents: Sequence[DocCandidates], *, is_train: bool = False) -> Any:
        """Documents with at least one candidate each as NumPy arrays in a dataclass; `is_train` to learn from them."""
        raise NotImplementedError

    def forward(self, arrays: Any, *vectors: Tensor) -> Iterator[Tuple[NDArray[numpy.int64], Tensor]]:
        """In pieces the numbers of the candidates of what `prepare` returned, shape (k,), and their vectors, shape (k,
        self.width). `vectors` are those of tokens, shape (n, token width), if it reads these."""
        raise NotImplementedError

    def describe(self) -> Dict[str, Any]:
        """What `restore` needs beside the settings, as JSON."""
        raise NotImplementedError

    def restore(self, description: Dict[str, Any], entity_types: Sequence[str]) -> None:
        """Make the layers as `build` does, for weights that have been saved with a description."""
        raise NotImplementedError


class TransformerEncoder(CandidateEncoder):
    """An encoder with a transformer of its own. It has settings `name`, `hidden_dropout` and `attention_dropout`, and
    may have `tags`: whether these stand before and after mentions, which they do otherwise."""

    transformer: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def device(self) -> torch.device:
        return self.transformer.device

    def pad(self, rows: Sequence[NDArray[numpy.int64]]) -> Tuple[Tensor, Optional[Tensor]]:
        """Rows of wordpieces as one tensor and its mask, as the function `pad` gives them; longer in training."""
        width = max(map(len, rows))
        if self.training:
            width = round_up(width, self.window + len(self.before) + len(self.after))
        return pad(rows, self.transformer.config.pad_token_id or 0, self.device, width)

    def make_layers(self) -> None:
        """Make all layers but the transformer, and set `window`: the number of wordpieces in one pass, beside special
        tokens. Raises EmbreError if the setting `window` does not fit."""
        raise NotImplementedError

    def build(self, entity_types: Sequence[str], token_width: Optional[int] = None) -> None:
        settings = {key: self.settings[key] for key in ("name", "hidden_dropout", "attention_dropout")}
        transformer, tokenizer = load_checkpoint(**settings)
        if self.settings.get("tags", True):
            add_tags(transformer, tokenizer, entity_types)
        self.build_on(transformer, tokenizer, entity_types)

    def build_on(
        self, transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, entity_types: Sequence[str]
    ) -> None:
        """Make the layers beside a transformer without pooler that is there already, and a tokenizer with its tags."""
        self.transformer = transformer
        self.tokenizer = tokenizer
        self.entity_types = list(entity_types)
        self.tag_ids = get_tag_ids(tokenizer, entity_types) if self.settings.get("tags", True) else {}
        self.before, self.after = (numpy.asarray(ids, dtype="int64") for ids in special_tokens(tokenizer))
        self.make_layers()

    def describe(self) -> Dict[str, Any]:
        return describe_transformer(self.transformer, self.tokenizer)

    def restore(self, description: Dict[str, Any], entity_types: Sequence[str]) -> None:
        dropouts = self.settings["hidden_dropout"], self.settings["attention_dropout"]
        self.build_on(*restore_transformer(description, *dropouts), entity_types)


def split_candidates(candidates: NDArray[numpy.int64]) -> List[NDArray[numpy.int64]]:
    """What is said of each candidate, in pieces of at most MAX_CANDIDATES."""
    return numpy.split(candidates, range(MAX_CANDIDATES, len(candidates), MAX_CANDIDATES))


def pad(rows: Sequence[NDArray], value: int, device: torch.device, width: int = 0) -> Tuple[Tensor, Optional[Tensor]]:
    """Rows of integers as one tensor, at least `width` wide, with a value behind their ends, and a mask: 0 where they
    have ended; None if none has, as attention is fastest without a mask."""
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.full((len(rows), max(width, *map(len, rows))), value)
    for of_row, row in zip(padded, rows):
        of_row[: len(row)] = torch.from_numpy(row)
    mask = (torch.arange(padded.shape[1]) < lengths.unsqueeze(-1)).long()
    return padded.to(device), None if mask.all() else mask.to(device)
