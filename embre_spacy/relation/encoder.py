"""What an encoder of candidates is, and what those have in common that read text with a transformer of their own."""

import tempfile
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import EmbreError
from ..transformer import (
    add_tags,
    get_tag_ids,
    load_checkpoint,
    prepare_tokenizer,
    round_up,
    set_dropouts,
    special_tokens,
)
from .features import DocCandidates

# The most candidates whose vectors are in memory at once in prediction: all of a full text would take gigabytes.
MAX_CANDIDATES = 2**11
# The files that a fast tokenizer is saved in.
TOKENIZER_FILES = ("special_tokens_map.json", "tokenizer.json", "tokenizer_config.json")


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
        # Nothing of it depends on where the transformer once came from.
        return {"transformer": self.transformer.config.to_dict(), "tokenizer": _save_tokenizer(self.tokenizer)}

    def restore(self, description: Dict[str, Any], entity_types: Sequence[str]) -> None:
        config = AutoConfig.for_model(**description["transformer"])
        set_dropouts(config, self.settings["hidden_dropout"], self.settings["attention_dropout"])
        # `AutoModel.from_config` imports the models of all architectures before it takes one.
        transformer = MODEL_MAPPING[type(config)](config)
        transformer.pooler = None
        self.build_on(transformer, _load_tokenizer(description["tokenizer"]), entity_types)


def _save_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Dict[str, str]:
    """The files of a tokenizer by name."""
    with tempfile.TemporaryDirectory() as folder:
        # One file of the fast tokenizer, and not those of the slow one, which may be binary.
        tokenizer.save_pretrained(folder, legacy_format=False)
        files = [Path(folder) / name for name in TOKENIZER_FILES]
        return {file.name: file.read_text(encoding="utf8") for file in files if file.is_file()}


def _load_tokenizer(files: Dict[str, str]) -> PreTrainedTokenizerBase:
    """A tokenizer of its files. Raises EmbreError for files that no tokenizer has, and never runs code that is named in
    one: saved pipelines come from strangers."""
    unknown = sorted(set(files) - set(TOKENIZER_FILES))
    if unknown:
        raise EmbreError(f"{unknown[0]!r} is no file of a tokenizer")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf8")
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False, local_files_only=True)
    return prepare_tokenizer(tokenizer)


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
