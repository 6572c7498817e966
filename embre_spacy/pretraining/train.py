"""A run, from documents to a Hugging Face folder with a report, on transformers' Trainer, which brings many devices,
gradient accumulation, schedules, checkpoints and resuming."""

import json
import os
import warnings
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import numpy
import torch
from rich.console import Console
from spacy.tokens import Doc
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainingArguments, set_seed

from ..errors import EmbreError
from ..files import Location
from ..tokens import get_document_id, get_mentions
from ..transformer.checkpoint import (
    choose_window,
    get_dropouts,
    load_checkpoint,
    resolve_checkpoint,
    set_dropouts,
    uses_bfloat16,
)
from ..transformer.text import add_tags, split_windows
from ..util import checksum, describe_run
from .config import PretrainingConfig, TrainingConfig
from .data import (
    EncodedDocument,
    check_usable,
    count_labels,
    describe_documents,
    encode_docs,
    find_entity_types,
    split_docs,
)
from .dataset import Collator, MaskedDataset, mask_held_out
from .masking import Masker
from .model import OBJECTIVES, EntityMaskingModel
from .output import EpochTable, OutputFolder, describe_dev_targets, get_epochs, print_start, say, summarize_counts
from .texts import EncodedTexts, read_texts
from .vocabulary import learn_vocabulary, replace_embeddings


def pretrain(
    docs: Sequence[Doc],
    output: Union[str, Path],
    config: Optional[PretrainingConfig] = None,
    *,
    dev_docs: Optional[Sequence[Doc]] = None,
    texts: Sequence[Location] = (),
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
    texts (Sequence[Union[str, Path]]): Files of plain texts to mask words of, besides: JSON lines, plain or ".gz", each
        with `text`, or `title` and `abstract`. Those with the `id` of a document are left out.
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
    train, held_out = split_docs(docs, dev_docs, config.training)
    source = Path(resolve_checkpoint(config.encoder.name))
    folder = OutputFolder(Path(output))
    if folder.path.resolve() == source.resolve():
        raise EmbreError(f"{folder.path}: this is the encoder itself; write to another folder")
    arguments = make_arguments(config.training, folder.checkpoints, gpu_id=gpu_id, evaluates=len(held_out) > 0)
    run = {
        "config": config.model_dump(),
        # An encoder on a hub is told apart by its name.
        "encoder": checksum(source) if source.exists() else None,
        "corpus": _checksum_docs(docs),
        "dev": None if dev_docs is None else _checksum_docs(dev_docs),
        "texts": [checksum(file) for file in texts],
        # An epoch has fewer steps with more processes, and a checkpoint counts steps.
        "processes": arguments.world_size,
    }
    is_main = arguments.process_index == 0
    console = console if console is not None and is_main else Console(quiet=True)
    with arguments.main_process_first(desc="checking the output folder"):
        if is_main:
            folder.check(run, resume=resume, overwrite=overwrite)
    set_seed(config.training.seed)
    trainer, tokenizer, report = make_trainer(train, held_out, config, arguments, texts)
    with arguments.main_process_first(desc="preparing the output folder"):
        if is_main:
            folder.prepare(run, resume=resume)
    checkpoint = folder.last_checkpoint()
    print_start(console, report, checkpoint)
    table = EpochTable(console, report["held_out"])
    trainer.add_callback(table)
    with warnings.catch_warnings(), table.progress:
        # What some versions of PyTorch, accelerate and transformers say of each other, and nobody can act on.
        for message in (".*pin_memory.*", "mtime may not be reliable.*"):
            warnings.filterwarnings("ignore", message=message)
        trainer.train(resume_from_checkpoint=checkpoint)
    # Others may still read the checkpoint, which writing removes.
    trainer.accelerator.wait_for_everyone()
    epochs = get_epochs(trainer.state)
    report.update(
        epochs=epochs,
        written={"epoch": epochs[-1]["epoch"], "why": "last epoch"},
        seconds=epochs[-1]["seconds"],
        seed=config.training.seed,
        device=arguments.device.type,
        processes=arguments.world_size,
        precision="bfloat16" if trainer.model.bfloat16 else "float32",
        run=description,
    )
    if is_main:
        transformer = trainer.model.transformer
        # The dropouts of the config were for this run, not for those who load the folder.
        set_dropouts(transformer.config, *get_dropouts(load_checkpoint(config.encoder.name)[0].config))
        folder.write(transformer, tokenizer, report)
        say(console, f"Wrote the weights of epoch {epochs[-1]['epoch']} (last epoch) to {folder.path}")
    return report


def _checksum_docs(docs: Sequence[Doc]) -> str:
    """Compute a digest of what pretraining reads of documents: their texts and mentions."""
    data = [[doc.text, get_mentions(doc)] for doc in docs]
    return checksum(json.dumps(data).encode("utf8"))


def make_trainer(
    train_docs: Sequence[Doc],
    dev_docs: Sequence[Doc],
    config: PretrainingConfig,
    arguments: TrainingArguments,
    text_files: Sequence[Location],
) -> Tuple[Trainer, PreTrainedTokenizerBase, Dict[str, Any]]:
    """Load the transformer, encode the documents, and give a trainer, the tokenizer, and what the report says of both.
    The heads get random weights from PyTorch's random numbers."""
    encoder, training = config.encoder, config.training
    transformer, tokenizer = load_checkpoint(
        encoder.name, hidden_dropout=encoder.hidden_dropout, attention_dropout=encoder.attention_dropout
    )
    if tokenizer.mask_token_id is None:
        raise EmbreError(f"encoder {encoder.name!r}: its tokenizer has no mask token")
    known = {get_document_id(doc) for doc in (*train_docs, *dev_docs)}
    if encoder.vocabulary is not None:
        # What it is learned from.
        parts = [str(encoder.vocabulary).encode(), tokenizer.backend_tokenizer.to_str().encode()]
        parts += [text.encode() for doc in train_docs for text in (doc.text, get_document_id(doc))]
        name = f"vocabulary-{checksum(*parts, *text_files)[:16]}"
        with arguments.main_process_first(desc="learning the vocabulary"):
            sources = chain((doc.text for doc in train_docs), read_texts(text_files, known))
            learned = learn_vocabulary(tokenizer, sources, encoder.vocabulary, Path(arguments.output_dir, name))
        replace_embeddings(transformer, tokenizer, learned)
        tokenizer = learned
    window = choose_window(transformer, tokenizer, encoder.window, encoder.overlap, encoder.name)
    entity_types = find_entity_types([*train_docs, *dev_docs])
    tag_ids = add_tags(transformer, tokenizer, entity_types) if encoder.tags else None
    train, dev = (
        list(encode_docs(docs, tokenizer, tag_ids, unidentified=config.masking.unidentified))
        for docs in (train_docs, dev_docs)
    )
    if config.masking.concept_rate:
        check_usable(train)
    texts: Sequence[EncodedDocument] = []
    counts = count_labels(train)
    if text_files:
        # What they are made of: the files, the vocabulary, and which are left out.
        parts = [tokenizer.backend_tokenizer.to_str().encode(), *map(str.encode, sorted(known))]
        name = f"texts-{checksum(*parts, *text_files)[:16]}"
        with arguments.main_process_first(desc="encoding the plain texts"):
            texts = EncodedTexts(text_files, Path(arguments.output_dir), tokenizer, known, name)
        counts["word"].update(texts.count_words())
    labels = _choose_labels(counts, config)
    masker = Masker(tokenizer, config.masking)
    held_out = mask_held_out(dev, masker, draws=training.dev_draws, seed=training.seed)
    dev_targets = describe_dev_targets(held_out, labels) if dev else {}
    if dev and not held_out:
        raise EmbreError("the held-out documents have nothing to mask: none names two concepts")
    if dev and not any(target["items"] for target in dev_targets.values()):
        raise EmbreError("the held-out documents have nothing to predict: training shows none of their identifiers")
    bfloat16 = uses_bfloat16(training.precision, arguments.device)
    model = EntityMaskingModel(transformer, config.objective, labels, bfloat16=bfloat16)
    # The windows of a document are as long as its first.
    lengths = [*(len(document.wordpieces) for document in train), *(texts.lengths.tolist() if text_files else ())]
    widths = numpy.asarray([split_windows(length, window, encoder.overlap)[0][1] for length in lengths])
    batch_size = training.batch_size * arguments.world_size
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=Collator(tokenizer, labels, window=window, overlap=encoder.overlap),
        train_dataset=MaskedDataset(train, texts, masker, widths, batch_size, training),
        eval_dataset=held_out,
        compute_metrics=lambda outcome: summarize_counts(numpy.asarray(outcome.predictions), config.objective),
        optimizers=(make_optimizer(model.to(arguments.device), training), None),
    )
    trainer.remove_callback(PrinterCallback)
    report = {
        "config": config.model_dump(),
        "corpus": {"train": describe_documents(train), "dev": describe_documents(dev) if dev else None},
        "classes": {"identifiers": len(counts["identifier"]), "types": dict(counts["type"])},
        "held_out": dev_targets,
    }
    if text_files:
        report["corpus"]["texts"] = {"documents": len(texts), "wordpieces": int(texts.lengths.sum())}
    return trainer, tokenizer, report


