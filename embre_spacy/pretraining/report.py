"""The table of epochs, held-out accuracies, and the report beside the weights."""

import time
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from transformers import TrainerCallback, TrainerState

from .config import ObjectiveConfig, PretrainingConfig
from .data import NO_LABEL, EncodedDocument, LabelCounts, PretrainingDocs
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
# What the trainer puts before the names of held-out figures.
_PREFIX = "eval_"


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_start(
    console: Console,
    train: PretrainingDocs,
    dev: Optional[PretrainingDocs],
    labels: LabelCounts,
    dev_targets: Dict[str, Any],
    checkpoint: Optional[str],
) -> None:
    """Print what a run starts with."""
    say(console, f"Training: {len(train.docs)} documents, {train.n_concepts} concepts in them")
    say(console, f"Classes: {len(labels.identifiers)} identifiers, {len(labels.types)} types")
    if dev is not None:
        say(console, f"Held out: {len(dev.docs)} documents, {dev.n_concepts} concepts in them")
    identifiers = dev_targets.get("identifier", {})
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
    """Prints the table of epochs row by row, and a progress bar on a terminal."""

    def __init__(self, console: Console, dev_targets: Dict[str, Any], evaluates: bool) -> None:
        self.console = console
        self.majority = {f"{name}_accuracy": target["majority_accuracy"] for name, target in dev_targets.items()}
        self.evaluates = evaluates
        accuracies = [name for name in _TITLES if name in self.majority]
        self.columns = ["epoch", "train_loss", *(["dev_loss"] if evaluates else []), *accuracies, "seconds"]
        self.seconds_before = 0.0
        self.started = time.monotonic()
        self.progress: Optional[Progress] = None

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.seconds_before = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        self.started = time.monotonic()
        if not state.is_world_process_zero:
            return
        self._print([_TITLES[name] for name in self.columns])
        self._print(["-" * _WIDTH for _ in self.columns])
        if self.evaluates:
            majority = {"epoch": "majority", **self.majority}
            self._print([_format(majority[name]) if name in majority else "" for name in self.columns])
        for row in get_epochs(state):
            self._print_row(row)
        if self.console.is_terminal:
            self.progress = Progress(console=self.console, transient=True)
            self.task = self.progress.add_task("steps", total=state.max_steps, completed=state.global_step)
            self.progress.start()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.progress is not None:
            self.progress.update(self.task, completed=state.global_step)

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if "loss" in (logs or {}):
            # Kept with the losses, so that a resumed run knows the time of all its parts.
            state.log_history[-1]["seconds"] = round(self.seconds_before + time.monotonic() - self.started, 1)
            if not self.evaluates and state.is_world_process_zero:
                self._print_row(get_epochs(state)[-1])

    def on_evaluate(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            self._print_row(get_epochs(state)[-1])

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

    def _print(self, cells: Sequence[str]) -> None:
        say(self.console, "  ".join(cell.rjust(_WIDTH) for cell in cells))


def _format(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def get_epochs(state: TrainerState) -> List[Dict[str, Any]]:
    """Get the table of epochs: for each its number, the losses and accuracies, and the seconds until its end."""
    epochs: Dict[int, Dict[str, Any]] = {}
    for entry in state.log_history:
        if "loss" in entry:
            figures = {"train_loss": entry["loss"], "seconds": entry.get("seconds")}
        elif f"{_PREFIX}loss" in entry:
            named = {key[len(_PREFIX) :]: value for key, value in entry.items() if key.startswith(_PREFIX)}
            figures = {"dev_loss": named.pop("loss")}
            figures.update((name, value) for name, value in named.items() if name.endswith(("_accuracy", "_loss")))
        else:
            continue
        epoch = round(entry["epoch"])
        epochs.setdefault(epoch, {"epoch": epoch}).update(figures)
    return [epochs[epoch] for epoch in sorted(epochs)]


def summarize_counts(counts: NDArray, objective: ObjectiveConfig) -> Dict[str, float]:
    """Compute the weighted loss, and loss and accuracy of each objective, from the counts of the model."""
    metrics = {"loss": 0.0}
    for name, (items, correct, loss) in zip(OBJECTIVES, counts.sum(axis=0, dtype="float64")):
        if items:
            metrics[f"{name}_loss"] = float(loss / items)
            metrics[f"{name}_accuracy"] = float(correct / items)
            metrics["loss"] += getattr(objective, f"{name}_weight") * metrics[f"{name}_loss"]
    return metrics


def describe_dev_targets(
    dev: Sequence[MaskedDocument], train: Sequence[EncodedDocument], labels: LabelCounts, objectives: Sequence[str]
) -> Dict[str, Any]:
    """Count for each objective the held-out items, those whose label no training document has (unseen, not predicted),
    and how often the majority label of training is right."""
    targets: Dict[str, Any] = {}
    concepts = [concept for document in dev for concept in document.concepts]
    for name, counts in (("identifier", labels.identifiers), ("type", labels.types)):
        if name in objectives:
            names = list(counts)
            classes = [getattr(concept, name) for concept in concepts if name == "type" or concept.has_identifier]
            known = [names[index] for index in classes if index != NO_LABEL]
            unseen = len(classes) - len(known)
            targets[name] = {
                **_measure_majority(known, counts),
                "unseen": unseen,
                "unseen_share": unseen / len(classes) if classes else None,
            }
    if "word" in objectives:
        counts = Counter()
        for document in train:
            counts.update(document.wordpieces.ids[~document.wordpieces.is_tag].tolist())
        targets["word"] = _measure_majority([int(id) for document in dev for id in document.word_ids], counts)
    return targets


def _measure_majority(labels: Sequence[Any], counts: Counter) -> Dict[str, Any]:
    """Measure how often the label is right that is the most frequent by `counts`, the first of several."""
    majority = max(counts, key=counts.__getitem__, default=None)
    accuracy = sum(label == majority for label in labels) / len(labels) if labels else None
    return {"items": len(labels), "majority": majority, "majority_accuracy": accuracy}


def make_report(
    config: PretrainingConfig,
    train: PretrainingDocs,
    dev: Optional[PretrainingDocs],
    labels: LabelCounts,
    dev_targets: Dict[str, Any],
    state: TrainerState,
) -> Dict[str, Any]:
    """Make the report on a finished run; what it ran on is added by the run itself."""
    epochs = get_epochs(state)
    return {
        "config": config.model_dump(),
        "corpus": {"train": train.describe(), "dev": None if dev is None else dev.describe()},
        "classes": {"identifiers": len(labels.identifiers), "types": dict(labels.types)},
        "held_out": dev_targets,
        "epochs": epochs,
        "written": {"epoch": epochs[-1]["epoch"], "why": "last epoch"},
        "seconds": epochs[-1]["seconds"],
        "seed": config.training.seed,
    }
