"""The thinc model around the PyTorch modules: built when the labels are known, saved with transformer and tokenizer."""

from typing import Any, Callable, List, Sequence, Tuple

from thinc.api import ArgsKwargs, Model, PyTorchWrapper_v3, get_torch_default_device, torch2xp, xp2torch
from thinc.types import Floats2d

from .batch import Instance
from .encoders import EncoderSettings

RelationScores = Tuple[Floats2d, Floats2d]


def build_relation_model(
    encoder: EncoderSettings, hidden_width: int = 256, dropout: float = 0.1, head_learn_rate: float = 10.0
) -> Model[List[Instance], RelationScores]:
    """The relation model (`embre_spacy.RelationModel.v1`): an encoder of candidates and two heads, relation type and
    novelty (sections 3.3 and 3.4 of the paper).

    encoder (EncoderSettings): The encoder of candidates, a registered architecture.
    hidden_width (int): The width of the hidden layer of each head.
    dropout (float): The dropout in the heads.
    head_learn_rate (float): By what the learning rate is multiplied for the layers that are not pretrained.
    RETURNS (Model[List[Instance], Tuple[Floats2d, Floats2d]]): The model. For p candidates in all, the scores before
        softmax have the shapes (p, relation types + 1), "not related" first, and (p, novelty labels).
    """
    from .serialize import deserialize, serialize
    from .shim import NetworkShim

    placeholder = _placeholder()
    model: Model[List[Instance], RelationScores] = PyTorchWrapper_v3(
        placeholder, convert_inputs=_convert_inputs, convert_outputs=_convert_outputs
    )
    shim = NetworkShim(placeholder, serialize_model=serialize, deserialize_model=deserialize)
    shim.head_learn_rate = head_learn_rate
    model.shims[0] = shim
    model.name = "embre_relation"
    model.init = _init
    model.attrs["encoder"] = encoder
    model.attrs["hidden_width"] = hidden_width
    model.attrs["dropout"] = dropout
    model.attrs["labels"] = None
    return model


def set_labels(
    model: Model[List[Instance], RelationScores],
    *,
    relation_types: Sequence[str],
    novelty_labels: Sequence[str],
    entity_types: Sequence[str],
) -> None:
    """Tell a model that is not initialized yet what it has to classify.

    model (Model): The model.
    relation_types (Sequence[str]): The relation types, without the class for "not related".
    novelty_labels (Sequence[str]): The novelty labels.
    entity_types (Sequence[str]): The entity types that mentions have.
    """
    model.attrs["labels"] = {
        "n_relation_types": len(relation_types),
        "n_novelty_labels": len(novelty_labels),
        "entity_types": list(entity_types),
    }


def is_built(model: Model[List[Instance], RelationScores]) -> bool:
    """Whether the model has weights.

    model (Model): The model.
    RETURNS (bool): False before it is initialized or loaded.
    """
    return hasattr(model.shims[0]._model, "classifier")


def _placeholder():
    from .modules.network import Placeholder

    return Placeholder()


def _init(model: Model[List[Instance], RelationScores], X: Any = None, Y: Any = None) -> None:
    from .modules.network import RelationNetwork

    if is_built(model):
        return
    if model.attrs["labels"] is None:
        raise ValueError("the relation model cannot be initialized before its labels are set")
    encoder: EncoderSettings = model.attrs["encoder"]
    transformer, tokenizer = encoder.load_transformer(model.attrs["labels"]["entity_types"])
    network = RelationNetwork(
        transformer,
        tokenizer,
        encoder,
        hidden_width=model.attrs["hidden_width"],
        dropout=model.attrs["dropout"],
        **model.attrs["labels"],
    )
    model.shims[0]._model = network.to(get_torch_default_device())


def _convert_inputs(model: Model, instances: List[Instance], is_train: bool) -> Tuple[ArgsKwargs, Callable]:
    network = model.shims[0]._model
    if not is_built(model):
        raise ValueError("the relation model has no weights yet: initialize it or load them")
    # Documents are constants: there is nothing to pass a gradient on to.
    return ArgsKwargs((network.make_batch(instances),), {}), lambda d_inputs: []


def _convert_outputs(model: Model, inputs_and_outputs, is_train: bool) -> Tuple[RelationScores, Callable]:
    _, outputs = inputs_and_outputs

    def backprop(d_scores: RelationScores) -> ArgsKwargs:
        gradients = tuple(xp2torch(d_score, device=output.device) for d_score, output in zip(d_scores, outputs))
        return ArgsKwargs(args=(tuple(outputs),), kwargs={"grad_tensors": gradients})

    return tuple(torch2xp(output) for output in outputs), backprop
