"""The network: an encoder of candidates and two heads, and how it is saved.

A saved network is a file of safetensors whose metadata hold all that it takes to build it again. So nothing depends on
the folder or the hub that a transformer once came from.
"""

import json
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy
import safetensors.torch
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import get_torch_default_device
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..errors import EmbreError
from ..files import open_output
from ..tokens import Candidate
from ..transformer.checkpoint import WEIGHTS_FILE, WEIGHTS_METADATA, WEIGHTS_VERSION, read_weights
from .encoder import CandidateEncoder


@dataclass
class RelationBatch:
    """Documents as arrays, without their text."""

    candidates: List[List[Candidate]]  # of each document
    arrays: Any = None  # the documents with candidates, as the encoder prepares them, if there are any
    # For an encoder that reads tokens, the vectors of the tokens of documents with candidates, shape (n, token width);
    # or all documents, if what makes the vectors shall learn.
    tokens: Union[NDArray[numpy.float32], List[Doc], None] = None


class RelationNetwork(nn.Module):
    """An encoder of candidates with two independent multi-layer perceptrons of one hidden layer: relation type and
    novelty (section 3.4 of the paper). It has no layers until it is built or restored."""

    def __init__(self, encoder: CandidateEncoder, *, hidden_width: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.hidden_width = hidden_width
        self.dropout = dropout
        self.shape: Dict[str, Any] = {}
        self.relation: Optional[nn.Module] = None
        self.novelty: Optional[nn.Module] = None

    @property
    def is_built(self) -> bool:
        return self.relation is not None

    def build_heads(self, entity_types: Sequence[str], n_relation_types: int, n_novelty_labels: int) -> None:
        """Make the heads on an encoder that is built already, with one class more for "not related"."""
        self.shape = {
            "entity_types": list(entity_types),
            "n_relation_types": n_relation_types,
            "n_novelty_labels": n_novelty_labels,
            "hidden_width": self.hidden_width,
        }
        heads = []
        for n_classes in (n_relation_types + 1, n_novelty_labels):
            hidden = nn.Linear(self.encoder.width, self.hidden_width)
            # torch would warn of a layer without classes, as that of a corpus without novelty.
            with nullcontext() if n_classes else _SkipInit():
                output = nn.Linear(self.hidden_width, n_classes)
            heads.append(nn.Sequential(hidden, nn.GELU(), nn.Dropout(self.dropout), output))
        self.relation, self.novelty = heads
        # Only an update puts it into the mode of training, so that threads can predict beside each other.
        self.eval()

    def forward(self, arrays: Any, *vectors: Tensor) -> Tuple[Tensor, Tensor]:
        """The scores of all p candidates of a batch before softmax, shapes (p, relation types + 1) and (p, novelty
        labels), from its arrays and, if the encoder reads these, vectors of tokens."""
        numbers, relations, novelties = zip(
            *((some, self.relation(piece), self.novelty(piece)) for some, piece in self.encoder(arrays, *vectors))
        )
        order = torch.from_numpy(numpy.concatenate(numbers).argsort()).to(relations[0].device)
        return torch.cat(relations)[order], torch.cat(novelties)[order]


class _SkipInit(TorchFunctionMode):
    """Makes new weights 0 where they would be drawn at random, which takes seconds; on its own thread alone."""

    # `trunc_normal_` is not among them: torch does not tell of it. It draws by `Tensor.normal_` until all is in bounds.
    _SKIPPED = (nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_, Tensor.normal_, Tensor.uniform_)

    def __torch_function__(self, func: Any, types: Any, args: Tuple = (), kwargs: Optional[Dict] = None) -> Any:
        if func in self._SKIPPED:
            return nn.init.zeros_(args[0] if args else kwargs["tensor"])
        return func(*args, **(kwargs or {}))


def network_to_bytes(network: RelationNetwork) -> bytes:
    """A network as a file of safetensors; one that is not built, too."""
    description: Dict[str, Any] = {"version": WEIGHTS_VERSION}
    if network.is_built:
        encoder = network.encoder
        settings = {name: encoder.settings[name] for name in encoder.weight_settings}
        description.update(encoder.describe(), encoder={"kind": encoder.kind, **settings}, shape=network.shape)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return safetensors.torch.save(state, metadata={WEIGHTS_METADATA: json.dumps(description)})


def save_network(network: RelationNetwork, file: Path) -> None:
    """Write a network to a file, which appears whole or not: another process may be reading the one before."""
    # `safetensors.torch.save_file` makes files that nobody but their owner can read.
    with open_output(file) as opened:
        opened.write(network_to_bytes(network))


def network_from_bytes(network: RelationNetwork, data: bytes, device: torch.device) -> RelationNetwork:
    """See `load_network`. `device` is what thinc passes on: the default one."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / WEIGHTS_FILE
        file.write_bytes(data)
        return load_network(network, file)


def load_network(network: RelationNetwork, file: Path) -> RelationNetwork:
    """Give a network the layers and weights that a file holds. An EmbreError says if it is missing, of a later version,
    or which setting does not fit; a damaged one can end in any error."""
    if not file.is_file():
        raise EmbreError("the file with the weights of the model is missing")
    description, state = read_weights(file)
    if "shape" in description:
        _check_settings(network, description)
        shape = description["shape"]
        with _SkipInit():
            network.encoder.restore(description, shape["entity_types"])
            network.build_heads(shape["entity_types"], shape["n_relation_types"], shape["n_novelty_labels"])
        network.load_state_dict(state, assign=True)
        network.to(get_torch_default_device())
    return network


def _check_settings(network: RelationNetwork, description: Dict[str, Any]) -> None:
    """Raise EmbreError if weights are not those of the config."""
    encoder, saved = network.encoder, description["encoder"]
    settings = {f"model.encoder.{name}": (saved.get(name), encoder.settings[name]) for name in encoder.weight_settings}
    settings["model.hidden_width"] = description["shape"]["hidden_width"], network.hidden_width
    for name, (of_weights, of_config) in {"model.encoder": (saved["kind"], encoder.kind), **settings}.items():
        if of_weights != of_config:
            cause = f"`{name}` is {of_config} in the config, but the saved weights were made with {of_weights}"
            raise EmbreError(cause)
