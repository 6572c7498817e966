"""The splits of a corpus as it is distributed: finding them, and making the DocBin files that training reads."""

import json
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .errors import EmbreError, InputError
from .formats import Rejected, read, read_each, write
from .formats.record import Anomalies
from .tokens import get_mentions

SPLITS = ("train", "dev", "test")
# Of several files of one split the first in this order is taken: the formats that keep most come first.
_SUFFIXES = (".xml", ".json", ".pubtator", ".xml.gz", ".json.gz", ".pubtator.gz")
_COUNTS_FILE = "counts.json"
# For corpora whose files are not one for each split.
_PLAN_FILE = "splits.json"
_PLAN_KEYS = {"files", "first", "last"}


def find_splits(folder: Path) -> Dict[str, Path]:
    """The file of each split in a folder or below it: the name starts with the name of the split ("Train.BioC.XML").

    folder (Path): The folder.
    RETURNS (Dict[str, Path]): The file of each split that is there.
    """
    return _choose(file for file in sorted(folder.rglob("*")) if file.is_file())


def _choose(files: Iterable[Path]) -> Dict[str, Path]:
    candidates = list(files)
    found: Dict[str, Path] = {}
    for split in SPLITS:
        of_split = [file for file in candidates if file.name.lower().startswith(split)]
        for suffix in _SUFFIXES:
            matching = [file for file in of_split if file.name.lower().endswith(suffix)]
            if matching:
                found[split] = matching[0]
                break
    return found


def read_plan(assets: Path) -> Optional[Dict[str, Any]]:
    """What `splits.json` in an assets folder says of a corpus whose files are not one for each split.

    assets (Path): The assets folder.
    RETURNS (Optional[Dict[str, Any]]): Under the name of each split its `files` (names or patterns such as
        "Corpus_*.PubTator", looked for in the folder and below it; a list of them stands for the first that is there)
        and, where it is a part of them, the numbers of the `first` and the one-after-`last` document; under "exclude"
        the name of a file with the ids of documents to leave out. None if there is no such file.
    RAISES (InputError): If it says something else.
    """
    file = assets / _PLAN_FILE
    if not file.is_file():
        return None
    plan = _read_json(file)
    if not isinstance(plan, dict) or set(plan) - {*SPLITS, "exclude"}:
        raise InputError(f"it may have the keys {', '.join(SPLITS)} and exclude only", file=str(file))
    for split in SPLITS:
        part = plan.get(split, {"files": []})
        if not isinstance(part, dict) or not isinstance(part.get("files"), list) or set(part) - _PLAN_KEYS:
            raise InputError(f"{split} must have files, and may have first and last", file=str(file))
        if not all(isinstance(part.get(key, 0), int) for key in ("first", "last")):
            raise InputError(f"first and last of {split} must be numbers of documents", file=str(file))
    return plan


def fill_assets(assets: Path, source: Optional[Path]) -> None:
    """Put the files of a corpus into its assets folder: from another folder, or from a zip archive that lies there.

    assets (Path): The assets folder.
    source (Optional[Path]): The folder to copy the splits from, if there is one.
    RAISES (InputError): If the source has no splits, the assets folder has others, or an archive is damaged.
    """
    plan = read_plan(assets)
    if source is not None:
        if plan is None:
            files = list(find_splits(source).values()) if source.is_dir() else []
            if not files:
                raise InputError("there is no file of a train, dev or test split in this folder", file=str(source))
            _refuse_others(assets, files)
        else:
            files = [file for split in SPLITS for file in _find_all(source, plan.get(split, {"files": []})["files"])]
        assets.mkdir(parents=True, exist_ok=True)
        for file in dict.fromkeys(files):
            shutil.copyfile(file, assets / file.name)
    elif plan is None and not find_splits(assets):
        for archive in sorted(assets.glob("*.[zZ][iI][pP]")):
            try:
                with zipfile.ZipFile(archive) as opened:
                    _extract(opened, assets)
            except zipfile.BadZipFile as error:
                raise InputError(f"not a zip archive ({error})", file=str(archive)) from error


def _refuse_others(assets: Path, files: List[Path]) -> None:
    """Make sure that what is copied is what will be read: of several files of a split one is chosen."""
    wanted = {file.name for file in files}
    there = [file for file in sorted(assets.rglob("*")) if file.is_file() and file.name not in wanted]
    others = sorted({file.name for file in _choose([*there, *files]).values()} - wanted)
    if others:
        raise InputError(f"it has {', '.join(others)} already, from elsewhere: remove that first", file=str(assets))


def _extract(archive: zipfile.ZipFile, folder: Path) -> None:
    # Elsewhere at first: half an archive would be taken for all of it.
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    archive.extractall(part)
    for entry in sorted(part.iterdir()):
        entry.replace(folder / entry.name)
    part.rmdir()


def _find_all(folder: Path, names: Iterable[Any]) -> List[Path]:
    """The files of a split in the order of its plan."""
    return [file for name in names for file in _find(folder, [name] if isinstance(name, str) else name)]


