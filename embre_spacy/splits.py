"""The splits of a corpus as it is distributed: finding them, and making the DocBin files that training reads."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Dict, List, Optional

from spacy.vocab import Vocab

from .errors import EmbreError, InputError
from .formats import read, write
from .tokens import get_mentions

SPLITS = ("train", "dev", "test")
# Of several files of one split the first in this order is taken: the formats that keep most come first.
_SUFFIXES = (".xml", ".json", ".pubtator", ".xml.gz", ".json.gz", ".pubtator.gz")
_COUNTS_FILE = "counts.json"


def find_splits(folder: Path) -> Dict[str, Path]:
    """The file of each split in a folder or below it: the name starts with the name of the split ("Train.BioC.XML").

    folder (Path): The folder.
    RETURNS (Dict[str, Path]): The file of each split that is there.
    """
    found: Dict[str, Path] = {}
    for split in SPLITS:
        files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.name.lower().startswith(split)]
        for suffix in _SUFFIXES:
            matching = [file for file in files if file.name.lower().endswith(suffix)]
            if matching:
                found[split] = matching[0]
                break
    return found


def fill_assets(assets: Path, source: Optional[Path]) -> None:
    """Put the files of a corpus into its assets folder: from another folder, or from a zip archive that lies there.

    assets (Path): The assets folder.
    source (Optional[Path]): The folder to copy the splits from, if there is one.
    RAISES (InputError): If the source has no splits, or an archive is damaged.
    """
    if source is not None:
        splits = find_splits(source) if source.is_dir() else {}
        if not splits:
            raise InputError("there is no file of a train, dev or test split in this folder", file=str(source))
        assets.mkdir(parents=True, exist_ok=True)
        for file in splits.values():
            shutil.copyfile(file, assets / file.name)
    elif not find_splits(assets):
        for archive in sorted(assets.glob("*.[zZ][iI][pP]")):
            try:
                with zipfile.ZipFile(archive) as opened:
                    opened.extractall(assets)
            except zipfile.BadZipFile as error:
                raise InputError(f"not a zip archive ({error})", file=str(archive)) from error


def prepare_corpus(assets: Path, corpus: Path) -> List[str]:
    """Convert the splits in an assets folder to DocBin, and verify them against the counts that lie beside them.

    assets (Path): The assets folder; `counts.json` in it says how many documents, mentions and relations there are.
    corpus (Path): The folder for the DocBin files, `{split}.spacy`.
    RETURNS (List[str]): A line for each split: what it has, or that it is absent.
    RAISES (EmbreError): If train or dev is absent, or a count differs.
    """
    splits = find_splits(assets)
    for split in SPLITS[:2]:
        if split not in splits:
            raise EmbreError(f"{assets}: there is no file of the {split} split; the README there says where to get it")
    counts_file = assets / _COUNTS_FILE
    expected = json.loads(counts_file.read_text(encoding="utf8")) if counts_file.is_file() else {}
    corpus.mkdir(parents=True, exist_ok=True)
    lines = []
    for split in SPLITS:
        target = corpus / f"{split}.spacy"
        if split not in splits:
            # One that an earlier run left would be evaluated as if it belonged to this corpus.
            target.unlink(missing_ok=True)
            lines.append(f"{split}: absent from {assets}, so nothing is evaluated on it")
            continue
        docs = list(read(splits[split], Vocab()))
        counts = {
            "documents": len(docs),
            "mentions": sum(len(get_mentions(doc)) for doc in docs),
            "relations": sum(len(doc._.relations) for doc in docs),
        }
        if split in expected and counts != expected[split]:
            raise InputError(
                f"it has {_in_words(counts)}, but should have {_in_words(expected[split])}", file=splits[split]
            )
        write(docs, target)
        verified = "as expected" if split in expected else "not verified: counts.json does not say how many"
        lines.append(f"{split}: {_in_words(counts)} ({verified}) -> {target}")
    return lines


def _in_words(counts: Dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
