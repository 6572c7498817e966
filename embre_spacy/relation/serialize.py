"""A trained network as bytes: weights in safetensors, and all that is needed to build it again beside them.

What is saved does not depend on the folder or the hub that the transformer once came from.
"""

import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict

from .encoders import Base, OwnTransformer, TokenVectors

if TYPE_CHECKING:
    import torch
    from torch import nn

_VERSION = 1


def serialize(network: "nn.Module") -> bytes:
    """The bytes of a network; none if it is not built yet.

    network (nn.Module): A `RelationNetwork`, or the placeholder for one.
    RETURNS (bytes): The bytes.
    """
    import safetensors.torch

    if not hasattr(network, "classifier"):
        return b""
    about = {
        "version": _VERSION,
        **_describe_base(network.base),
        "encoder": {"kind": type(network.settings).__name__, **network.settings.to_dict()},
        "shape": network.shape,
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return safetensors.torch.save(state, metadata={"embre_relation": json.dumps(about)})


def deserialize(network: "nn.Module", data: bytes, device: "torch.device") -> "nn.Module":
    """Build a network from its bytes.

    network (nn.Module): What stands in its place; returned as it is if there are no bytes.
    data (bytes): The bytes.
    device (torch.device): Where the network will run.
    RETURNS (nn.Module): The network.
    """
    import safetensors.torch
    from accelerate import init_empty_weights

    from . import encoders
    from .modules.network import RelationNetwork

    if not data:
        return network
    about = _read_metadata(data)
    kind = getattr(encoders, about["encoder"].pop("kind"))
    known = {field.name for field in fields(kind)}
    settings = kind(**{name: value for name, value in about["encoder"].items() if name in known})
    # Random weights would take seconds to draw, to be replaced at once.
    with init_empty_weights():
        built = RelationNetwork(_build_base(about), settings, **about["shape"])
    built.load_state_dict(safetensors.torch.load(data), assign=True)
    return built.to(device)


def _describe_base(base: Base) -> Dict[str, Any]:
    if isinstance(base, TokenVectors):
        return {"token_width": base.width}
    return {"transformer": base.transformer.config.to_dict(), "tokenizer": _tokenizer_files(base.tokenizer)}


def _build_base(about: Dict[str, Any]) -> Base:
    from transformers import MODEL_MAPPING, AutoConfig

    from ..transformer import remove_pooler

    if "token_width" in about:
        return TokenVectors(about["token_width"])
    config = AutoConfig.for_model(**about["transformer"])
    # `AutoModel.from_config` imports the models of all architectures before it takes one.
    transformer = MODEL_MAPPING[type(config)](config)
    remove_pooler(transformer)
    return OwnTransformer(transformer, _load_tokenizer(about["tokenizer"]))


def _read_metadata(data: bytes) -> Dict[str, Any]:
    # The header of safetensors: its length in eight bytes, then JSON.
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["embre_relation"])


def _tokenizer_files(tokenizer) -> Dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return {path.name: path.read_text(encoding="utf8") for path in sorted(Path(folder).iterdir())}


def _load_tokenizer(files: Dict[str, str]):
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf8")
        return AutoTokenizer.from_pretrained(folder, use_fast=True)
