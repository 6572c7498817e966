"""Pretraining as a whole: from documents to a Hugging Face folder and a report. Importing it imports PyTorch."""

import platform
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy
from rich.console import Console
from spacy.tokens import Doc
from transformers import AutoConfig, EvalPrediction, set_seed
from transformers.trainer import PrinterCallback

from ..errors import EmbreError
from ..tokens import get_mentions
from ..transformer import add_tags, load_checkpoint, longest_window, resolve_checkpoint, split_windows
from .batch import Collator
from .config import PretrainingConfig
from .examples import (
    Classes,
    ConceptTarget,
    MaskableDocument,
    find_entity_types,
    find_targets,
    make_documents,
)
from .masking import SPLIT_STREAM, Masker, make_rng
from .metrics import count_mean, describe_held_out, summarize_counts
from .model import EntityMaskingModel
from .output import OutputFolder, fingerprint
from .progress import EpochTable, epoch_rows, say
from .sampler import EpochSampler, HeldOutDocuments, TrainingDocuments
from .trainer import EntityMaskingTrainer, make_arguments, own_precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerState

_VERSIONED = ("embre_spacy", "spacy", "torch", "transformers", "accelerate")
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")


@dataclass
class _Corpus:
    """The documents of one side, with what can be masked in them."""

    docs: List[Doc]
    targets: List[List[ConceptTarget]]

    @classmethod
    def read(cls, docs: Sequence[Doc], config: PretrainingConfig) -> "_Corpus":
        return cls(list(docs), [find_targets(doc, unidentified=config.masking.unidentified) for doc in docs])

    def describe(self) -> Dict[str, Any]:
        mentions = [len(get_mentions(doc)) for doc in self.docs]
        concepts = [len(found) for found in self.targets]
        return {
            "documents": len(self.docs),
            "mentions": sum(mentions),
            "concepts": sum(concepts),
            "concepts_per_document": count_mean(concepts),
            "documents_with_fewer_than_two_concepts": sum(count < 2 for count in concepts),
        }


def pretrain(
    docs: Sequence[Doc],
    output: Union[str, Path],
    config: Optional[PretrainingConfig] = None,
    *,
    dev_docs: Optional[Sequence[Doc]] = None,
    resume: bool = True,
    overwrite: bool = False,
    gpu_id: int = -1,
    console: Optional[Console] = None,
) -> Dict[str, Any]:
    """Train a transformer on documents with masked concepts, and write it as a Hugging Face folder with a report.

    docs (Sequence[Doc]): The training documents, with their mentions.
    output (Union[str, Path]): The folder to write.
    config (Optional[PretrainingConfig]): The settings; their defaults if None.
    dev_docs (Optional[Sequence[Doc]]): The held-out documents; a share of the training documents if None.
    resume (bool): Whether to go on with a run of the same settings and documents that was interrupted.
    overwrite (bool): Whether to replace a finished run.
    gpu_id (int): The GPU, or -1 for the CPU.
    console (Optional[Console]): Where to print the progress; nowhere if None.
    RETURNS (Dict[str, Any]): The report.
    RAISES (EmbreError): If the documents, the settings or the folder cannot be used.
    """
    config = config or PretrainingConfig()
    console = console or Console(quiet=True)
    run = {
        "config": config.to_dict(),
        "corpus": fingerprint(docs),
        "dev": None if dev_docs is None else fingerprint(dev_docs),
    }
    train, dev = _split(docs, dev_docs, config)
    folder = OutputFolder(Path(output))
    if folder.path.resolve() == Path(resolve_checkpoint(config.encoder.name)).resolve():
        raise EmbreError(f"{folder.path}: this is the encoder itself; write to another folder")
    with own_precision():
        arguments = make_arguments(config.training, folder.checkpoints, gpu_id=gpu_id, evaluates=dev is not None)
        with arguments.main_process_first(desc="checking the output folder"):
            if arguments.process_index == 0:
                folder.check(run, resume=resume, overwrite=overwrite)
        set_seed(config.training.seed)
        trainer, table, report, tokenizer = _set_up(train, dev, config, arguments, console)
        with arguments.main_process_first(desc="preparing the output folder"):
            if arguments.process_index == 0:
                folder.prepare(run, resume=resume)


