"""Pretraining as a whole: from documents to a Hugging Face folder and a report. Importing it imports PyTorch."""

import warnings
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Union

import numpy
from rich.console import Console
from spacy.tokens import Doc
from transformers import AutoConfig, PreTrainedModel, set_seed
from transformers.trainer import PrinterCallback

from ..errors import EmbreError
from ..transformer import get_dropouts, resolve_checkpoint, set_dropouts
from ..util import describe_run
from .config import PretrainingConfig
from .corpora import Corpus, make_corpora
from .metrics import summarize_counts
from .output import OutputFolder, fingerprint, fingerprint_encoder
from .progress import EpochTable, say
from .report import make_report
from .task import Task, make_task
from .trainer import EntityMaskingTrainer, make_arguments, own_precision


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
    train, dev = make_corpora(docs, dev_docs, config)
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
        task = make_task(train, dev, config, n_devices=arguments.world_size)
        with arguments.main_process_first(desc="preparing the output folder"):
            if is_main:
                folder.prepare(run, resume=resume)
        checkpoint = folder.last_checkpoint()
        if is_main:
            _print_start(console, train, dev, task, checkpoint)
        majority = {name: found["majority_accuracy"] for name, found in task.asked.items()}
        table = EpochTable(console, task.objectives, majority, evaluates=dev is not None)
        trainer = EntityMaskingTrainer(
            sampler=task.sampler,
            head_learning_rate=config.training.head_learning_rate,
            model=task.model,
            args=arguments,
            data_collator=task.collator,
            train_dataset=task.train,
            eval_dataset=task.held_out,
            compute_metrics=lambda found: summarize_counts(numpy.asarray(found.predictions), config.objective),
            callbacks=[table],
        )
        trainer.remove_callback(PrinterCallback)
        _train(trainer, table, checkpoint)
        # The others may still be reading the best checkpoint, which writing removes.
        trainer.accelerator.wait_for_everyone()
        report = make_report(config, train, dev, task, arguments, trainer.state, started)
        if is_main:
            _restore_dropouts(task.transformer, config)
            folder.write(task.transformer, task.tokenizer, report)
            written = report["written"]
            say(console, f"Wrote the weights of epoch {written['epoch']} ({written['why']}) to {folder.path}")
    return report


def _train(trainer: EntityMaskingTrainer, table: EpochTable, checkpoint: Optional[str]) -> None:
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


def _print_start(console: Console, train: Corpus, dev: Optional[Corpus], task: Task, checkpoint: Optional[str]) -> None:
    say(console, f"Training: {len(train.docs)} documents, {train.n_concepts} concepts in them")
    say(console, f"Classes: {len(task.classes.identifiers)} identifiers, {len(task.classes.types)} types")
    if dev is not None:
        say(console, f"Held out: {len(dev.docs)} documents, {dev.n_concepts} concepts in them")
    found = task.asked.get("identifier", {})
    if found.get("unseen"):
        say(
            console,
            f"Of {found['items'] + found['unseen']} masked held-out concepts with identifiers, {found['unseen']} "
            f"({found['unseen_share']:.0%}) have one that training never shows; they are left out of its loss",
        )
    if checkpoint:
        say(console, f"Going on from {checkpoint}")
