"""The thinc model around the PyTorch modules: built when the labels are known, saved with all that it needs."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, ContextManager, List, Optional, Sequence, Tuple

from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, PyTorchWrapper_v3, get_torch_default_device, torch2xp, xp2torch
from thinc.types import Floats2d

from ..errors import EmbreError
from .encoders import Base, EncoderSettings, TokenVectors
from .instance import Instance
from .token_vectors import find_width, read_tokens, return_nothing

RelationScores = Tuple[Floats2d, Floats2d]


def build_relation_model(
    encoder: EncoderSettings,
    hidden_width: int = 256,
    dropout: float = 0.1,
    head_learn_rate: float = 10.0,
    novelty_dropout: Optional[float] = None,
    tok2vec: Optional[Model[List[Doc], List[Floats2d]]] = None,
) -> Model[List[Instance], RelationScores]:
    """The relation model (`embre_spacy.RelationModel.v1`): an encoder of candidates and two heads, relation type and
    novelty (sections 3.3 and 3.4 of the paper).

    encoder (EncoderSettings): The encoder of candidates, a registered architecture.
    hidden_width (int): The width of the hidden layer of each head.
    dropout (float): The dropout in the heads.
    head_learn_rate (float): By what the learning rate is multiplied for the layers that are neither pretrained nor in
        `tok2vec`.
    novelty_dropout (Optional[float]): The dropout in the head of the novelty; the same as in the other if None.
    tok2vec (Optional[Model[List[Doc], List[Floats2d]]]): What gives the token encoder the vectors of tokens; None for
        encoders with a transformer of their own. It stands here, as in other components of spaCy, and not in the
        encoder, because `nlp.replace_listeners` looks for a listener to a transformer in `model.tok2vec` only.
    RETURNS (Model[List[Instance], Tuple[Floats2d, Floats2d]]): The model. For p candidates in all, the scores before
        softmax have the shapes (p, relation types + 1), "not related" first, and (p, novelty labels).
    RAISES (EmbreError): If the encoder needs a `tok2vec` and there is none, or the other way round.
    """
    if encoder.reads_tokens and tok2vec is None:
        raise EmbreError("the token encoder needs a `tok2vec` in the relation model, beside the encoder")
    if tok2vec is not None and not encoder.reads_tokens:
        raise EmbreError("`tok2vec` is for the token encoder: the other encoders have a transformer of their own")

    from .serialize import deserialize, serialize
    from .shim import NetworkShim

    placeholder = _placeholder()
    model: Model[List[Instance], RelationScores] = PyTorchWrapper_v3(
        placeholder, convert_inputs=_convert_inputs, convert_outputs=_convert_outputs
    )
    shim = NetworkShim(placeholder, serialize_model=serialize, deserialize_model=partial(deserialize, wanted=encoder))
    shim.encoder = encoder
    shim.head_learn_rate = head_learn_rate
    model.shims[0] = shim
    model.name = "embre_relation"
    model.init = _init
    model.attrs["encoder"] = encoder
    model.attrs["hidden_width"] = hidden_width
    model.attrs["dropout"] = dropout
    model.attrs["novelty_dropout"] = novelty_dropout
    model.attrs["labels"] = None
    if tok2vec is not None:
        model.layers.append(tok2vec)
        model.set_ref("tok2vec", tok2vec)
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
    return hasattr(get_network(model), "classifier")


def get_network(model: Model[List[Instance], RelationScores]) -> Any:
    """The PyTorch module that a model computes with.

    model (Model): The model.
    RETURNS (nn.Module): A `RelationNetwork`, or the placeholder for one.
    """
    return model.shims[0]._model


def set_network(model: Model[List[Instance], RelationScores], network: Any) -> None:
    """Give a model the PyTorch module that it computes with.

    model (Model): The model.
    network (nn.Module): A `RelationNetwork`.
    """
    model.shims[0]._model = network


def weights_in(model: Model[List[Instance], RelationScores], file: Path) -> ContextManager[None]:
    """Save or load a model for a while with the weights in a file of their own.

    model (Model): The model.
    file (Path): The file.
    RETURNS (ContextManager[None]): Says how long.
    """
    return model.shims[0].weights_in(file)


def learn_nothing(model: Model[List[Instance], RelationScores], docs: Sequence[Doc]) -> None:
    """Let documents without candidates pass by in training.

    model (Model): The model.
    docs (Sequence[Doc]): All documents of a batch.
    """
    tok2vec = model.maybe_get_ref("tok2vec")
    if tok2vec is not None:
        return_nothing(tok2vec, docs)


def _placeholder():
    from .modules.network import Placeholder

    return Placeholder()


def _init(model: Model[List[Instance], RelationScores], X: Optional[List[Instance]] = None, Y: Any = None) -> None:
    from .modules.network import RelationNetwork

    if is_built(model):
        return
    if model.attrs["labels"] is None:
        raise ValueError("the relation model cannot be initialized before its labels are set")
    encoder: EncoderSettings = model.attrs["encoder"]
    network = RelationNetwork(
        _find_base(model, encoder, X),
        encoder,
        hidden_width=model.attrs["hidden_width"],
        dropout=model.attrs["dropout"],
        novelty_dropout=model.attrs["novelty_dropout"],
        **model.attrs["labels"],
    )
    set_network(model, network.to(get_torch_default_device()))


def _find_base(model: Model, encoder: EncoderSettings, X: Optional[List[Instance]]) -> Base:
    tok2vec = model.maybe_get_ref("tok2vec")
    if tok2vec is None:
        return encoder.load_transformer(model.attrs["labels"]["entity_types"])
    # A layer that listens to a transformer makes vectors of no width of empty documents.
    docs = [instance.doc for instance in X or () if len(instance.doc)]
    if not docs:
        raise EmbreError("the token encoder cannot be initialized without a document that has tokens")
    tok2vec.initialize(X=docs)
    return TokenVectors(find_width(tok2vec, docs))


def _convert_inputs(model: Model, instances: List[Instance], is_train: bool) -> Tuple[ArgsKwargs, Callable]:
    if not is_built(model):
        raise ValueError("the relation model has no weights yet: initialize it or load them")
    batch = get_network(model).make_batch(instances, is_train=is_train)
    tok2vec = model.maybe_get_ref("tok2vec")
    if tok2vec is None:
        # Documents are constants: there is nothing to pass a gradient on to.
        return ArgsKwargs((batch,), {}), lambda d_inputs: []
    vectors, backprop = read_tokens(tok2vec, instances, is_train)
    inputs = ArgsKwargs((batch, xp2torch(vectors, requires_grad=is_train, device=model.shims[0].device)), {})
    return inputs, lambda d_inputs: backprop(torch2xp(d_inputs.args[1]))


def _convert_outputs(model: Model, inputs_and_outputs, is_train: bool) -> Tuple[RelationScores, Callable]:
    _, outputs = inputs_and_outputs

    def backprop(d_scores: RelationScores) -> ArgsKwargs:
        gradients = tuple(xp2torch(d_score, device=output.device) for d_score, output in zip(d_scores, outputs))
        return ArgsKwargs(args=(tuple(outputs),), kwargs={"grad_tensors": gradients})

    return tuple(torch2xp(output) for output in outputs), backprop
