"""The content of a file, without what does not count: the layout of XML and JSON, empty lines at the end."""

import gzip
import json
from pathlib import Path
from typing import Any

from lxml import etree


def content(path: Path) -> Any:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    if suffix == ".xml":
        tree = etree.fromstring(data)
        return tree.getroottree().docinfo.doctype, element(tree)
    if suffix == ".json":
        return json.loads(data)
    if suffix == ".jsonl":
        return [json.loads(line) for line in data.decode("utf-8").split("\n") if line]
    return [block.split("\n") for block in data.decode("utf-8").rstrip("\n").split("\n\n")]


def element(tree: Any) -> Any:
    children = [element(child) for child in tree]
    return tree.tag, dict(tree.attrib), children or tree.text or ""
