"""The parts of a pipeline that are timed by themselves."""

from copy import copy
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

import torch
from spacy.language import Language
from spacy.tokens import Doc

from embre_spacy.errors import EmbreError
from embre_spacy.relation import EmbreRelation, find_component
from embre_spacy.relation.document_encoder import DocumentArrays, DocumentEncoder
from embre_spacy.relation.features import DocCandidates
from embre_spacy.relation.model import get_network
from embre_spacy.relation.network import RelationNetwork
from embre_spacy.tokens import get_mentions
from embre_spacy.transformer.checkpoint import autocast

# The arguments of one call of the transformer.
Inputs = Dict[str, torch.Tensor]


@dataclass
class BenchmarkedPipeline:
    """A pipeline with a document encoder.

    nlp (Language): The pipeline.
    component (EmbreRelation): Its relation component.
    network (RelationNetwork): The network of that.
    """

    nlp: Language
    component: EmbreRelation
    network: RelationNetwork

    @property
    def encoder(self) -> DocumentEncoder:
        return self.network.encoder

    @property
    def transformer(self) -> torch.nn.Module:
        return self.encoder.transformer

    @property
    def device(self) -> torch.device:
        return self.encoder.device

    @classmethod
    def find(cls, nlp: Language) -> "BenchmarkedPipeline":
        """Find the parts of a pipeline, which must have a trained document encoder."""
        component = find_component(nlp)
        network = get_network(component.model)
        if not (network.is_built and isinstance(network.encoder, DocumentEncoder)):
            raise EmbreError("the benchmark needs a pipeline with a trained document encoder")
        return cls(nlp, component, network)

    def make_inputs(self, docs: Sequence[Doc], *, with_tags: bool = True, is_train: bool = False) -> List[Inputs]:
        """What the transformer gets when the model reads documents at once; tensors where it runs.

        docs (Sequence[Doc]): The documents.
        with_tags (bool): Whether there are the tags and markers that it gets; only the text if not.
        is_train (bool): Whether it is to learn: windows are put together otherwise than in prediction.
        RETURNS (List[Inputs]): The arguments of its calls.
        """
        self.network.train(is_train)
        if not any(map(self.component.candidates, docs)):
            return []
        if with_tags:
            arrays = self.component.prepare(docs, is_train=is_train).arrays
            return [
                self.encoder.make_inputs(arrays, group)
                for group in self.encoder.group(arrays, range(len(arrays.windows)))
            ]
        windows = self._prepare_text(docs).windows
        return [{"input_ids": torch.from_numpy(ids).unsqueeze(0).to(self.encoder.device)} for ids in windows]

    def count_wordpieces(self, docs: Sequence[Doc]) -> int:
        """How many wordpieces the text of documents has: without tags, markers and special tokens, and without those
        that several windows share.

        docs (Sequence[Doc]): The documents. Those without candidates are not read, so they count nothing.
        RETURNS (int): The number.
        """
        return self._prepare_text(docs).features.n_units

    def _prepare_text(self, docs: Sequence[Doc]) -> DocumentArrays:
        """Documents as arrays, without tags and markers."""
        encoder = copy(self.encoder)
        encoder.settings = {**self.encoder.settings, "tags": False, "markers": False}
        documents = [DocCandidates(doc, get_mentions(doc), self.component.candidates(doc)) for doc in docs]
        return encoder.prepare([document for document in documents if document.candidates])

    def call(self, inputs: Sequence[Inputs], *, is_train: bool = False) -> List[torch.Tensor]:
        """Call the transformer and nothing else, in the precision of the model.

        inputs (Sequence[Inputs]): The arguments of the calls.
        is_train (bool): Whether it is to learn: with dropout, and keeping what the backward pass needs.
        RETURNS (List[Tensor]): The vectors.
        """
        self.network.train(is_train)
        # Not in inference mode, in which the weights would be cast to bfloat16 again for every call.
        with torch.set_grad_enabled(is_train), autocast(self.encoder.settings["precision"], self.encoder.device):
            return [self.encoder.transformer(**arguments).last_hidden_state for arguments in inputs]

    def make_pairs_component(self) -> EmbreRelation:
        """A component with the pairs encoder on the same transformer. Its heads are random: it is as fast as a trained
        one, and nothing else.

        RETURNS (EmbreRelation): The component.
        """
        settings = {name: self.encoder.settings[name] for name in ("name", "precision")}
        config = {"model": {"encoder": {"@architectures": "embre_spacy.PairsEncoder.v1", **settings}}}
        component: Any = self.nlp.create_pipe("embre_relation", config=config)
        # Without what the config of the other says, of which this one has its own.
        component.cfg.update({key: value for key, value in self.component.cfg.items() if key != "config"})
        component.candidates = self.component.candidates
        network = get_network(component.model)
        shape = self.network.shape
        network.encoder.build_on(self.encoder.transformer, self.encoder.tokenizer, shape["entity_types"])
        network.build_heads(shape["entity_types"], shape["n_relation_types"], shape["n_novelty_labels"])
        network.to(self.encoder.device)
        return component
