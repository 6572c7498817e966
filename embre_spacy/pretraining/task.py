"""Everything that is trained on and with: transformer, tokenizer with tags, classes, masked documents."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ..errors import EmbreError
from ..transformer import add_tags, choose_window, load_checkpoint, split_windows
from .batch import Collator
from .config import PretrainingConfig
from .corpora import Corpus
from .examples import Classes, find_entity_types, make_documents
from .masking import Masker
from .metrics import describe_held_out
from .model import EntityMaskingModel
from .sampler import EpochSampler, HeldOutDocuments, TrainingDocuments

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class Task:
    """What the trainer needs, and what the report says of it.

    transformer (PreTrainedModel): The transformer, which is part of the model.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer, with tags if there are tags.
    model (EntityMaskingModel): The model.
    classes (Classes): The classes of the training documents.
    objectives (List[str]): Which of "identifier", "type" and "word" are predicted.
    train (TrainingDocuments): The training documents.
    held_out (Optional[HeldOutDocuments]): The masked held-out documents.
    asked (Dict[str, Any]): What is asked of them, with the accuracy of the majority class; see `describe_held_out`.
    sampler (EpochSampler): The order of the training documents.
    collator (Collator): Makes batches.
    """

    transformer: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    model: EntityMaskingModel
    classes: Classes
    objectives: List[str]
    train: TrainingDocuments
    held_out: Optional[HeldOutDocuments]
    asked: Dict[str, Any]
    sampler: EpochSampler
    collator: Collator


def make_task(train: Corpus, dev: Optional[Corpus], config: PretrainingConfig, *, n_devices: int) -> Task:
    """Load the transformer and prepare the documents for it. The heads are drawn from PyTorch's random numbers.

    train (Corpus): The training documents.
    dev (Optional[Corpus]): The held-out documents, if there are any.
    config (PretrainingConfig): The settings.
    n_devices (int): The number of devices that train together.
    RETURNS (Task): The task.
    RAISES (EmbreError): If the transformer cannot be used, or there is nothing to predict.
    """
    transformer, tokenizer = load_checkpoint(
        config.encoder.name,
        hidden_dropout=config.encoder.hidden_dropout,
        attention_dropout=config.encoder.attention_dropout,
    )
    if tokenizer.mask_token_id is None:
        raise EmbreError(f"encoder {config.encoder.name!r}: its tokenizer has no mask token")
    overlap = config.encoder.overlap
    window = choose_window(transformer, tokenizer, config.encoder.window, overlap, config.encoder.name)
    entity_types = find_entity_types([*train.docs, *(dev.docs if dev else ())])
    tag_ids = add_tags(transformer, tokenizer, entity_types) if config.encoder.tags else None
    classes = Classes.count(train.targets)
    objectives = _choose_objectives(classes, config)
    masker = Masker(tokenizer, concept_rate=config.masking.concept_rate, word_rate=config.masking.word_rate)
    documents = make_documents(train.docs, train.targets, classes, tokenizer, tag_ids)
    seed = config.training.seed
    held_out, asked = None, {}
    if dev is not None:
        dev_documents = make_documents(dev.docs, dev.targets, classes, tokenizer, tag_ids)
        held_out = HeldOutDocuments(dev_documents, masker, seed, config.training.dev_draws)
        if not len(held_out):
            raise EmbreError("the held-out documents have nothing to mask: none names two concepts")
        asked = describe_held_out(held_out.documents, documents, classes, objectives)
        if not any(found["items"] for found in asked.values()):
            raise EmbreError("the held-out documents have nothing to predict: training shows none of their identifiers")
    widths = [
        max(end - start for start, end in split_windows(len(document.wordpieces), window, overlap))
        for document in documents
    ]
    return Task(
        transformer=transformer,
        tokenizer=tokenizer,
        model=EntityMaskingModel(
            transformer,
            config.objective,
            n_identifiers=len(classes.identifiers) if "identifier" in objectives else 0,
            n_types=len(classes.types) if "type" in objectives else 0,
            words="word" in objectives,
        ),
        classes=classes,
        objectives=objectives,
        train=TrainingDocuments(documents, masker, seed),
        held_out=held_out,
        asked=asked,
        sampler=EpochSampler(widths, config.training.batch_size * n_devices, seed),
        collator=Collator(tokenizer, window=window, overlap=overlap),
    )


def _choose_objectives(classes: Classes, config: PretrainingConfig) -> List[str]:
    objectives = list(config.objective.objectives) if config.masking.concept_rate else []
    if "identifier" in objectives and not classes.identifiers:
        raise EmbreError('the mentions have no identifiers: set [objective] objectives to ["type"]')
    if "type" in objectives and not classes.types:
        raise EmbreError('the mentions have no types: set [objective] objectives to ["identifier"]')
    return [*objectives, *(["word"] if config.masking.word_rate else [])]
