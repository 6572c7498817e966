"""The report that lies beside the weights."""

from typing import TYPE_CHECKING, Any, Dict, Optional

from .config import PretrainingConfig
from .corpora import Corpus
from .progress import epoch_rows
from .task import Task

if TYPE_CHECKING:
    from transformers import TrainerState, TrainingArguments


def make_report(
    config: PretrainingConfig,
    train: Corpus,
    dev: Optional[Corpus],
    task: Task,
    arguments: "TrainingArguments",
    state: "TrainerState",
    run: Dict[str, Any],
) -> Dict[str, Any]:
    """Say what was done and what came of it.

    config (PretrainingConfig): The settings.
    train (Corpus), dev (Optional[Corpus]): The documents.
    task (Task): What was trained.
    arguments (TrainingArguments): What the trainer was told.
    state (TrainerState): The state that it ended in.
    run (Dict[str, Any]): What ran, as `describe_run` told before it.
    RETURNS (Dict[str, Any]): The report, as JSON takes it.
    """
    epochs = epoch_rows(state)
    if dev is not None and config.training.keep == "best":
        written = {
            "epoch": min(epochs, key=lambda row: row["dev_loss"])["epoch"],
            "why": "lowest loss on held-out documents",
        }
    else:
        written = {"epoch": epochs[-1]["epoch"], "why": "last epoch"}
    return {
        "config": config.to_dict(),
        "corpus": {"train": train.describe(), "dev": None if dev is None else dev.describe()},
        "classes": {"identifiers": len(task.classes.identifiers), "types": dict(task.classes.types)},
        "held_out": task.asked,
        "epochs": epochs,
        "written": written,
        "seconds": epochs[-1]["seconds"],
        "seed": config.training.seed,
        "device": arguments.device.type,
        "processes": arguments.world_size,
        "precision": "bfloat16" if arguments.bf16 else "float32",
        "run": run,
    }
