"""The output folder: what it may hold before a run, while it goes on, and after."""

import json
import shutil
from pathlib import Path
from typing import Any, Dict, Optional

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..errors import EmbreError
from ..util import diff_settings

REPORT_FILE = "pretraining.json"


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
            differences = diff_settings(interrupted, run)
            if differences:
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
            shutil.rmtree(self.checkpoints, ignore_errors=True)
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
        if self.last_checkpoint() is None:
            return None
        try:
            return json.loads(self.run_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
