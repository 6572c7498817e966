"""The splits of a corpus as it is distributed: finding them, and making the DocBin files that training reads."""

import shutil
import warnings
import zipfile
from itertools import product
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple, Union

from pydantic import BaseModel, TypeAdapter, ValidationError
from spacy.tokens import Doc
from spacy.vocab import Vocab

from .errors import InputError
from .formats import Rejected, read_each, write
from .formats.record import Anomalies
from .tokens import get_document_id, get_mentions, get_relations
from .util import describe_validation_error

SPLITS = ("train", "dev", "test")
# Of several files of one split the first in this order counts: the formats that keep most come first.
_SUFFIXES = (".xml", ".json", ".pubtator", ".xml.gz", ".json.gz", ".pubtator.gz")
_COUNTS_FILE = "counts.json"
_SPEC_FILE = "splits.json"


class SplitPart(BaseModel, extra="forbid", strict=True):
    """What a split consists of."""

    # Names of files or patterns such as "Corpus_*.PubTator", looked for in the folder and below it. A list of them
    # stands for the first that is there.
    files: List[Union[str, List[str]]]
    # The numbers of the first document and of the one after the last; all documents if None.
    first: Optional[int] = None
    last: Optional[int] = None


class SplitSpec(BaseModel, extra="forbid", strict=True):
    """What `splits.json` says of a corpus whose files are not one for each split."""

    train: Optional[SplitPart] = None
    dev: Optional[SplitPart] = None
    test: Optional[SplitPart] = None
    exclude: Optional[str] = None  # the name of a file with the ids of documents to leave out

    @property
    def parts(self) -> Dict[str, SplitPart]:
        return {split: part for split in SPLITS if (part := getattr(self, split)) is not None}


def read_split_spec(assets: Path, folder: Path) -> SplitSpec:
    """Read `splits.json` in an assets folder. Without it, a split is the file in `folder`, or below it, whose name
    starts with its own."""
    file = assets / _SPEC_FILE
    if file.is_file():
        return _read_json(file, SplitSpec)
    files = _choose_files(file for file in sorted(folder.rglob("*")) if file.is_file())
    return SplitSpec(**{split: SplitPart(files=[file.name]) for split, file in files.items()})


def _choose_files(files: Iterable[Path]) -> Dict[str, Path]:
    chosen: Dict[str, Path] = {}
    for split, suffix, file in product(SPLITS, _SUFFIXES, files):
        if file.name.lower().startswith(split) and file.name.lower().endswith(suffix):
            chosen.setdefault(split, file)
    return chosen


def _read_json(file: Path, schema: Any) -> Any:
    try:
        return TypeAdapter(schema).validate_json(file.read_bytes())
    except ValidationError as error:
        raise InputError(describe_validation_error(error), file=str(file)) from error


def collect_files(assets: Path, source: Optional[Path]) -> None:
    """Put the files of a corpus into its assets folder: from another folder, or from a zip archive that lies there."""
    parts = read_split_spec(assets, source or assets).parts
    if source is not None:
        if not parts:
            raise InputError("there is no file of a train, dev or test split in this folder", file=str(source))
        files = list(dict.fromkeys(file for part in parts.values() for file in _find_files(source, part)))
        if not (assets / _SPEC_FILE).is_file():
            _refuse_others(assets, files)
        assets.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copyfile(file, assets / file.name)
    elif not parts:
        for archive in sorted(assets.glob("*.[zZ][iI][pP]")):
            try:
                with zipfile.ZipFile(archive) as opened:
                    _extract(opened, assets)
            except zipfile.BadZipFile as error:
                raise InputError(f"not a zip archive ({error})", file=str(archive)) from error


def _refuse_others(assets: Path, files: List[Path]) -> None:
    """Make sure that the files that are copied are those that will be read: of several files of a split one counts."""
    names = {file.name for file in files}
    present = [file for file in sorted(assets.rglob("*")) if file.is_file() and file.name not in names]
    others = sorted({file.name for file in _choose_files([*present, *files]).values()} - names)
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


