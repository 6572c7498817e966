"""What is told of a run: the table of epochs as they end, the figures in it, and the report beside the weights."""

import time
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence, Tuple

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerState, TrainingArguments

from .config import ObjectiveConfig, PretrainingConfig
from .data import NO_CLASS, EncodedDocument, LabelCounts, PretrainingDocs
from .masking import MaskedDocument
from .model import COUNTED_OBJECTIVES

_WIDTH = 10
_PREFIX = "eval_"


class EpochTable(TrainerCallback):
    """Prints the table of epochs row by row, and shows how far training is.

    console (Console): Where to print.
    objectives (Sequence[str]): Which of "identifier", "type" and "word" are predicted.
    majority (Dict[str, Optional[float]]): The accuracy of the majority class for each objective.
    evaluates (bool): Whether there are held-out documents.
    """

    def __init__(
        self, console: Console, objectives: Sequence[str], majority: Dict[str, Optional[float]], *, evaluates: bool
    ) -> None:
        self.console = console
        self.majority = majority
        self.evaluates = evaluates
        self.columns = ["epoch", "train_loss", "seconds"]
        if evaluates:
            accuracies = [f"{name}_accuracy" for name in ("type", "identifier", "word") if name in objectives]
            self.columns[2:2] = ["dev_loss", *accuracies]
        self.seconds_before = 0.0
        self.started = time.monotonic()
        self.progress: Optional[Progress] = None

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.seconds_before = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        self.started = time.monotonic()
        if not state.is_world_process_zero:
            return
        done = epoch_rows(state)
        self._print([_TITLES.get(name, name) for name in self.columns])
        self._print(["-" * _WIDTH for _ in self.columns])
        if self.evaluates:
            self._print([self._majority_cell(name) for name in self.columns])
        for row in done:
            self._print_row(row)
        if self.console.is_terminal:
            self.progress = Progress(
                TextColumn("steps"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self.task = self.progress.add_task("", total=state.max_steps, completed=state.global_step)
            self.progress.start()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.progress is not None:
            self.progress.update(self.task, completed=state.global_step)

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if "loss" in (logs or {}):
            # Kept with the losses, so that a resumed run knows the time of all its parts.
            state.log_history[-1]["seconds"] = round(self.seconds_before + time.monotonic() - self.started, 1)
            if not self.evaluates and state.is_world_process_zero:
                self._print_row(epoch_rows(state)[-1])

    def on_evaluate(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            self._print_row(epoch_rows(state)[-1])

    def on_train_end(self, args, state, control, **kwargs) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away, after an error too."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def _print_row(self, row: Dict[str, Any]) -> None:
        row = {**row, "seconds": round(row.get("seconds") or 0)}
        self._print([_format(row.get(name)) for name in self.columns])

    def _majority_cell(self, name: str) -> str:
        if name == "epoch":
            return "majority"
        return _format(self.majority.get(name[: -len("_accuracy")])) if name.endswith("_accuracy") else ""

    def _print(self, cells: Sequence[str]) -> None:
        say(self.console, "  ".join(cell.rjust(_WIDTH) for cell in cells))


_TITLES = {
    "epoch": "Epoch",
    "train_loss": "Train loss",
    "dev_loss": "Dev loss",
    "type_accuracy": "Type acc",
    "identifier_accuracy": "Ident acc",
    "word_accuracy": "Word acc",
    "seconds": "Seconds",
}


def say(console: Console, line: str) -> None:
    """Print a line as it is.

    console (Console): Where to.
    line (str): The line.
    """
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def epoch_rows(state: TrainerState) -> List[Dict[str, Any]]:
    """The table of epochs.

    state (TrainerState): The state of the trainer.
    RETURNS (List[Dict[str, Any]]): For each epoch its number, the losses and accuracies, and the seconds until its end.
    """
    rows: Dict[int, Dict[str, Any]] = {}
    for entry in state.log_history:
        values: Sequence[Tuple[str, Any]] = []
        if "loss" in entry:
            values = [("train_loss", entry["loss"]), ("seconds", entry.get("seconds"))]
        elif f"{_PREFIX}loss" in entry:
            values = [
                ("dev_loss" if key == f"{_PREFIX}loss" else key[len(_PREFIX) :], value)
                for key, value in entry.items()
                if key == f"{_PREFIX}loss" or key.endswith(("_accuracy", "_loss"))
            ]
        if values:
            epoch = round(entry["epoch"])
            rows.setdefault(epoch, {"epoch": epoch}).update(values)
    return [rows[epoch] for epoch in sorted(rows)]


def _format(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def summarize_counts(counts: NDArray, objective: ObjectiveConfig) -> Dict[str, float]:
    """The figures of an evaluation.

    counts (NDArray[float32]): What the model counted of each document; shape (documents, objectives, 3).
    objective (ObjectiveConfig): The weights of the losses.
    RETURNS (Dict[str, float]): The weighted `loss`, and the loss and accuracy of each objective that had items.
    """
    metrics = {"loss": 0.0}
    for name, (items, correct, loss) in zip(COUNTED_OBJECTIVES, counts.sum(axis=0, dtype="float64")):
        if items:
            metrics[f"{name}_loss"] = float(loss / items)
            metrics[f"{name}_accuracy"] = float(correct / items)
            metrics["loss"] += getattr(objective, f"{name}_weight") * metrics[f"{name}_loss"]
    return metrics


def describe_held_out(
    held_out: Sequence[MaskedDocument],
    train: Sequence[EncodedDocument],
    classes: LabelCounts,
    objectives: Sequence[str],
) -> Dict[str, Any]:
    """What is asked of the held-out documents, and how often the majority class of training would be right.

    held_out (Sequence[MaskedDocument]): The masked held-out documents.
    train (Sequence[EncodedDocument]): The training documents.
    classes (LabelCounts): The classes of the training documents.
    objectives (Sequence[str]): Which of "identifier", "type" and "word" are predicted.
    RETURNS (Dict[str, Any]): For each objective the number of items with a class, the majority class of the training
        documents and its accuracy on them; for identifiers also how many items have no class.
    """
    found: Dict[str, Any] = {}
    concepts = [concept for document in held_out for concept in document.concepts]
    for name in ("identifier", "type"):
        if name not in objectives:
            continue
        wanted = [getattr(concept, name) for concept in concepts if name == "type" or concept.has_identifier]
        labels = list(classes.identifiers if name == "identifier" else classes.types)
        found[name] = {
            **_majority([number for number in wanted if number != NO_CLASS], labels, classes.majority(name)),
            "unseen": sum(number == NO_CLASS for number in wanted),
            "unseen_share": _share(sum(number == NO_CLASS for number in wanted), len(wanted)),
        }
    if "word" in objectives:
        usual: Counter = Counter()
        for document in train:
            usual.update(document.wordpieces.ids[~document.wordpieces.is_tag].tolist())
        wanted = [int(id) for document in held_out for id in document.word_ids]
        most = usual.most_common(1)[0][0]
        found["word"] = {
            "items": len(wanted),
            "majority": most,
            "majority_accuracy": _share(wanted.count(most), len(wanted)),
        }
    return found


def _majority(wanted: List[int], labels: List[str], majority: Optional[str]) -> Dict[str, Any]:
    right = sum(labels[number] == majority for number in wanted)
    return {"items": len(wanted), "majority": majority, "majority_accuracy": _share(right, len(wanted))}


def _share(part: int, whole: int) -> Optional[float]:
    return part / whole if whole else None


def make_report(
    config: PretrainingConfig,
    train: PretrainingDocs,
    dev: Optional[PretrainingDocs],
    classes: LabelCounts,
    held_out: Dict[str, Any],
    arguments: TrainingArguments,
    state: TrainerState,
    run: Dict[str, Any],
) -> Dict[str, Any]:
    """Say what was done and what came of it.

    config (PretrainingConfig): The settings.
    train (PretrainingDocs), dev (Optional[PretrainingDocs]): The documents.
    classes (LabelCounts): The classes.
    held_out (Dict[str, Any]): What is asked of the held-out documents.
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
        "classes": {"identifiers": len(classes.identifiers), "types": dict(classes.types)},
        "held_out": held_out,
        "epochs": epochs,
        "written": written,
        "seconds": epochs[-1]["seconds"],
        "seed": config.training.seed,
        "device": arguments.device.type,
        "processes": arguments.world_size,
        "precision": "bfloat16" if arguments.bf16 else "float32",
        "run": run,
    }