def _run(
    train: _Corpus,
    dev: Optional[_Corpus],
    folder: OutputFolder,
    config: PretrainingConfig,
    arguments: Any,
    console: Console,
) -> Dict[str, Any]:
    transformer, tokenizer = load_checkpoint(
        config.encoder.name,
        hidden_dropout=config.encoder.hidden_dropout,
        attention_dropout=config.encoder.attention_dropout,
    )
    if tokenizer.mask_token_id is None:
        raise EmbreError(f"encoder {config.encoder.name!r}: its tokenizer has no mask token")
    window, overlap = _choose_windows(transformer, tokenizer, config)
    entity_types = find_entity_types([*train.docs, *(dev.docs if dev else ())])
    tag_ids = add_tags(transformer, tokenizer, entity_types) if config.encoder.tags else None
    classes = Classes.count(train.targets)
    objectives = _choose_objectives(classes, config)
    train_documents = make_documents(train.docs, train.targets, classes, tokenizer, tag_ids)
    dev_documents = make_documents(dev.docs, dev.targets, classes, tokenizer, tag_ids) if dev else []
    masker = Masker(tokenizer, concept_rate=config.masking.concept_rate, word_rate=config.masking.word_rate)
    seed = config.training.seed
    held_out = HeldOutDocuments(dev_documents, masker, seed, config.training.dev_draws) if dev else None
    if held_out is not None and not len(held_out):
        raise EmbreError("the held-out documents have nothing to mask: none names two concepts")
    asked = describe_held_out(held_out.documents, train_documents, classes, objectives) if held_out else {}
    if held_out is not None and not any(found["items"] for found in asked.values()):
        raise EmbreError("the held-out documents have nothing to predict: training shows none of their identifiers")
    sampler = EpochSampler(
        [_longest_window_of(document, window, overlap) for document in train_documents],
        config.training.batch_size * arguments.world_size,
        seed,
    )
    model = EntityMaskingModel(
        transformer,
        config.objective,
        n_identifiers=len(classes.identifiers) if "identifier" in objectives else 0,
        n_types=len(classes.types) if "type" in objectives else 0,
        words="word" in objectives,
    )
    table = EpochTable(
        console,
        objectives,
        {name: found["majority_accuracy"] for name, found in asked.items()},
        evaluates=held_out is not None,
    )
    trainer = EntityMaskingTrainer(
        sampler=sampler,
        head_learning_rate=config.training.head_learning_rate,
        model=model,
        args=arguments,
        data_collator=Collator(tokenizer, window=window, overlap=overlap),
        train_dataset=TrainingDocuments(train_documents, masker, seed),
        eval_dataset=held_out,
        compute_metrics=lambda prediction: _compute_metrics(prediction, config),
        callbacks=[table],
    )
    trainer.remove_callback(PrinterCallback)
    if arguments.process_index == 0:
        _print_start(console, train, dev, classes, asked, folder)
    checkpoint = folder.last_checkpoint()
    try:
        with warnings.catch_warnings():
            # Data loaders want memory for transfers to a GPU even where there is none.
            warnings.filterwarnings("ignore", message=".*pin_memory.*")
            warnings.filterwarnings("ignore", message="mtime may not be reliable.*")
            # How some versions of transformers ask for bfloat16 on CPUs.
            warnings.filterwarnings("ignore", message=".*cpu.amp.autocast.*", category=FutureWarning)
            trainer.train(resume_from_checkpoint=checkpoint)
    finally:
        table.close()
    report = {
        "config": config.to_dict(),
        "corpus": {"train": train.describe(), "dev": dev.describe() if dev else None},
        "classes": {"identifiers": len(classes.identifiers), "types": dict(classes.types)},
        "held_out": asked,
        "epochs": epoch_rows(trainer.state),
        "written": _written_epoch(trainer.state, config, evaluates=dev is not None),
        "seconds": max(entry.get("seconds", 0.0) for entry in trainer.state.log_history),
        "seed": seed,
        "device": arguments.device.type,
        "processes": arguments.world_size,
        "precision": "bfloat16" if arguments.bf16 else "float32",
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _VERSIONED}},
    }
    if arguments.process_index == 0:
        _restore_dropouts(transformer, config)
        folder.write(transformer, tokenizer, report)
        _print_end(console, report, folder)
    return report


def _split(
    docs: Sequence[Doc], dev_docs: Optional[Sequence[Doc]], config: PretrainingConfig
) -> Tuple[_Corpus, Optional[_Corpus]]:
    """Training and held-out documents, refused if nothing can be learned from them."""
    train = _Corpus.read(docs, config)
    _refuse_unusable(train, config)
    if dev_docs is not None:
        if not len(dev_docs):
            raise EmbreError("there are no held-out documents")
        return train, _Corpus.read(dev_docs, config)
    share = config.training.dev_share
    if not share:
        return train, None
    if len(docs) < 2:
        raise EmbreError("one document cannot be split: give held-out documents, or set [training] dev_share to 0")
    count = min(max(1, round(share * len(docs))), len(docs) - 1)
    held_out = set(make_rng(config.training.seed, SPLIT_STREAM).permutation(len(docs))[:count].tolist())
    parts = [_Corpus([], []), _Corpus([], [])]
    for number, (doc, targets) in enumerate(zip(train.docs, train.targets)):
        part = parts[number in held_out]
        part.docs.append(doc)
        part.targets.append(targets)
    _refuse_unusable(parts[0], config)
    return parts[0], parts[1]


