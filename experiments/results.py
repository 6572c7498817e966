"""The small JSON files that experiments leave."""

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from embre_spacy.errors import EmbreError

from .settings import find_differences

FLOOR_FILE = "floor.json"
_LINE = 118
_DIGITS = 6


def result_path(results: Path, grid: str, cell: str, seed: int) -> Path:
    """The file of a result.

    results (Path): The folder of all results.
    grid (str), cell (str): Their names.
    seed (int): The seed.
    RETURNS (Path): The file.
    """
    return results / grid / f"{cell}-seed{seed}.json"


def read_result(path: Path) -> Optional[Dict[str, Any]]:
    """Read a result.

    path (Path): The file.
    RETURNS (Optional[Dict[str, Any]]): The result, or None if there is no such file.
    RAISES (EmbreError): If the file holds something else.
    """
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise EmbreError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(found, dict) or not {"settings", "dev", "run", "seed"} <= found.keys():
        raise EmbreError(f"{path}: not the result of an experiment")
    return found


def write_result(result: Mapping[str, Any], path: Path) -> None:
    """Write a result, whole or not at all.

    result (Mapping[str, Any]): The result.
    path (Path): The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name, so that the next run takes away what a killed one left: the folder is committed.
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(to_json({**result, "dev": round_numbers(result["dev"])}) + "\n", encoding="utf8")
    os.replace(unfinished, path)


def settings_changed(result: Mapping[str, Any], settings: Mapping[str, Any]) -> List[str]:
    """What differs between the settings of a result and those that are wanted.

    result (Mapping[str, Any]): The result.
    settings (Mapping[str, Any]): The settings that are wanted.
    RETURNS (List[str]): Dotted names; empty if the result is what is wanted.
    """
    # By way of JSON, so that both sides have lists where tuples could be.
    return find_differences(result["settings"], json.loads(json.dumps(settings)))


def round_numbers(value: Any) -> Any:
    """Round all floating point numbers inside a value to as many digits as mean something."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {key: round_numbers(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [round_numbers(one) for one in value]
    return value


def to_json(value: Any, indent: str = "", taken: int = 0) -> str:
    """JSON with everything on one line that fits on one: short, and readable line by line in a diff.

    value (Any): The value.
    indent (str): What stands before its lines.
    taken (int): How much of its first line is taken already.
    RETURNS (str): The text.
    """
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if len(indent) + taken + len(line) <= _LINE or not value or not isinstance(value, (dict, list, tuple)):
        return line
    inner = indent + " "
    if isinstance(value, dict):
        names = [f"{json.dumps(str(key), ensure_ascii=False)}: " for key in value]
        rows = [name + to_json(one, inner, len(name)) for name, one in zip(names, value.values())]
        return "{\n" + ",\n".join(inner + row for row in rows) + "\n" + indent + "}"
    return "[\n" + ",\n".join(inner + to_json(one, inner) for one in value) + "\n" + indent + "]"
