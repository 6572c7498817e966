"""A run from documents to a Hugging Face folder with a report, on transformers' Trainer."""

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy
import torch
from rich.console import Console
from spacy.tokens import Doc
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler
from transformers import (
    AutoConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import PrinterCallback

from ..errors import EmbreError
from ..transformer import (
    add_tags,
    choose_window,
    get_dropouts,
    has_fast_bfloat16,
    load_checkpoint,
    resolve_checkpoint,
    set_dropouts,
    split_windows,
)
from ..util import describe_run
from .config import PretrainingConfig, TrainingConfig
from .data import LabelCounts, PretrainingDocs, encode_docs, find_entity_types, split_docs
from .dataset import Collator, EpochSampler, HeldOutDataset, MaskedDataset
from .masking import Masker
from .model import EntityMaskingModel
from .output import OutputFolder, fingerprint, fingerprint_encoder
from .report import EpochTable, describe_held_out, make_report, say, summarize_counts

_PRECISION_VARIABLE = "ACCELERATE_MIXED_PRECISION"


@dataclass
class TrainingSetup:
    """What the trainer needs, and what the report says of it.

    transformer (PreTrainedModel): The transformer, which is part of the model.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer, with tags if there are tags.
    model (EntityMaskingModel): The model.
    classes (LabelCounts): The classes of the training documents.
    objectives (List[str]): Which of "identifier", "type" and "word" are predicted.
    train (MaskedDataset): The training documents.
    held_out (Optional[HeldOutDataset]): The masked held-out documents.
    dev_targets (Dict[str, Any]): What is asked of them, with the accuracy of the majority class; see
         `describe_held_out`.
    sampler (EpochSampler): The order of the training documents.
    collator (Collator): Makes batches.
    """

    transformer: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    model: EntityMaskingModel
    classes: LabelCounts
    objectives: List[str]
    train: MaskedDataset
    held_out: Optional[HeldOutDataset]
    dev_targets: Dict[str, Any]
    sampler: EpochSampler
    collator: Collator


def make_setup(
    train: PretrainingDocs, dev: Optional[PretrainingDocs], config: PretrainingConfig, *, n_devices: int
) -> TrainingSetup:
    """Load the transformer and prepare the documents for it. The heads are drawn from PyTorch's random numbers.

    train (PretrainingDocs): The training documents.
    dev (Optional[PretrainingDocs]): The held-out documents, if there are any.
    config (PretrainingConfig): The settings.
    n_devices (int): The number of devices that train together.
    RETURNS (TrainingSetup): The setup.
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
    classes = LabelCounts.count(train.targets)
    objectives = _choose_objectives(classes, config)
    masker = Masker(tokenizer, concept_rate=config.masking.concept_rate, word_rate=config.masking.word_rate)
    documents = encode_docs(train.docs, train.targets, classes, tokenizer, tag_ids)
    seed = config.training.seed
    held_out, dev_targets = None, {}
    if dev is not None:
        dev_documents = encode_docs(dev.docs, dev.targets, classes, tokenizer, tag_ids)
        held_out = HeldOutDataset(dev_documents, masker, seed, config.training.dev_draws)
        if not len(held_out):
            raise EmbreError("the held-out documents have nothing to mask: none names two concepts")
        dev_targets = describe_held_out(held_out.documents, documents, classes, objectives)
        if not any(found["items"] for found in dev_targets.values()):
            raise EmbreError("the held-out documents have nothing to predict: training shows none of their identifiers")
    widths = [
        max(end - start for start, end in split_windows(len(document.wordpieces), window, overlap))
        for document in documents
    ]
    return TrainingSetup(
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
        train=MaskedDataset(documents, masker, seed),
        held_out=held_out,
        dev_targets=dev_targets,
        sampler=EpochSampler(widths, config.training.batch_size * n_devices, seed),
        collator=Collator(tokenizer, window=window, overlap=overlap),
    )


def _choose_objectives(classes: LabelCounts, config: PretrainingConfig) -> List[str]:
    objectives = list(config.objective.objectives) if config.masking.concept_rate else []
    if "identifier" in objectives and not classes.identifiers:
        raise EmbreError('the mentions have no identifiers: set [objective] objectives to ["type"]')
    if "type" in objectives and not classes.types:
        raise EmbreError('the mentions have no types: set [objective] objectives to ["identifier"]')
    return [*objectives, *(["word"] if config.masking.word_rate else [])]


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
    overwrite (bool): Whether to replace what the folder holds, except for such a run.
    gpu_id (int): The GPU, or -1 for the CPU.
    console (Optional[Console]): Where to print the progress; nowhere if None.
    RETURNS (Dict[str, Any]): The report.
    RAISES (EmbreError): If the documents, the settings or the folder cannot be used.
    """
    # Before the code can change under a long run.
    started = describe_run()
    config = config or PretrainingConfig()
    console = console or Console(quiet=True)
    train, dev = split_docs(docs, dev_docs, config)
    folder = OutputFolder(Path(output))
    if folder.path.resolve() == Path(resolve_checkpoint(config.encoder.name)).resolve():
        raise EmbreError(f"{folder.path}: this is the encoder itself; write to another folder")
    with own_precision():
        arguments = make_arguments(config.training, folder.checkpoints, gpu_id=gpu_id, evaluates=dev is not None)
        run = {
            "config": config.to_dict(),
            "encoder": fingerprint_encoder(resolve_checkpoint(config.encoder.name)),
            "corpus": fingerprint(docs),
            "dev": None if dev_docs is None else fingerprint(dev_docs),
            # An epoch has fewer steps with more processes, and a checkpoint counts steps.
            "processes": arguments.world_size,
        }
        is_main = arguments.process_index == 0
        with arguments.main_process_first(desc="checking the output folder"):
            if is_main:
                folder.check(run, resume=resume, overwrite=overwrite)
        set_seed(config.training.seed)
        setup = make_setup(train, dev, config, n_devices=arguments.world_size)
        with arguments.main_process_first(desc="preparing the output folder"):
            if is_main:
                folder.prepare(run, resume=resume)
        checkpoint = folder.last_checkpoint()
        if is_main:
            _print_start(console, train, dev, setup, checkpoint)
        majority = {name: found["majority_accuracy"] for name, found in setup.dev_targets.items()}
        table = EpochTable(console, setup.objectives, majority, evaluates=dev is not None)
        trainer = EntityMaskingTrainer(
            sampler=setup.sampler,
            head_learning_rate=config.training.head_learning_rate,
            model=setup.model,
            args=arguments,
            data_collator=setup.collator,
            train_dataset=setup.train,
            eval_dataset=setup.held_out,
            compute_metrics=lambda found: summarize_counts(numpy.asarray(found.predictions), config.objective),
            callbacks=[table],
        )
        trainer.remove_callback(PrinterCallback)
        _train(trainer, table, checkpoint)
        # The others may still be reading the best checkpoint, which writing removes.
        trainer.accelerator.wait_for_everyone()
        report = make_report(config, train, dev, setup.classes, setup.dev_targets, arguments, trainer.state, started)
        if is_main:
            _restore_dropouts(setup.transformer, config)
            folder.write(setup.transformer, setup.tokenizer, report)
            written = report["written"]
            say(console, f"Wrote the weights of epoch {written['epoch']} ({written['why']}) to {folder.path}")
    return report


def _train(trainer: "EntityMaskingTrainer", table: EpochTable, checkpoint: Optional[str]) -> None:
    with warnings.catch_warnings():
        # What some versions of PyTorch, accelerate and transformers say of each other, and nobody can act on.
        for message in (".*pin_memory.*", "mtime may not be reliable.*", ".*cpu.amp.autocast.*"):
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.train(resume_from_checkpoint=checkpoint)
        finally:
            table.close()


def _restore_dropouts(transformer: PreTrainedModel, config: PretrainingConfig) -> None:
    """Give the transformer the dropouts of its checkpoint back: ours were for this run, not for its readers."""
    original = AutoConfig.from_pretrained(resolve_checkpoint(config.encoder.name))
    set_dropouts(transformer.config, *get_dropouts(original))


def _print_start(
    console: Console,
    train: PretrainingDocs,
    dev: Optional[PretrainingDocs],
    setup: TrainingSetup,
    checkpoint: Optional[str],
) -> None:
    say(console, f"Training: {len(train.docs)} documents, {train.n_concepts} concepts in them")
    say(console, f"LabelCounts: {len(setup.classes.identifiers)} identifiers, {len(setup.classes.types)} types")
    if dev is not None:
        say(console, f"Held out: {len(dev.docs)} documents, {dev.n_concepts} concepts in them")
    found = setup.dev_targets.get("identifier", {})
    if found.get("unseen"):
        say(
            console,
            f"Of {found['items'] + found['unseen']} masked held-out concepts with identifiers, {found['unseen']} "
            f"({found['unseen_share']:.0%}) have one that training never shows; they are left out of its loss",
        )
    if checkpoint:
        say(console, f"Going on from {checkpoint}")


class EntityMaskingTrainer(Trainer):
    """Trains an `EntityMaskingModel`.

    sampler (EpochSampler): The order of the training documents.
    head_learning_rate (Optional[float]): The learning rate of what is not the transformer; the same if None.
    **kwargs: What `Trainer` takes.
    """

    def __init__(self, *, sampler: EpochSampler, head_learning_rate: Optional[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sampler = sampler
        self.head_learning_rate = head_learning_rate
        self.add_callback(_EpochCallback(sampler))

    def _get_train_sampler(self, train_dataset: Optional[Dataset] = None) -> Sampler:
        return self.sampler

    def create_optimizer(self) -> torch.optim.Optimizer:
        """Make AdamW with a learning rate of its own for the heads, and no decay of biases and norms.

        RETURNS (Optimizer): The optimizer.
        """
        if self.optimizer is None:
            groups: Dict[Tuple[bool, bool], Dict[str, Any]] = {}
            for name, parameter in self.model.named_parameters():
                in_heads = not name.startswith("transformer.")
                decays = parameter.ndim > 1
                if (in_heads, decays) not in groups:
                    groups[in_heads, decays] = {
                        "params": [],
                        "weight_decay": self.args.weight_decay if decays else 0.0,
                        "lr": self.head_learning_rate
                        if in_heads and self.head_learning_rate is not None
                        else self.args.learning_rate,
                    }
                groups[in_heads, decays]["params"].append(parameter)
            # Fused: on CPUs several times faster, and the embeddings make the step of a small transformer expensive.
            self.optimizer = torch.optim.AdamW(
                [groups[key] for key in sorted(groups)], lr=self.args.learning_rate, fused=True
            )
        return self.optimizer

    def prediction_step(self, model: nn.Module, inputs: Dict[str, Tensor], *args: Any, **kwargs: Any) -> Any:
        """Count what is right in a held-out batch.

        model (nn.Module): The model.
        inputs (Dict[str, Tensor]): The batch.
        RETURNS (Tuple[None, Tensor, Tensor]): No loss (it is summed up by item, not by batch), and the counts and the
            number of each document, which the trainer gathers from all devices.
        """
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            counts = model(**inputs)["counts"]
        return None, counts, inputs["documents"]


class _EpochCallback(TrainerCallback):
    """Tells the sampler which epoch it is, in a resumed run too."""

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args, state, control, **kwargs) -> None:
        # Checkpoints are saved at the end of epochs only, so an epoch always begins at a whole number.
        self.sampler.epoch = round(state.epoch or 0)


class OneDeviceArguments(TrainingArguments):
    """What `Trainer` is told, with a device that one process may choose: without a launcher it would be the first GPU.

    own_device (Optional[torch.device]): The device; that of `TrainingArguments` if None.
    """

    own_device: Optional[torch.device] = None

    @property
    def device(self) -> torch.device:
        return super().device if self.own_device is None else self.own_device


def make_arguments(
    config: TrainingConfig, checkpoints: Union[str, Path], *, gpu_id: int, evaluates: bool
) -> TrainingArguments:
    """What the trainer is told.

    config (TrainingConfig): The settings.
    checkpoints (Union[str, Path]): Where checkpoints go.
    gpu_id (int): The GPU, or -1 for the CPU. A launcher of several processes decides instead, if there is one.
    evaluates (bool): Whether there are held-out documents.
    RETURNS (TrainingArguments): The arguments.
    RAISES (EmbreError): If there is no such GPU.
    """
    use_cpu = choose_cpu(gpu_id)
    device = torch.device("cpu" if use_cpu else "cuda")
    bfloat16 = config.precision == "bfloat16" or (config.precision == "auto" and has_fast_bfloat16(device))
    every = "epoch" if evaluates else "no"
    arguments = OneDeviceArguments(
        output_dir=str(checkpoints),
        num_train_epochs=config.epochs,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_ratio=config.warmup,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulate_gradient,
        use_cpu=use_cpu,
        bf16=bfloat16,
        seed=config.seed,
        eval_strategy=every,
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=evaluates and config.keep == "best",
        metric_for_best_model="loss",
        greater_is_better=False,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        report_to=[],
    )
    if not use_cpu and not is_distributed():
        # One process uses one GPU. Several GPUs are several processes, not threads that copy the model at each step.
        arguments.own_device = torch.device("cuda", max(gpu_id, 0))
        torch.cuda.set_device(arguments.own_device)
        arguments._n_gpu = 1
    return arguments


def is_distributed() -> bool:
    """Whether this is one of the processes that `accelerate launch` or `torchrun` started.

    RETURNS (bool): Whether it is.
    """
    return "LOCAL_RANK" in os.environ


def choose_cpu(gpu_id: int) -> bool:
    """Whether to compute on the CPU.

    gpu_id (int): The GPU that the user wants, or -1.
    RETURNS (bool): Whether to.
    RAISES (EmbreError): If there is no such GPU.
    """
    count = torch.cuda.device_count()
    if gpu_id >= count:
        raise EmbreError(f"there is no GPU {gpu_id} ({count or 'no'} CUDA devices are available); -1 is the CPU")
    return gpu_id < 0 and not (is_distributed() and count)


@contextmanager
def own_precision() -> Iterator[None]:
    """Keep what `TrainingArguments` leaves in the environment from deciding the precision of the next run, and what a
    launcher put there from overruling the config."""
    before = os.environ.pop(_PRECISION_VARIABLE, None)
    try:
        yield
    finally:
        os.environ.pop(_PRECISION_VARIABLE, None)
        if before is not None:
            os.environ[_PRECISION_VARIABLE] = before