def _refuse_unusable(train: _Corpus, config: PretrainingConfig) -> None:
    if not train.docs:
        raise EmbreError("there are no documents")
    if not config.masking.concept_rate:
        return
    if not any(get_mentions(doc) for doc in train.docs):
        raise EmbreError("the documents have no mentions, so there are no concepts to mask")
    if not any(train.targets):
        raise EmbreError(
            "the mentions have no identifiers, so there are no concepts to mask; "
            'set [masking] unidentified to true and [objective] objectives to ["type"] to mask mentions by their text'
        )
    if all(len(found) < 2 for found in train.targets):
        raise EmbreError("no document names two concepts, and never all of a document may be masked")


def _choose_objectives(classes: Classes, config: PretrainingConfig) -> List[str]:
    """What is predicted, in this corpus."""
    objectives = list(config.objective.objectives) if config.masking.concept_rate else []
    if "identifier" in objectives and not classes.identifiers:
        raise EmbreError('the mentions have no identifiers: set [objective] objectives to ["type"]')
    if "type" in objectives and not classes.types:
        raise EmbreError('the mentions have no types: set [objective] objectives to ["identifier"]')
    return [*objectives, *(["word"] if config.masking.word_rate else [])]


def _choose_windows(
    transformer: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", config: PretrainingConfig
) -> Tuple[int, int]:
    longest = longest_window(transformer, tokenizer)
    window = longest if config.encoder.window is None else config.encoder.window
    if not config.encoder.overlap < window <= longest:
        raise EmbreError(
            f"encoder {config.encoder.name!r}: `window` must be larger than `overlap` ({config.encoder.overlap}) "
            f"and at most {longest}, not {window}"
        )
    return window, config.encoder.overlap


def _longest_window_of(document: MaskableDocument, window: int, overlap: int) -> int:
    return max(end - start for start, end in split_windows(len(document.wordpieces), window, overlap))


def _compute_metrics(prediction: EvalPrediction, config: PretrainingConfig) -> Dict[str, float]:
    return summarize_counts(numpy.asarray(prediction.predictions), config.objective)


def _written_epoch(state: "TrainerState", config: PretrainingConfig, *, evaluates: bool) -> Dict[str, Any]:
    rows = epoch_rows(state)
    if evaluates and config.training.keep == "best":
        return {
            "epoch": min(rows, key=lambda row: row["dev_loss"])["epoch"],
            "why": "lowest loss on held-out documents",
        }
    return {"epoch": rows[-1]["epoch"], "why": "last epoch"}


def _restore_dropouts(transformer: "PreTrainedModel", config: PretrainingConfig) -> None:
    """Give the transformer the dropouts of its checkpoint back: ours were for this run, not for its readers."""
    original = AutoConfig.from_pretrained(resolve_checkpoint(config.encoder.name))
    for name in _DROPOUTS:
        if hasattr(original, name):
            setattr(transformer.config, name, getattr(original, name))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _print_start(
    console: Console,
    train: _Corpus,
    dev: Optional[_Corpus],
    classes: Classes,
    asked: Dict[str, Any],
    folder: OutputFolder,
) -> None:
    say(console, f"Training: {len(train.docs)} documents, {sum(map(len, train.targets))} concepts in them")
    say(console, f"Classes: {len(classes.identifiers)} identifiers, {len(classes.types)} types")
    if dev is not None:
        say(console, f"Held out: {len(dev.docs)} documents, {sum(map(len, dev.targets))} concepts in them")
    unseen = asked.get("identifier", {})
    if unseen.get("unseen"):
        say(
            console,
            f"Of {unseen['items'] + unseen['unseen']} masked held-out concepts with identifiers, {unseen['unseen']} "
            f"({unseen['unseen_share']:.0%}) have one that training never shows; they are left out of its loss",
        )
    checkpoint = folder.last_checkpoint()
    if checkpoint:
        say(console, f"Going on from {checkpoint}")


def _print_end(console: Console, report: Dict[str, Any], folder: OutputFolder) -> None:
    written = report["written"]
    say(console, f"Wrote the weights of epoch {written['epoch']} ({written['why']}) to {folder.path}")
