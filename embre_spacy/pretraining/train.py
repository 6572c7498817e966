"""A run, from documents to a Hugging Face folder with a report, on transformers' Trainer.

The Trainer brings many devices, gradient accumulation, schedules, checkpoints and resuming.
"""

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy
import torch
from rich.console import Console
from spacy.tokens import Doc
from transformers import (
    AutoConfig,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from ..errors import EmbreError
from ..tokens import get_mentions
from ..transformer import (
    add_tags,
    choose_window,
    get_dropouts,
    has_fast_bfloat16,
    load_checkpoint,
    resolve_checkpoint,
    set_dropouts,
)
from ..util import checksum, describe_run
from .config import PretrainingConfig, TrainingConfig
from .data import LabelCounts, PretrainingDocs, encode_docs, find_entity_types, split_docs
from .dataset import Collator, MaskedDataset, mask_held_out
from .masking import MaskedDocument, Masker
from .model import EntityMaskingModel
from .output import OutputFolder
from .report import EpochTable, describe_dev_targets, make_report, print_start, say, summarize_counts


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
    """Train a transformer by entity masking (paper, section 3.2); write it as a Hugging Face folder with a report.

    docs (Sequence[Doc]): The training documents, with their mentions.
    output (Union[str, Path]): The folder to write.
    config (Optional[PretrainingConfig]): The settings; the default settings if None.
    dev_docs (Optional[Sequence[Doc]]): The held-out documents; a share of the training documents if None.
    resume (bool): Whether to continue an interrupted run with the same settings, encoder and documents.
    overwrite (bool): Whether to replace what the folder holds, except for such a run.
    gpu_id (int): The GPU, or -1 for the CPU. A launcher of several processes decides instead, if there is one.
    console (Optional[Console]): Where to print the progress; nowhere if None.
    RETURNS (Dict[str, Any]): The report.
    RAISES (EmbreError): If the documents, the settings or the folder cannot be used.
    """
    # First, because the code can change while the run goes on.
    description = describe_run()
    config = config or PretrainingConfig()
    console = console or Console(quiet=True)
    train, dev = split_docs(docs, dev_docs, config)
    source = Path(resolve_checkpoint(config.encoder.name))
    folder = OutputFolder(Path(output))
    if folder.path.resolve() == source.resolve():
        raise EmbreError(f"{folder.path}: this is the encoder itself; write to another folder")
    arguments = make_arguments(config.training, folder.checkpoints, gpu_id=gpu_id, evaluates=dev is not None)
    run = {
        "config": config.model_dump(),
        # An encoder on a hub is told apart by its name.
        "encoder": checksum(source) if source.is_dir() else None,
        "corpus": _checksum_docs(docs),
        "dev": None if dev_docs is None else _checksum_docs(dev_docs),
        # An epoch has fewer steps with more processes, and a checkpoint counts steps.
        "processes": arguments.world_size,
    }
    is_main = arguments.process_index == 0
    with arguments.main_process_first(desc="checking the output folder"):
        if is_main:
            folder.check(run, resume=resume, overwrite=overwrite)
    set_seed(config.training.seed)
    setup = make_setup(train, dev, config, arguments)
    with arguments.main_process_first(desc="preparing the output folder"):
        if is_main:
            folder.prepare(run, resume=resume)
    checkpoint = folder.last_checkpoint()
    if is_main:
        print_start(console, train, dev, setup.labels, setup.dev_targets, checkpoint)
    trainer = _train(setup, config, arguments, EpochTable(console, setup.dev_targets, dev is not None), checkpoint)
    # Others may still read the checkpoint, which writing removes.
    trainer.accelerator.wait_for_everyone()
    report = make_report(config, train, dev, setup.labels, setup.dev_targets, trainer.state)
    report["device"] = arguments.device.type
    report["processes"] = arguments.world_size
    report["precision"] = "bfloat16" if setup.model.bfloat16 else "float32"
    report["run"] = description
    if is_main:
        transformer = setup.model.transformer
        # The dropouts of the config were for this run, not for those who load the folder.
        set_dropouts(transformer.config, *get_dropouts(AutoConfig.from_pretrained(str(source))))
        folder.write(transformer, setup.tokenizer, report)
        written = report["written"]
        say(console, f"Wrote the weights of epoch {written['epoch']} ({written['why']}) to {folder.path}")
    return report


def _checksum_docs(docs: Sequence[Doc]) -> str:
    """Compute a digest of what pretraining reads of documents: their texts and mentions."""
    data = [[doc.text, get_mentions(doc)] for doc in docs]
    return checksum(json.dumps(data).encode("utf8"))


@dataclass
class TrainingSetup:
    """What the trainer needs, and what the report says of it. `dev_targets` describe the held-out documents."""

    model: EntityMaskingModel
    tokenizer: PreTrainedTokenizerBase
    labels: LabelCounts
    train: MaskedDataset
    held_out: Optional[List[MaskedDocument]]
    dev_targets: Dict[str, Any]
    collator: Collator


def make_setup(
    train: PretrainingDocs, dev: Optional[PretrainingDocs], config: PretrainingConfig, arguments: TrainingArguments
) -> TrainingSetup:
    """Load the transformer and encode the documents. The heads get random weights from PyTorch's random numbers."""
    encoder, masking, training = config.encoder, config.masking, config.training
    transformer, tokenizer = load_checkpoint(
        encoder.name, hidden_dropout=encoder.hidden_dropout, attention_dropout=encoder.attention_dropout
    )
    if tokenizer.mask_token_id is None:
        raise EmbreError(f"encoder {encoder.name!r}: its tokenizer has no mask token")
    window = choose_window(transformer, tokenizer, encoder.window, encoder.overlap, encoder.name)
    entity_types = find_entity_types([*train.docs, *(dev.docs if dev else ())])
    tag_ids = add_tags(transformer, tokenizer, entity_types) if encoder.tags else None
    labels = LabelCounts.count(train.concepts)
    objectives = _choose_objectives(labels, config)
    masker = Masker(tokenizer, concept_rate=masking.concept_rate, word_rate=masking.word_rate)
    documents = encode_docs(train, labels, tokenizer, tag_ids)
    held_out, dev_targets = None, {}
    if dev is not None:
        dev_documents = encode_docs(dev, labels, tokenizer, tag_ids)
        held_out = mask_held_out(dev_documents, masker, draws=training.dev_draws, seed=training.seed)
        if not held_out:
            raise EmbreError("the held-out documents have nothing to mask: none names two concepts")
        dev_targets = describe_dev_targets(held_out, documents, labels, objectives)
        if not any(target["items"] for target in dev_targets.values()):
            raise EmbreError("the held-out documents have nothing to predict: training shows none of their identifiers")
    collator = Collator(tokenizer, window=window, overlap=encoder.overlap)
    model = EntityMaskingModel(
        transformer,
        config.objective,
        n_identifiers=len(labels.identifiers) if "identifier" in objectives else 0,
        n_types=len(labels.types) if "type" in objectives else 0,
        words="word" in objectives,
        bfloat16=training.precision == "bfloat16"
        or (training.precision == "auto" and has_fast_bfloat16(arguments.device)),
    )
    widths = [collator.find_width(len(document.wordpieces)) for document in documents]
    batch_size = training.batch_size * arguments.world_size
    dataset = MaskedDataset(documents, masker, widths=widths, batch_size=batch_size, seed=training.seed)
    return TrainingSetup(model, tokenizer, labels, dataset, held_out, dev_targets, collator)


def _choose_objectives(labels: LabelCounts, config: PretrainingConfig) -> List[str]:
    """Choose which of "identifier", "type" and "word" are predicted."""
    objectives: List[str] = list(config.objective.objectives) if config.masking.concept_rate else []
    if "identifier" in objectives and not labels.identifiers:
        raise EmbreError('the mentions have no identifiers: set [objective] objectives to ["type"]')
    if "type" in objectives and not labels.types:
        raise EmbreError('the mentions have no types: set [objective] objectives to ["identifier"]')
    return [*objectives, *(["word"] if config.masking.word_rate else [])]


def _train(
    setup: TrainingSetup,
    config: PretrainingConfig,
    arguments: TrainingArguments,
    table: EpochTable,
    checkpoint: Optional[str],
) -> Trainer:
    """Train, from a checkpoint if there is one."""
    trainer = Trainer(
        model=setup.model,
        args=arguments,
        data_collator=setup.collator,
        train_dataset=setup.train,
        eval_dataset=setup.held_out,
        compute_metrics=lambda outcome: summarize_counts(numpy.asarray(outcome.predictions), config.objective),
        callbacks=[table],
        optimizers=(make_optimizer(setup.model.to(arguments.device), config.training), None),
    )
    trainer.remove_callback(PrinterCallback)
    with warnings.catch_warnings():
        # What some versions of PyTorch, accelerate and transformers say of each other, and nobody can act on.
        for message in (".*pin_memory.*", "mtime may not be reliable.*"):
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.train(resume_from_checkpoint=checkpoint)
        finally:
            table.close()
    return trainer


def make_optimizer(model: EntityMaskingModel, config: TrainingConfig) -> torch.optim.Optimizer:
    """Make AdamW with a learning rate of its own for the heads, and no decay of biases and norms."""
    head_learning_rate = config.learning_rate if config.head_learning_rate is None else config.head_learning_rate
    groups: Dict[Any, Dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        in_heads, decays = not name.startswith("transformer."), parameter.ndim > 1
        group = {
            "params": [],
            "lr": head_learning_rate if in_heads else config.learning_rate,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        groups.setdefault((in_heads, decays), group)["params"].append(parameter)
    # Fused: on CPUs several times faster, and the embeddings make the step of a small transformer expensive.
    return torch.optim.AdamW([groups[key] for key in sorted(groups)], lr=config.learning_rate, fused=True)


class OneDeviceArguments(TrainingArguments):
    """What the trainer is told, on one device: without a launcher it would copy the model to all GPUs at each step."""

    @property
    def device(self) -> torch.device:
        device = super().device
        return torch.device("cuda", torch.cuda.current_device()) if device.type == "cuda" else device

    @property
    def n_gpu(self) -> int:
        return min(super().n_gpu, 1)


def make_arguments(
    config: TrainingConfig, checkpoints: Union[str, Path], *, gpu_id: int, evaluates: bool
) -> TrainingArguments:
    """Make the arguments of the trainer; see `pretrain` for the device."""
    n_gpus = torch.cuda.device_count()
    if gpu_id >= n_gpus:
        raise EmbreError(f"there is no GPU {gpu_id} ({n_gpus or 'no'} CUDA devices are available); -1 is the CPU")
    # `accelerate launch` and `torchrun` set it.
    is_distributed = "LOCAL_RANK" in os.environ
    arguments = OneDeviceArguments(
        output_dir=str(checkpoints),
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_ratio=config.warmup,
        max_grad_norm=config.max_grad_norm,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulate_gradient,
        use_cpu=gpu_id < 0 and not (is_distributed and n_gpus),
        seed=config.seed,
        eval_strategy="epoch" if evaluates else "no",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        # The model gives counts beside its loss, for documents that this key of a batch numbers.
        label_names=["documents"],
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        # Each process makes its own batches: their tensors cannot be cut into shares.
        accelerator_config={"dispatch_batches": False},
        disable_tqdm=True,
        report_to=[],
    )
    if gpu_id >= 0 and not is_distributed:
        torch.cuda.set_device(gpu_id)
    return arguments
