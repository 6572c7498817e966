"""The pretrained transformers that cells start from: made once, and shared by cells, seeds and grids."""

import hashlib
import json
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from embre_spacy.errors import EmbreError
from embre_spacy.pretraining.output import REPORT_FILE

from .grid import PretrainingSpec
from .jobs import open_log, run_command
from .settings import as_options, pretraining_overrides, pretraining_settings

_FOLDER = "pretrained"


class PretrainedFolders:
    """Finds or makes the folder of a pretraining.

    work (Path): The folder above all of them.
    gpu_id (int): The GPU, or -1 for the CPU.
    say (Callable[[str], None]): Takes a line about what goes on.
    """

    def __init__(self, work: Path, *, gpu_id: int, say: Callable[[str], None]) -> None:
        self.root = work / _FOLDER
        self.gpu_id = gpu_id
        self.say = say
        self._failed: Dict[Path, str] = {}

    def path(self, spec: PretrainingSpec) -> Path:
        """The folder of a pretraining, whether it is there or not. Its name tells settings and corpora apart, so what
        lies in it is never that of another pretraining.

        spec (PretrainingSpec): The pretraining.
        RETURNS (Path): The folder.
        RAISES (EmbreError): If the settings cannot be.
        """
        chain = [
            (
                pretraining_settings(one)["config"],
                [None if file is None else digest(Path(file)) for file in (one.corpus, one.dev, *one.also)],
            )
            for one in spec.chain
        ]
        key = hashlib.sha256(json.dumps(chain, sort_keys=True).encode()).hexdigest()
        encoder = chain[0][0]["encoder"]["name"].rpartition(":")[2].rstrip("/").rpartition("/")[2]
        steps = [
            f"concepts{config['masking']['concept_rate']:g}-words{config['masking']['word_rate']:g}"
            f"-epochs{config['training']['epochs']}"
            for config, _ in chain
        ]
        return self.root / f"{encoder}-{'-'.join(steps)}-{key[:10]}"

    def report(self, spec: PretrainingSpec) -> Optional[Dict[str, Any]]:
        """The report of a finished pretraining.

        spec (PretrainingSpec): The pretraining.
        RETURNS (Optional[Dict[str, Any]]): The report, or None if it is not finished.
        """
        # It is written last, so it stands for a whole folder.
        try:
            return json.loads((self.path(spec) / REPORT_FILE).read_text(encoding="utf8"))
        except (OSError, ValueError):
            return None

    def make(self, spec: PretrainingSpec) -> Path:
        """Pretrain unless that has been done; go on with a pretraining that was killed.

        spec (PretrainingSpec): The pretraining.
        RETURNS (Path): The folder.
        RAISES (EmbreError): If it fails, or has failed before in this run.
        """
        folder = self.path(spec)
        if self.report(spec) is not None:
            return folder
        if folder in self._failed:
            raise EmbreError(f"needs the pretraining {spec.name!r}, which failed (see above)")
        encoder = spec.encoder if spec.after is None else str(self.make(spec.after))
        try:
            with open_log(folder.with_name(f"{folder.name}.log")) as log:
                going_on = " (going on where it was killed)" if (folder / "checkpoints").is_dir() else ""
                self.say(f"pretraining {spec.name!r}{going_on} -> {folder}")
                command = ["embre_spacy", "pretrain", spec.corpus, str(folder), "--gpu-id", str(self.gpu_id)]
                command += [] if spec.config is None else ["--config", spec.config]
                command += [] if spec.dev is None else ["--dev", spec.dev]
                command += [part for file in spec.also for part in ("--also", file)]
                run_command([*command, *as_options(pretraining_overrides(spec, encoder))], log)
        except EmbreError as error:
            self._failed[folder] = str(error)
            raise EmbreError(f"pretraining {spec.name!r}: {error}") from error
        return folder

    def describe(self, spec: PretrainingSpec) -> Dict[str, Any]:
        """What results say of a finished pretraining.

        spec (PretrainingSpec): The pretraining.
        RETURNS (Dict[str, Any]): The folder, the classes, what was held out, the last epoch, the run, the seconds with
            those of the pretrainings before it. The settings are not repeated: results have them.
        RAISES (EmbreError): If it is not finished.
        """
        report = self.report(spec)
        if report is None:
            raise EmbreError(f"{self.path(spec)}: is no finished pretraining")
        kept = ("classes", "held_out", "written", "device", "precision", "run")
        return {
            "folder": self.path(spec).name,
            **{key: report[key] for key in kept if key in report},
            "seconds": report["seconds"] + (self.describe(spec.after)["seconds"] if spec.after else 0),
            "last_epoch": report["epochs"][-1],
        }


def digest(path: Path) -> str:
    """A digest of a corpus: of the file, or of all files below the folder.

    path (Path): The file or folder.
    RETURNS (str): The digest.
    RAISES (EmbreError): If it is not there.
    """
    if not path.exists():
        raise EmbreError(f"{path}: there is no such corpus")
    found = hashlib.sha256()
    for file in sorted(path.rglob("*.spacy")) if path.is_dir() else [path]:
        found.update(file.read_bytes())
    return found.hexdigest()
