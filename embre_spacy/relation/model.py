"""The thinc model around the network: batches of arrays in, scores out; and what joins it to a `tok2vec` layer."""

import os
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import torch
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, Optimizer, PyTorchShim, get_torch_default_device, to_numpy, torch2xp, xp2torch
from thinc.types import Floats2d

from ..errors import EmbreError
from ..labels import entity_type
from ..tokens import Candidate, get_document_id, get_mentions
from ..util import trim_heap
from .encoder import CandidateEncoder
from .features import DocCandidates
from .network import RelationBatch, RelationNetwork, network_from_bytes, network_to_bytes

RelationScores = Tuple[Floats2d, Floats2d]
RelationModel = Model[RelationBatch, RelationScores]

# The most candidates of one document: those of some 2,000 concepts. They take about a kilobyte each.
MAX_DOCUMENT_CANDIDATES = 2**21


def build_relation_model(
    encoder: CandidateEncoder,
    hidden_width: int = 256,
    dropout: float = 0.1,
    head_learn_rate: float = 10.0,
    tok2vec: Optional[Model[List[Doc], List[Floats2d]]] = None,
) -> RelationModel:
    """The relation model (`embre_spacy.RelationModel.v1`): an encoder of candidates and two heads, relation type and
    novelty (sections 3.3 and 3.4 of the paper).

    encoder (CandidateEncoder): The encoder of candidates, a registered architecture.
    hidden_width (int), dropout (float): The width of the hidden layer of each head, and the dropout in the heads.
    head_learn_rate (float): By what the learning rate is multiplied for layers neither pretrained nor in `tok2vec`.
    tok2vec (Optional[Model[List[Doc], List[Floats2d]]]): What gives the token encoder the vectors of tokens; None for
        encoders with a transformer of their own. It stands here since `nlp.replace_listeners` looks for a listener to a
        transformer in `model.tok2vec` only.
    RETURNS (Model[RelationBatch, Tuple[Floats2d, Floats2d]]): The model. For p candidates in all, the scores before
        softmax have the shapes (p, relation types + 1), "not related" first, and (p, novelty labels).
    RAISES (EmbreError): If the encoder needs a `tok2vec` and there is none, or the other way round.
    """
    if encoder.reads_tokens != (tok2vec is not None):
        raise EmbreError("the token encoder needs a `tok2vec` in the relation model, and no other encoder can have one")
    shim = NetworkShim(RelationNetwork(encoder, hidden_width=hidden_width, dropout=dropout), head_learn_rate)
    layers = {} if tok2vec is None else {"tok2vec": tok2vec}
    return Model("embre_relation", _forward, layers=list(layers.values()), refs=layers, shims=[shim])


