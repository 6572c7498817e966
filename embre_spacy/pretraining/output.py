"""What a run prints and writes: the table of epochs, the figures of the report, and the folder."""

import json
import shutil
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback, TrainerState

from ..errors import EmbreError
from ..util import diff_settings, trim_heap
from .config import ObjectiveConfig
from .masking import MaskedDocument
from .model import OBJECTIVES

REPORT_FILE = "pretraining.json"
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
    if texts := report["corpus"].get("texts"):
        say(console, f"Plain texts: {texts['documents']} with {texts['wordpieces']} wordpieces")
    say(console, f"Classes: {report['classes']['identifiers']} identifiers, {len(report['classes']['types'])} types")
    if dev is not None:
        say(console, f"Held out: {dev['documents']} documents, {dev['concepts']} concepts in them")
    identifiers = report["held_out"].get("identifier", {})
    if unseen := identifiers.get("unseen"):
        concepts = f"Of {identifiers['items'] + unseen} masked held-out concepts with identifiers, {unseen}"
        cause = "have one that no training document has; they are left out of its loss"
        say(console, f"{concepts} ({identifiers['unseen_share']:.0%}) {cause}")
    if checkpoint:
        say(console, f"Continuing from {checkpoint}")


class EpochTable(TrainerCallback):
    """Prints the table of epochs row by row, and a progress bar on a terminal, which its user starts and stops."""

    def __init__(self, console: Console, dev_targets: Mapping[str, Any]) -> None:
        self.console = console
        self.majority = {f"{name}_accuracy": target["majority_accuracy"] for name, target in dev_targets.items()}
        shown = {"epoch", "train_loss", "seconds", *self.majority, *(["dev_loss"] if dev_targets else [])}
        self.columns = [name for name in _TITLES if name in shown]
        self.progress = Progress(console=console, transient=True, disable=console.quiet or not console.is_terminal)
        self.task = self.progress.add_task("steps", total=None)

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.seconds_before = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        self.started = time.monotonic()
        self._print_row(_TITLES)
        self._print_row(dict.fromkeys(_TITLES, "-" * _WIDTH))
        if self.majority:
            self._print_row({**dict.fromkeys(_TITLES, ""), "epoch": "majority", **self.majority})
        for row in get_epochs(state):
            self._print_row(row)
        self.progress.update(self.task, total=state.max_steps, completed=state.global_step)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.progress.update(self.task, completed=state.global_step)
        trim_heap(state.global_step)
        if state.global_step == state.max_steps and args.save_strategy == "steps":
            # The steps after the last multiple of `eval_frequency` count too.
            control.should_log = control.should_save = True
            control.should_evaluate = args.eval_strategy != "no"

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if "loss" in (logs or {}):
            # Kept with the losses, so that a resumed run knows the time of all its parts.
            state.log_history[-1]["seconds"] = round(self.seconds_before + time.monotonic() - self.started, 1)

    def on_save(self, args, state, control, **kwargs) -> None:
        self._print_row(get_epochs(state)[-1])

    def _print_row(self, row: Mapping[str, Any]) -> None:
        cells = []
        for name in self.columns:
            value = row.get(name)
            digits = 0 if name == "seconds" else 4
            cells.append("-" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value))
        say(self.console, "  ".join(cell.rjust(_WIDTH) for cell in cells))


def get_epochs(state: TrainerState) -> List[Dict[str, Any]]:
    """Get the table of epochs or parts of them: the number, the losses and accuracies, and the seconds until then."""
    epochs: Dict[int, Dict[str, Any]] = {}
    for entry in state.log_history:
        number = round(entry["epoch"], 2)
        row = epochs.setdefault(entry["step"], {"epoch": int(number) if number == int(number) else number})
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


class OutputFolder:
    """The folder that a run writes to. While the run goes on, its checkpoints lie in a folder inside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.run_file = self.checkpoints / "run.json"

    def check(self, run: Dict[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Refuse to destroy a finished run, or an interrupted one that differs from `run` or may not be continued."""
        if self.path.exists() and not self.path.is_dir():
            raise EmbreError(f"{self.path}: this is no folder")
        if overwrite:
            return
        interrupted = self._read_run() if resume else None
        if interrupted is not None:
            if differences := diff_settings(interrupted, run):
                raise EmbreError(
                    f"{self.path}: holds the checkpoints of an interrupted run that differs: {', '.join(differences)}; "
                    f"use --no-resume or --overwrite to start anew, or another folder"
                )
        elif (self.path / "config.json").exists():
            what = "a finished run" if (self.path / REPORT_FILE).exists() else "a model"
            raise EmbreError(f"{self.path}: already holds {what}; use --overwrite to replace it, or another folder")

    def prepare(self, run: Dict[str, Any], *, resume: bool) -> None:
        """Make the folder ready for a run. The checkpoints of the same run stay if `resume`."""
        if not resume or self._read_run() != run:
            for checkpoint in self.checkpoints.glob("checkpoint-*"):
                shutil.rmtree(checkpoint)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.run_file.write_text(json.dumps(run, indent=1), encoding="utf-8")

    def last_checkpoint(self) -> Optional[str]:
        """Find the folder of the last checkpoint; None if there is none."""
        # The state is written last: a killed process may leave a checkpoint without it.
        complete = [path.parent for path in self.checkpoints.glob("checkpoint-*/trainer_state.json")]
        return str(max(complete, key=lambda path: int(path.name.rsplit("-", 1)[1]))) if complete else None

    def write(self, transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, report: Dict[str, Any]) -> None:
        """Write a finished run and remove its checkpoints. The report comes last: it says that all is there."""
        (self.path / REPORT_FILE).unlink(missing_ok=True)
        transformer.save_pretrained(self.path, safe_serialization=True)
        tokenizer.save_pretrained(self.path)
        for weights in self.path.glob("*.safetensors"):
            # safetensors gives its files to their owner alone, unlike all others.
            shutil.copymode(self.path / "config.json", weights)
        (self.path / REPORT_FILE).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        shutil.rmtree(self.checkpoints)

    def _read_run(self) -> Optional[Dict[str, Any]]:
        """Read what tells the interrupted run apart; None if it left nothing to continue from."""
        with suppress(OSError, ValueError):
            return json.loads(self.run_file.read_text(encoding="utf-8")) if self.last_checkpoint() else None
        return None
