"""The table of epochs, and the figures of the report beside the weights."""

import time
from collections import Counter
from typing import Any, Dict, List, Mapping, Optional, Sequence

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from transformers import TrainerCallback, TrainerState

from .config import ObjectiveConfig
from .masking import MaskedDocument
from .model import OBJECTIVES

_WIDTH = 10
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
    """Print a line as it is."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_start(console: Console, report: Mapping[str, Any], checkpoint: Optional[str]) -> None:
    """Print what a run starts with."""
    train, dev = report["corpus"]["train"], report["corpus"]["dev"]
    say(console, f"Training: {train['documents']} documents, {train['concepts']} concepts in them")
    say(console, f"Classes: {report['classes']['identifiers']} identifiers, {len(report['classes']['types'])} types")
    if dev is not None:
        say(console, f"Held out: {dev['documents']} documents, {dev['concepts']} concepts in them")
    identifiers = report["held_out"].get("identifier", {})
    if identifiers.get("unseen"):
        say(
            console,
            f"Of {identifiers['items'] + identifiers['unseen']} masked held-out concepts with identifiers, "
            f"{identifiers['unseen']} ({identifiers['unseen_share']:.0%}) have one that no training document has; "
            f"they are left out of its loss",
        )
    if checkpoint:
        say(console, f"Continuing from {checkpoint}")


class EpochTable(TrainerCallback):
    """Prints the table of epochs row by row, and a progress bar on a terminal, which its user starts and stops."""

    def __init__(self, console: Console, dev_targets: Mapping[str, Any]) -> None:
        self.console = console
        self.majority = {f"{name}_accuracy": target["majority_accuracy"] for name, target in dev_targets.items()}
        shown = {"epoch", "train_loss", "seconds", *self.majority, *(["dev_loss"] if dev_targets else [])}
        self.columns = [name for name in _TITLES if name in shown]
        self.seconds_before = 0.0
        self.started = time.monotonic()
        self.progress = Progress(console=console, transient=True, disable=console.quiet or not console.is_terminal)
        self.task = self.progress.add_task("steps", total=None)

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.seconds_before = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        self.started = time.monotonic()
        self._print([_TITLES[name] for name in self.columns])
        self._print(["-" * _WIDTH for _ in self.columns])
        if self.majority:
            majority = {"epoch": "majority", **self.majority}
            self._print([_format(majority[name]) if name in majority else "" for name in self.columns])
        for row in get_epochs(state):
            self._print_row(row)
        self.progress.update(self.task, total=state.max_steps, completed=state.global_step)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.progress.update(self.task, completed=state.global_step)

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if "loss" in (logs or {}):
            # Kept with the losses, so that a resumed run knows the time of all its parts.
            state.log_history[-1]["seconds"] = round(self.seconds_before + time.monotonic() - self.started, 1)

    def on_save(self, args, state, control, **kwargs) -> None:
        self._print_row(get_epochs(state)[-1])

    def _print_row(self, row: Dict[str, Any]) -> None:
        row = {**row, "seconds": round(row.get("seconds") or 0)}
        self._print([_format(row.get(name)) for name in self.columns])

    def _print(self, cells: Sequence[str]) -> None:
        say(self.console, "  ".join(cell.rjust(_WIDTH) for cell in cells))


def _format(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def get_epochs(state: TrainerState) -> List[Dict[str, Any]]:
    """Get the table of epochs: for each its number, the losses and accuracies, and the seconds until its end."""
    epochs: Dict[int, Dict[str, Any]] = {}
    for entry in state.log_history:
        number = round(entry["epoch"])
        row = epochs.setdefault(number, {"epoch": number})
        if "loss" in entry:
            row.update(train_loss=entry["loss"], seconds=entry.get("seconds"))
        for key, value in entry.items():
            name = key.removeprefix("eval_")
            if name != key and name.endswith(("loss", "accuracy")):
                row["dev_loss" if name == "loss" else name] = value
    return list(epochs.values())


def summarize_counts(counts: NDArray, objective: ObjectiveConfig) -> Dict[str, float]:
    """Compute the weighted loss, and loss and accuracy of each objective, from the counts of the model."""
    metrics = {"loss": 0.0}
    for name, (items, correct, loss) in zip(OBJECTIVES, counts.sum(axis=0, dtype="float64")):
        if items:
            metrics[f"{name}_loss"] = float(loss / items)
            metrics[f"{name}_accuracy"] = float(correct / items)
            metrics["loss"] += getattr(objective, f"{name}_weight") * metrics[f"{name}_loss"]
    return metrics


def describe_dev_targets(dev: Sequence[MaskedDocument], labels: Mapping[str, Counter]) -> Dict[str, Any]:
    """Count for each objective the held-out items, those whose label no training document has (unseen, not predicted),
    and how often the majority label of training is right."""
    targets: Dict[str, Any] = {}
    concepts = [concept for document in dev for concept in document.concepts]
    for name, counts in labels.items():
        if name == "word":
            masked = known = [id for document in dev for id in document.word_ids.tolist()]
        else:
            masked = [label for concept in concepts if (label := getattr(concept, name)) is not None]
            known = [label for label in masked if label in counts]
        # The first of several that are as frequent.
        majority = max(counts, key=counts.__getitem__, default=None)
        accuracy = known.count(majority) / len(known) if known else None
        targets[name] = {"items": len(known), "majority": majority, "majority_accuracy": accuracy}
        if name != "word":
            unseen = len(masked) - len(known)
            targets[name].update(unseen=unseen, unseen_share=unseen / len(masked) if masked else None)
    return targets