class NetworkShim(PyTorchShim):
    """New layers learn `head_learn_rate` times faster than the transformer, and many threads may predict."""

    def __init__(self, network: RelationNetwork, head_learn_rate: float) -> None:
        super().__init__(network, serialize_model=network_to_bytes, deserialize_model=network_from_bytes)
        self.network = network
        self.head_learn_rate = head_learn_rate
        self._process = os.getpid()
        self._steps = 0

    def use_one_thread_in_workers(self) -> None:
        """Let a worker of `multiprocessing` that got this component from another process (`nlp.pipe(n_process=2)`) work
        with one thread: workers share the processors, and a fork would wait for ever for the threads of its parent."""
        if os.getpid() != self._process and parent_process() is not None:
            torch.set_num_threads(1)
            self._process = os.getpid()

    def predict(self, inputs: ArgsKwargs) -> Tuple[torch.Tensor, torch.Tensor]:
        """The scores of candidates. PyTorchShim changes the mode of the network to and fro, which other threads see."""
        if self.network.training:
            # An update was broken off.
            self.network.eval()
        with torch.no_grad():
            return self.network(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> Tuple[Any, Callable[[ArgsKwargs], ArgsKwargs]]:
        """The scores of candidates, and what takes their gradients back."""
        outputs, backprop = super().begin_update(inputs)

        def backprop_and_leave(gradients: ArgsKwargs) -> ArgsKwargs:
            # Not before: a pass that is computed again needs the dropout of training.
            try:
                return backprop(gradients)
            finally:
                self.network.eval()

        return outputs, backprop_and_leave

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights with the gradients that have been gathered, and clear these."""
        for name, parameter in self.network.named_parameters():
            if parameter.grad is None:
                continue
            lr_scale = 1.0 if name.startswith("encoder.transformer.") else self.head_learn_rate
            arrays = torch2xp(parameter.data), torch2xp(parameter.grad)
            weights, _ = optimizer((self.id, name), *arrays, lr_scale=lr_scale)
            parameter.data = xp2torch(weights, requires_grad=True, device=parameter.device)
            parameter.grad = None
        self._steps += 1
        trim_heap(self._steps)

    @contextmanager
    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Work with other weights for a while: with the averages that the optimizer keeps by shim and name. PyTorchShim
        looks for them under other keys than those that its own updates use, and so finds none."""
        parameters = [item for item in self.network.named_parameters() if (self.id, item[0]) in params]
        own = [parameter.data for _, parameter in parameters]
        for name, parameter in parameters:
            parameter.data = xp2torch(params[self.id, name], device=parameter.device)
        try:
            yield
        finally:
            for (_, parameter), weights in zip(parameters, own):
                parameter.data = weights


def get_network(model: RelationModel) -> RelationNetwork:
    """The PyTorch module that a model computes with."""
    return model.shims[0].network


def initialize_network(model: RelationModel, docs: Sequence[Doc], entity_types: Sequence[str], *n_classes: int) -> None:
    """Give a model its layers, unless it has them; a `tok2vec` is initialized with documents that are not empty.
    `n_classes` are the numbers of relation types and of novelty labels."""
    network = get_network(model)
    if network.is_built:
        return
    token_width = None
    if model.has_ref("tok2vec"):
        tok2vec = model.get_ref("tok2vec")
        tok2vec.initialize(X=list(docs))
        # Not all layers can tell their width.
        token_width = tok2vec.predict(list(docs[:1]))[0].shape[1]
    network.encoder.build(entity_types, token_width)
    network.build_heads(entity_types, *n_classes)
    network.to(get_torch_default_device())


def prepare_batch(
    model: RelationModel, docs: Sequence[Doc], candidates: Sequence[List[Candidate]], *, is_train: bool = False
) -> RelationBatch:
    """Documents as arrays for a model, with the vectors of their tokens where it has a `tok2vec`; in training with the
    documents themselves. Those without candidates cost nothing."""
    documents = [DocCandidates(doc, get_mentions(doc), of_doc) for doc, of_doc in zip(docs, candidates) if of_doc]
    for document in documents:
        _check_candidates(document)
    batch = RelationBatch(list(candidates))
    if documents:
        batch.arrays = get_network(model).encoder.prepare(documents, is_train=is_train)
    if model.has_ref("tok2vec"):
        if is_train:
            batch.tokens = list(docs)
        elif documents:
            vectors = model.get_ref("tok2vec").predict([document.doc for document in documents])
            batch.tokens = to_numpy(model.ops.flatten(vectors))
    return batch


def _check_candidates(document: DocCandidates) -> None:
    """Raise EmbreError for more candidates than there is memory for, or with mentions that the document does not have:
    users can give the function."""
    name = f"document {get_document_id(document.doc) or 'without id'}"
    if len(document.candidates) > MAX_DOCUMENT_CANDIDATES:
        raise EmbreError(
            f"{name}: it has {len(document.candidates):,} candidates, and at most {MAX_DOCUMENT_CANDIDATES:,} can be "
            f"predicted: `embre_spacy.NearbyCandidates.v1` takes those with mentions near each other"
        )
    known = {(mention.start, mention.end, entity_type(mention.label)) for mention in document.mentions}
    for concept in {id(concept): concept for pair in document.candidates for concept in pair}.values():
        places = {(start, end, concept.type) for start, end in concept.mentions}
        if not places or not places <= known:
            found = f"a concept {concept.id!r} of type {concept.type!r} with mentions at {concept.mentions}"
            raise EmbreError(f"{name}: the candidates have {found}, which are none of the document")


def begin_tokens(
    model: RelationModel, docs: Sequence[Doc], candidates: Sequence[List[Candidate]]
) -> Tuple[Floats2d, Callable[[Floats2d], List[Doc]]]:
    """The vectors that the `tok2vec` of a model gives the tokens of documents with candidates, and what takes their
    gradient back."""
    tok2vec = model.get_ref("tok2vec")
    ops = tok2vec.ops
    # Of all documents: a listener has been sent the vectors of a whole batch to learn from.
    vectors, backprop = tok2vec.begin_update(list(docs))
    lengths = [len(of_doc) for of_doc in vectors]
    is_used = ops.xp.asarray(numpy.repeat([bool(of_doc) for of_doc in candidates], lengths))
    joined = ops.flatten(vectors)
    shape = joined.shape

    def backprop_tokens(d_used: Floats2d) -> List[Doc]:
        d_joined = ops.alloc2f(*shape)
        d_joined[is_used] = d_used
        return backprop(ops.unflatten(d_joined, lengths))

    return joined[is_used], backprop_tokens


def backprop_zeros(model: RelationModel, docs: Sequence[Doc]) -> None:
    """Give the `tok2vec` of a model a gradient of zero for documents without candidates: what listeners listen to goes
    backward when the last of them has returned its gradient, with what the others have learned."""
    # If all documents are empty, none of their vectors were sent.
    if model.has_ref("tok2vec") and any(len(doc) for doc in docs):
        vectors, backprop = begin_tokens(model, docs, [[] for _ in docs])
        backprop(vectors)


def _forward(model: RelationModel, batch: RelationBatch, is_train: bool) -> Tuple[RelationScores, Callable]:
    shim = model.shims[0]
    inputs, backprop_vectors = [batch.arrays], None
    if batch.tokens is not None and is_train:
        vectors, backprop_vectors = begin_tokens(model, batch.tokens, batch.candidates)
        inputs.append(xp2torch(vectors, requires_grad=True, device=shim.device))
    elif batch.tokens is not None:
        inputs.append(torch.from_numpy(batch.tokens).to(shim.device))
    outputs, backprop_network = shim(ArgsKwargs(tuple(inputs), {}), is_train)

    def backprop(d_scores: RelationScores) -> List[Doc]:
        gradients = tuple(xp2torch(d_score, device=shim.device) for d_score in d_scores)
        d_inputs = backprop_network(ArgsKwargs((outputs,), {"grad_tensors": gradients}))
        # Documents are constants: without vectors there is nothing to pass a gradient on to.
        return backprop_vectors(torch2xp(d_inputs.args[1])) if backprop_vectors else []

    return tuple(map(torch2xp, outputs)), backprop
