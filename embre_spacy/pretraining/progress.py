"""What a user sees while it trains: a row for each epoch, and a bar on a terminal."""

import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerState

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