def _find_files(folder: Path, part: SplitPart) -> List[Path]:
    """Find the files of a split, in the order of its patterns."""
    found: List[Path] = []
    for patterns in part.files:
        patterns = [patterns] if isinstance(patterns, str) else patterns
        matches = (sorted(file for file in folder.rglob(pattern) if file.is_file()) for pattern in patterns)
        files = next(filter(None, matches), None)
        if files is None:
            raise InputError(f"there is no {' or '.join(patterns)} in this folder or below it", file=str(folder))
        # The first of each name: a copy may lie beside it.
        by_name = {file.name: file for file in reversed(files)}
        # What was published as training data comes before what was for testing.
        found += [by_name[name] for name in sorted(by_name, key=lambda name: ("test" in name.lower(), name))]
    return found


def prepare_corpus(assets: Path, corpus: Path) -> List[str]:
    """Convert the splits in an assets folder to DocBin files, `{split}.spacy`, verify them against `counts.json` beside
    them, and return a line for each split: what it has, or that it is absent."""
    spec = read_split_spec(assets, assets)
    for split in SPLITS[:2]:
        if split not in spec.parts and not (assets / _SPEC_FILE).is_file():
            cause = f"there is no file of the {split} split; the README there says where to get it"
            raise InputError(cause, file=str(assets))
    # All files are looked for before any is read, so that what is missing is said at once.
    files = {split: _find_files(assets, part) for split, part in spec.parts.items()}
    excluded = read_ids(assets / spec.exclude) if spec.exclude else set()
    counts = assets / _COUNTS_FILE
    expected = _read_json(counts, Dict[str, Dict[str, int]]) if counts.is_file() else {}
    corpus.mkdir(parents=True, exist_ok=True)
    lines = []
    for split in SPLITS:
        target = corpus / f"{split}.spacy"
        if split not in files:
            # One that an earlier run left would be evaluated as if it belonged to this corpus.
            target.unlink(missing_ok=True)
            lines.append(f"{split}: absent from {assets}, so nothing is evaluated on it")
            continue
        docs, left_out = _read_part(spec.parts[split], files[split], excluded)
        summary = _verify(docs, files[split], expected.get(split))
        write(docs, target)
        verified = "as expected" if split in expected else "not verified: counts.json does not say how many"
        names = ", ".join(file.name for file in files[split])
        lines.append(f"{split}: {summary} ({verified}{left_out}), {names} -> {target}")
    return lines


def _verify(docs: List[Doc], files: List[Path], expected: Optional[Dict[str, int]]) -> str:
    """Compare the counts of a split with those that are expected, and return them in words."""
    counts = {
        "documents": len(docs),
        "mentions": sum(len(get_mentions(doc)) for doc in docs),
        "relations": sum(len(get_relations(doc)) for doc in docs),
    }
    if expected is not None and counts != {**counts, **expected}:
        cause = f"it has {_describe_counts(counts)}, but should have {_describe_counts(expected)}"
        raise InputError(cause, file=", ".join(map(str, files)))
    return _describe_counts(counts)


def _describe_counts(counts: Dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _read_part(part: SplitPart, files: List[Path], excluded: Set[str]) -> Tuple[List[Doc], str]:
    """Read the documents of a split, and say how many of them are left out. A document that cannot be read does not
    matter if it is to be left out, or was there before."""
    vocab = Vocab()
    docs: List[Tuple[str, Union[Doc, Rejected]]] = []
    for path in files:
        anomalies = Anomalies()
        for doc in read_each(path, vocab, anomalies=anomalies):
            document = doc.document or "" if isinstance(doc, Rejected) else get_document_id(doc)
            docs.append((document, doc))
        if anomalies:
            warnings.warn(f"{path}: {anomalies}", UserWarning, stacklevel=2)
    docs = docs[part.first : part.last]
    kept = [(document, doc) for document, doc in docs if document not in excluded]
    # Corpora that are put together may share documents, and a corpus may have one twice: the first counts.
    unique: Dict[Union[str, int], Doc] = {}
    for number, (document, doc) in enumerate(kept):
        if isinstance(doc, Rejected) and document not in unique:
            raise doc.as_error()
        unique.setdefault(document or number, doc)
    left_out = {"on purpose": len(docs) - len(kept), "that were there already": len(kept) - len(unique)}
    notes = "".join(f"; {count} left out {reason}" for reason, count in left_out.items() if count)
    return list(unique.values()), notes


def read_ids(file: Path) -> Set[str]:
    """Read a file with an id on each line. RAISES (InputError): If it is absent."""
    if not file.is_file():
        raise InputError("there is no such file of ids", file=str(file))
    lines = file.read_text(encoding="utf8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}
