"""Damage to files and to values, the same for the same seed."""

import json
import random
from typing import Any, List, NamedTuple

# What turns up in real damage: other encodings, ends of lines, control characters, quotes, what looks like a number.
_PIECES = [b"\x00", b"\xff", b"\xc3", b"\r", b"\n", b"\n\n", b"\t", b"\x1b[31m", b'"', b"'", b"\\", b"{", b"]", b"<"]
_PIECES += [b"&", b"|", b",", b";", b":", b"-", b"-1", b"0", b"9" * 30, b"NaN", b"null", b"<!--", b"\xef\xbb\xbf"]
_VALUES = [None, True, -1, 0, 7, 2**63 - 1, 1.5, float("nan"), "", "x", b"x", [], {}, [[]], [None], {"x": 1}, ["x", 1]]


class Damaged(NamedTuple):
    """Damaged data, and what was damaged of it before: from `start` to before `end`."""

    data: bytes
    start: int
    end: int

    def describe(self, before: bytes) -> str:
        """The place, and what is there now."""
        after = self.data[max(0, self.start - 30) : self.start + 40]
        return f"{before[max(0, self.start - 30) : self.start + 40]} -> {after}"


def damage(data: bytes, rng: random.Random) -> Damaged:
    """Damage data at one place: overwrite, insert, remove or double some bytes, flip a bit, or cut the end off."""
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice((1, 1, 2, 4, 8)))
    kind = rng.randrange(6)
    if kind == 0:
        return Damaged(data[:start], start, len(data))
    if kind == 1:
        new = bytes([data[start] ^ (1 << rng.randrange(8))])
        end = start + 1
    elif kind == 2:
        new = b""
    elif kind == 3:
        new = data[start:end] * 2
    elif kind == 4:
        new = rng.choice(_PIECES)
    else:
        new, end = rng.choice(_PIECES), start
    return Damaged(data[:start] + new + data[end:], start, end)


def damage_value(value: Any, rng: random.Random) -> Any:
    """A copy of nested lists and dicts in which one value is another, is missing, or has another name."""
    places = list(_iter_places(value, []))
    path = rng.choice(places)
    if not path:
        return rng.choice(_VALUES)
    copy = json.loads(json.dumps(value))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    kind = rng.randrange(4)
    if kind == 0:
        del parent[path[-1]]
    elif kind == 1 and isinstance(parent, dict):
        parent[rng.choice(("x", "", "text", "id"))] = parent.pop(path[-1])
    else:
        parent[path[-1]] = rng.choice(_VALUES)
    return copy


def _iter_places(value: Any, path: List[Any]) -> Any:
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from _iter_places(value[key], [*path, key])
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _iter_places(item, [*path, index])
