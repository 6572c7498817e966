"""Small made-up documents in the shape of BioC JSON, and files of them."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

Node = Dict[str, Any]


def annotation(id: Any, text: Optional[str], *locations: "tuple[int, int]", **infons: Any) -> Node:
    found = [{"offset": offset, "length": length} for offset, length in locations]
    return {"id": id, "infons": infons, "text": text, "locations": found}


def relation(id: Any, *nodes: str, **infons: Any) -> Node:
    return {"id": id, "infons": infons, "nodes": [{"refid": node, "role": "side"} for node in nodes]}


def passage(offset: int, text: str, *annotations: Node, **more: Any) -> Node:
    parts = {"infons": {}, "sentences": [], "relations": [], **more}
    return {"offset": offset, "text": text, "annotations": list(annotations), **parts}


def sentence(offset: int, text: str, *annotations: Node) -> Node:
    return {"infons": {}, "offset": offset, "text": text, "annotations": list(annotations), "relations": []}


def document(id: Any, *passages: Node, **more: Any) -> Node:
    return {"id": id, "infons": {}, "passages": list(passages), "annotations": [], "relations": [], **more}


def collection(*documents: Node) -> Node:
    return {"source": "made up", "date": "2024", "key": "none", "infons": {}, "documents": list(documents)}


def save(path: Path, *documents: Node, container: Optional[str] = None) -> Path:
    value: Any = {container: list(documents)} if container else collection(*documents)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


UNITS = {
    "characters": len,
    "bytes": lambda text: len(text.encode("utf-8")),
    "UTF-16": lambda text: len(text.encode("utf-16-le")) // 2,
}


def in_units(unit: str, texts: List[str], mentions: Dict[int, List["tuple[int, int]"]]) -> Node:
    """A document whose offsets count something else than characters. Mentions are given in characters, by passage."""
    count, passages, offset = UNITS[unit], [], 0
    for number, text in enumerate(texts):
        found = []
        for start, end in mentions.get(number, []):
            place = (offset + count(text[:start]), count(text[start:end]))
            found.append(annotation(f"{number}-{len(found)}", text[start:end], place, type="Gene", identifier="1"))
        passages.append(passage(offset, text, *found))
        offset += count(text) + 1
    return document("1", *passages)


def all_annotations(file: Path) -> List[Node]:
    return [
        found
        for one in json.loads(file.read_text(encoding="utf-8"))["documents"]
        for part in one["passages"]
        for owner in [*(part.get("sentences") or []), part]
        for found in owner["annotations"]
    ]


def block(number: int) -> str:
    """A document of PubTator with four concepts and a relation."""
    title, name = "Aspirin causes gastric ulcer", f"PTGS{number}"
    text = f"It binds {name} & lowers “fever” in {number * 7919} mice."
    start = len(title) + 1
    mentions = [
        (0, 7, "Aspirin", "Chemical", "D001241"),
        (15, 28, "gastric ulcer", "Disease", "D013276"),
        (start + 9, start + 9 + len(name), name, "Gene", str(5000 + number)),
        (start + text.index("fever"), start + text.index("fever") + 5, "fever", "Disease", "D005334"),
    ]
    lines = [f"{number}|t|{title}", f"{number}|a|{text}"]
    lines += ["\t".join([str(number), *map(str, mention)]) for mention in mentions]
    lines.append(f"{number}\tGold\tD001241\tD013276\tNovel")
    return "\n".join(lines) + "\n"