def _choose_labels(counts: Dict[str, Counter], config: PretrainingConfig) -> Dict[str, Counter]:
    """Choose the labels of what is predicted, which is some of OBJECTIVES."""
    of_concepts = config.objective.objectives if config.masking.concept_rate else []
    for name, other in (("identifier", "type"), ("type", "identifier")):
        if name in of_concepts and not counts[name]:
            raise EmbreError(f'the mentions have no {name}s: set [objective] objectives to ["{other}"]')
    chosen = {*of_concepts, *(["word"] if config.masking.word_rate else [])}
    return {name: counts[name] for name in OBJECTIVES if name in chosen}


def make_optimizer(model: EntityMaskingModel, config: TrainingConfig) -> torch.optim.Optimizer:
    """Make AdamW with a learning rate of its own for the heads, and no decay of biases and norms."""
    head_learning_rate = config.learning_rate if config.head_learning_rate is None else config.head_learning_rate
    groups = defaultdict(list)
    for name, parameter in model.named_parameters():
        rate = config.learning_rate if name.startswith("transformer.") else head_learning_rate
        groups[rate, config.weight_decay if parameter.ndim > 1 else 0.0].append(parameter)
    # Fused: on CPUs several times faster, and the embeddings make the step of a small transformer expensive.
    return torch.optim.AdamW(
        [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()],
        lr=config.learning_rate,
        fused=True,
    )


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
    strategy = "steps" if config.eval_frequency else "epoch"
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
        eval_strategy=strategy if evaluates else "no",
        eval_steps=config.eval_frequency or None,
        save_strategy=strategy,
        save_steps=config.eval_frequency or 500,
        logging_strategy=strategy,
        logging_steps=config.eval_frequency or 500,
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
