"""The output folder: what it may hold before a run, while it goes on, and after."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from spacy.tokens import Doc
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..errors import EmbreError
from ..tokens import get_mentions

REPORT_FILE = "pretraining.json"
_CHECKPOINTS = "checkpoints"
_RUN_FILE = "run.json"


class OutputFolder:
    """The folder that a run writes to. While it goes on, checkpoints lie in a folder inside it.

    path (Path): The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / _CHECKPOINTS

    def check(self, run: Dict[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Refuse to destroy what is there.

        run (Dict[str, Any]): What makes this run what it is: settings and corpora.
        resume (bool): Whether an interrupted run may be gone on with.
        overwrite (bool): Whether whatever is there may be replaced. An interrupted run that is the same goes on still.
        RAISES (EmbreError): If the folder is a file, holds a finished run, or an interrupted one with other settings.
        """
        if self.path.exists() and not self.path.is_dir():
            raise EmbreError(f"{self.path}: this is no folder")
        if overwrite:
            return
        interrupted = self._read_run() if resume else None
        if interrupted is not None:
            changed = _differences(interrupted, run)
            if changed:
                raise EmbreError(
                    f"{self.path}: holds the checkpoints of an interrupted run that differs in {', '.join(changed)}; "
                    f"use --no-resume or --overwrite to start anew, or another folder"
                )
        elif (self.path / "config.json").exists():
            what = "a finished run" if (self.path / REPORT_FILE).exists() else "a model"
            raise EmbreError(f"{self.path}: already holds {what}; use --overwrite to replace it, or another folder")

    def prepare(self, run: Dict[str, Any], *, resume: bool) -> None:
        """Make the folder ready for a run.

        run (Dict[str, Any]): What makes this run what it is.
        resume (bool): Whether an interrupted run is gone on with, if it is the same.
        """
        if not resume or _differences(self._read_run() or {}, run):
            shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        (self.checkpoints / _RUN_FILE).write_text(json.dumps(run, indent=1), encoding="utf-8")

    def last_checkpoint(self) -> Optional[str]:
        """The checkpoint to go on from.

        RETURNS (Optional[str]): Its folder, or None if there is none.
        """
        # What makes a checkpoint whole is written last: a killed process may leave one without it.
        whole = [path.parent for path in self.checkpoints.glob("checkpoint-*/trainer_state.json")]
        return str(max(whole, key=lambda path: int(path.name.rsplit("-", 1)[1]))) if whole else None

    def write(self, transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, report: Dict[str, Any]) -> None:
        """Write a finished run and remove its checkpoints.

        transformer (PreTrainedModel): The trained transformer.
        tokenizer (PreTrainedTokenizerBase): Its tokenizer.
        report (Dict[str, Any]): The report.
        """
        (self.path / REPORT_FILE).unlink(missing_ok=True)
        transformer.save_pretrained(self.path, safe_serialization=True)
        tokenizer.save_pretrained(self.path)
        for weights in self.path.glob("*.safetensors"):
            # Weights are written for their owner alone, unlike all other files.
            shutil.copymode(self.path / "config.json", weights)
        (self.path / REPORT_FILE).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        shutil.rmtree(self.checkpoints)

    def _read_run(self) -> Optional[Dict[str, Any]]:
        """What an interrupted run was, if it left anything to go on from."""
        if self.last_checkpoint() is None:
            return None
        try:
            return json.loads((self.checkpoints / _RUN_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def fingerprint(docs: Sequence[Doc]) -> str:
    """A digest of the texts and mentions of documents: whether two corpora are the same for pretraining.

    docs (Sequence[Doc]): The documents.
    RETURNS (str): The digest.
    """
    digest = hashlib.sha256()
    for doc in docs:
        mentions = [(span.start_char, span.end_char, span.label_, span.kb_id_) for span in get_mentions(doc)]
        digest.update(json.dumps([doc.text, mentions]).encode("utf-8"))
    return digest.hexdigest()


def fingerprint_encoder(name: str) -> Optional[str]:
    """A digest of a transformer: whether a run would still start from the same.

    name (str): Its folder, or its name on a hub.
    RETURNS (Optional[str]): The digest of its config and weights; None for one on a hub, which the name tells apart.
    """
    folder = Path(name)
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for file in sorted([folder / "config.json", *folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _differences(before: Dict[str, Any], now: Dict[str, Any]) -> Sequence[str]:
    found = []
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found.extend(f"{key}.{name}" for name in _differences(old, new))
        elif old != new:
            found.append(key)
    return found
