"""transformers' Trainer, set up for entity masking. It brings many devices, accumulation, bfloat16 and resuming."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple, Union

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler
from transformers import Trainer, TrainerCallback, TrainingArguments

from ..errors import EmbreError
from ..transformer import has_fast_bfloat16
from .config import TrainingConfig
from .sampler import EpochSampler

_PRECISION_VARIABLE = "ACCELERATE_MIXED_PRECISION"


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
    if not use_cpu and not launched():
        # One process uses one GPU. Several GPUs are several processes, not threads that copy the model at each step.
        arguments.own_device = torch.device("cuda", max(gpu_id, 0))
        torch.cuda.set_device(arguments.own_device)
        arguments._n_gpu = 1
    return arguments


def launched() -> bool:
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
    return gpu_id < 0 and not (launched() and count)


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
