"""A trained network as bytes or as a file: weights in safetensors, and beside them all that it takes to build it again.

What is saved does not depend on the folder or the hub that the transformer once came from.
"""

import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict

from ..errors import EmbreError
from .encoders import Base, EncoderSettings, OwnTransformer, TokenVectors

if TYPE_CHECKING:
    import torch
    from torch import nn

_VERSION = 1
_METADATA = "embre_relation"


def serialize(network: "nn.Module") -> bytes:
    """The bytes of a network; none if it is not built yet.

    network (nn.Module): A `RelationNetwork`, or the placeholder for one.
    RETURNS (bytes): The bytes.
    """
    import safetensors.torch

    if not hasattr(network, "classifier"):
        return b""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return safetensors.torch.save(state, metadata=_describe(network))


def deserialize(network: "nn.Module", data: bytes, device: "torch.device", *, wanted: EncoderSettings) -> "nn.Module":
    """Build a network from its bytes.

    network (nn.Module): What stands in its place; returned as it is if there are no bytes.
    data (bytes): The bytes.
    device (torch.device): Where the network will run.
    wanted (EncoderSettings): Settings of the encoder in the config. Those are used that no weight depends on.
    RETURNS (nn.Module): The network.
    RAISES (EmbreError): If the bytes are of a later version.
    """
    import safetensors.torch

    return _build(_read_metadata(data), safetensors.torch.load(data), device, wanted) if data else network


def load_network(file: Path, device: "torch.device", *, wanted: EncoderSettings) -> "nn.Module":
    """Build a network from a file with its bytes.

    file (Path): The file.
    device (torch.device): Where the network will run.
    wanted (EncoderSettings): Settings of the encoder in the config. Those are used that no weight depends on.
    RETURNS (nn.Module): The network.
    RAISES (EmbreError): If the file is damaged, or of a later version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            about = opened.metadata()
            names = opened.keys()
            # Copied, because these are views of the file, which may be written again while the network is in use.
            state = {name: opened.get_tensor(name).to(device, copy=True) for name in names}
    except SafetensorError as error:
        raise EmbreError(f"{file}: the weights cannot be read ({error})") from error
    return _build(about, state, device, wanted)


def _describe(network: "nn.Module") -> Dict[str, str]:
    about = {
        "version": _VERSION,
        **_describe_base(network.base),
        "encoder": {"kind": type(network.settings).__name__, **network.settings.to_dict()},
        "shape": network.shape,
    }
    return {_METADATA: json.dumps(about)}


def _build(
    metadata: Dict[str, str], state: Dict[str, "torch.Tensor"], device: "torch.device", wanted: EncoderSettings
) -> "nn.Module":
    from accelerate import init_empty_weights

    from . import encoders
    from .modules.network import RelationNetwork

    about = json.loads(metadata[_METADATA])
    if about["version"] > _VERSION:
        raise EmbreError("this pipeline was saved by a later version of embre_spacy, which it needs")
    name = about["encoder"].pop("kind")
    kind = getattr(encoders, name, None)
    if kind is None:
        raise EmbreError(f"this pipeline has an encoder {name}, which is none of embre_spacy")
    known = {field.name for field in fields(kind)}
    settings = kind(**{name: value for name, value in about["encoder"].items() if name in known}).adopt(wanted)
    # Random weights would take seconds to draw, to be replaced at once.
    with init_empty_weights():
        built = RelationNetwork(_build_base(about), settings, **about["shape"])
    built.load_state_dict(state, assign=True)
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


def _read_metadata(data: bytes) -> Dict[str, str]:
    # The header of safetensors: its length in eight bytes, then JSON.
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length])["__metadata__"]


def _tokenizer_files(tokenizer) -> Dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        # One file of the fast tokenizer, and not those of the slow one, which may be binary.
        tokenizer.save_pretrained(folder, legacy_format=False)
        return {path.name: path.read_text(encoding="utf8") for path in sorted(Path(folder).iterdir())}


def _load_tokenizer(files: Dict[str, str]):
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf8")
        return AutoTokenizer.from_pretrained(folder, use_fast=True)