def _find(folder: Path, patterns: List[str]) -> List[Path]:
    for pattern in patterns:
        # The first of each name: a copy may lie beside it.
        found = {file.name: file for file in sorted(folder.rglob(pattern), reverse=True) if file.is_file()}
        if found:
            # What was published as training data comes before what was for testing.
            return [found[name] for name in sorted(found, key=lambda name: ("test" in name.lower(), name))]
    raise InputError(f"there is no {' or '.join(patterns)} in this folder or below it", file=str(folder))


def prepare_corpus(assets: Path, corpus: Path) -> List[str]:
    """Convert the splits in an assets folder to DocBin, and verify them against the counts that lie beside them.

    assets (Path): The assets folder; `counts.json` in it says how many documents, mentions and relations there are, and
        `splits.json`, where there is one, of which files and documents a split consists; see `read_plan`.
    corpus (Path): The folder for the DocBin files, `{split}.spacy`.
    RETURNS (List[str]): A line for each split: what it has, or that it is absent.
    RAISES (EmbreError): If train or dev is absent (with a `splits.json`: a file that it names), or a count differs.
    """
    plan = read_plan(assets)
    if plan is None:
        parts = {split: {"paths": [file]} for split, file in find_splits(assets).items()}
        for split in SPLITS[:2]:
            if split not in parts:
                raise EmbreError(
                    f"{assets}: there is no file of the {split} split; the README there says where to get it"
                )
    else:
        # Before anything is read, so that what is missing is said at once.
        parts = {
            split: {**plan[split], "paths": _find_all(assets, plan[split]["files"])}
            for split in SPLITS
            if split in plan
        }
    excluded = _read_ids(assets / plan["exclude"]) if plan and "exclude" in plan else set()
    counts_file = assets / _COUNTS_FILE
    expected = _read_json(counts_file) if counts_file.is_file() else {}
    corpus.mkdir(parents=True, exist_ok=True)
    lines = []
    for split in SPLITS:
        target = corpus / f"{split}.spacy"
        if split not in parts:
            # One that an earlier run left would be evaluated as if it belonged to this corpus.
            target.unlink(missing_ok=True)
            lines.append(f"{split}: absent from {assets}, so nothing is evaluated on it")
            continue
        if plan is None:
            docs, left_out = list(read(parts[split]["paths"][0], Vocab())), ""
        else:
            docs, left_out = _read_planned(parts[split], excluded)
        counts = {
            "documents": len(docs),
            "mentions": sum(len(get_mentions(doc)) for doc in docs),
            "relations": sum(len(doc._.relations) for doc in docs),
        }
        if split in expected and counts != {**counts, **expected[split]}:
            raise InputError(
                f"it has {_in_words(counts)}, but should have {_in_words(expected[split])}",
                file=", ".join(map(str, parts[split]["paths"])),
            )
        write(docs, target)
        verified = "as expected" if split in expected else "not verified: counts.json does not say how many"
        names = ", ".join(path.name for path in parts[split]["paths"])
        lines.append(f"{split}: {_in_words(counts)} ({verified}{left_out}), {names} -> {target}")
    return lines


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf8"))
    except ValueError as error:
        raise InputError(f"not JSON: {error}", file=str(file)) from error


def _read_planned(part: Dict[str, Any], excluded: Set[str]) -> Tuple[List[Doc], str]:
    """The documents of a split that a plan describes, and how many were left out, in words."""
    vocab = Vocab()
    found = [one for path in part["paths"] for one in _read_with_ids(path, vocab, excluded)]
    found = found[part.get("first") or 0 : part.get("last")]
    kept = [(identifier, doc) for identifier, doc in found if identifier not in excluded]
    # Corpora that are put together may share documents, and a corpus may have one twice: the first is taken.
    unique: Dict[str, Doc] = {}
    for identifier, doc in kept:
        if doc is not None:
            unique.setdefault(identifier, doc)
    notes = []
    if len(kept) < len(found):
        notes.append(f"{len(found) - len(kept)} left out on purpose")
    if len(unique) < len(kept):
        notes.append(f"{len(kept) - len(unique)} left out that were there already")
    return list(unique.values()), "".join(f"; {note}" for note in notes)


def _read_with_ids(path: Path, vocab: Vocab, excluded: Set[str]) -> List[Tuple[str, Optional[Doc]]]:
    """The ids of a file's documents with the documents; without where it is not wanted: one that is to be left out and
    cannot be read, or one that the file has for the second time."""
    anomalies = Anomalies()
    found: List[Tuple[str, Optional[Doc]]] = []
    seen: Set[str] = set()
    for one in read_each(path, vocab, anomalies=anomalies):
        if isinstance(one, Rejected):
            if one.document is None or one.document not in seen | excluded:
                raise InputError(one.cause, file=one.file, document=one.document)
            found.append((one.document, None))
        else:
            seen.add(one._.document_id)
            found.append((one._.document_id, one))
    if anomalies:
        warnings.warn(f"{path}: {anomalies}", UserWarning, stacklevel=2)
    return found


def _read_ids(file: Path) -> Set[str]:
    if not file.is_file():
        raise InputError(f"{_PLAN_FILE} names it, but it is not there", file=str(file))
    lines = file.read_text(encoding="utf8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def _in_words(counts: Dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
