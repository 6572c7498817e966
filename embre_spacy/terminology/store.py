"""The store: names and identifiers in a SQLite file, which is looked up from disk."""

import os
import re
import sqlite3
import threading
import unicodedata
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Tuple, Union

from rapidfuzz.fuzz import ratio
from rapidfuzz.process import extractOne

from ..errors import EmbreError
from ..labels import VARIANT
from .variants import identify_variant

_VERSION = 1
_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA user_version = {_VERSION};
CREATE TABLE types (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE names (
    type INTEGER NOT NULL, key TEXT NOT NULL, identifier TEXT NOT NULL, taxon TEXT NOT NULL, weight REAL NOT NULL,
    PRIMARY KEY (type, key, identifier)
) WITHOUT ROWID;
CREATE TEMP TABLE rows (type INTEGER, key TEXT, identifier TEXT, taxon TEXT, weight REAL);
"""
# What several sources say of one name of one concept adds up. The taxon of a gene is what a source knows ("9606"), or
# else what most documents suggest ("?9606"). Rows that come in order make a file without gaps.
_FILL = """
CREATE TEMP TABLE taxa AS SELECT type, identifier, taxon, sum(weight) AS weight FROM rows WHERE taxon > ''
GROUP BY type, identifier, taxon ORDER BY type, identifier, taxon LIKE '?%', weight DESC, taxon;
CREATE TEMP TABLE best (type INTEGER, identifier TEXT, taxon TEXT, PRIMARY KEY (type, identifier));
INSERT OR IGNORE INTO best SELECT type, identifier, ltrim(taxon, '?') FROM taxa ORDER BY rowid;
INSERT INTO names
SELECT type, key, identifier, coalesce(max(best.taxon), ''), sum(weight) AS total
FROM rows LEFT JOIN best USING (type, identifier)
GROUP BY type, key, identifier HAVING total >= :least ORDER BY type, key, identifier
"""
_EXACT = "SELECT key, identifier, taxon, weight FROM names WHERE type = ? AND key = ? ORDER BY weight DESC, identifier"
_ALIKE = "SELECT DISTINCT key FROM names WHERE type = ? AND key >= ? AND key < ? AND length(key) BETWEEN ? AND ?"
_ALL = "SELECT types.name, key, identifier, taxon, weight FROM names JOIN types ON type = number"
# A shorter name is another name when one letter differs. Only names of which the first third is equal are compared: on
# BioRED's dev, it finds no more to compare all that have the first three letters in common.
_SHORTEST_ALIKE = 6
_SAME_START = 4

_GREEK = re.compile("[\u0370-\u03ff]")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
# Separators between digits stay: "1,2" is not "12".
_SEPARATORS = re.compile(r"(?<=\d)[^\w+]+(?=\d)|(?P<dropped>[^\w+]+|_)")


class Name(NamedTuple):
    """A name of a concept, as a source has it, or as all sources of a terminology."""

    type: str  # BioRED's name of the entity type, where it has one
    name: str
    identifier: str
    taxon: str = ""  # that a gene belongs to, if it is known, with "?" before it if a source guesses
    weight: float = 1.0  # how sure the source is that this is a name of the concept, or how often it has it


def normalize_name(name: str) -> str:
    """What names are compared by: without case, accents, hyphens and spaces; Greek letters are spelled out."""
    if not name.isascii():
        parts = unicodedata.normalize("NFKD", name)
        plain = "".join(part for part in parts if not unicodedata.combining(part))
        # Unicode calls one of them "lamda".
        name = _GREEK.sub(lambda letter: unicodedata.name(letter[0], "").split(" ")[-1].replace("AMD", "AMBD"), plain)
    return _SEPARATORS.sub(lambda match: "" if match["dropped"] else "-", _POSSESSIVE.sub("", name)).lower()


def make_key(name: str, type: str) -> str:
    """What names of an entity type are compared by: those of variants by what they say, whatever way they say it."""
    return (identify_variant(name) if type == VARIANT else None) or normalize_name(name)


class Terminology:
    """Names of concepts. Threads and forked processes may share it: each has a connection of its own.

    source (Union[str, Path, bytes]): The file of `write_names`, to look up from disk, or its content.
    RAISES (EmbreError): If it is none.
    """

    def __init__(self, source: Union[str, Path, bytes]) -> None:
        self.source = source
        self._own = threading.local()
        if not isinstance(source, bytes) and not Path(source).is_file():
            raise EmbreError(f"{source}: there is no such file of names; `terminology build` makes one")
        try:
            (version,) = self._connect().execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                raise sqlite3.DatabaseError("of another version of embre_spacy")
            self._types: Dict[str, int] = dict(self._connect().execute("SELECT name, number FROM types"))
        except sqlite3.DatabaseError as error:
            place = "the names" if isinstance(source, bytes) else source
            raise EmbreError(f"{place}: not a terminology, or damaged ({error})") from error

    def __reduce__(self) -> Tuple[Any, ...]:
        return Terminology, (self.source,)

    def __iter__(self) -> Iterator[Name]:
        return (Name(*row) for row in self._connect().execute(_ALL))

    @property
    def content(self) -> bytes:
        """The content of the file."""
        return self.source if isinstance(self.source, bytes) else Path(self.source).read_bytes()

    def find(self, name: str, type: str) -> List[Name]:
        """The concepts of an entity type that have a name, the surest first."""
        return self._find_key(make_key(name, type), type)

    def find_alike(self, name: str, type: str, least: float) -> List[Name]:
        """The concepts of an entity type with the name that is most like a name, by at least so much (`ratio`)."""
        key = make_key(name, type)
        if len(key) < _SHORTEST_ALIKE:
            return []
        # What differs by more letters is not as much alike.
        slack = int(len(key) * (200 / least - 2) + 1)
        start = key[: max(_SAME_START, len(key) // 3)]
        bounds = (start, start[:-1] + chr(ord(start[-1]) + 1), len(key) - slack, len(key) + slack)
        rows = self._connect().execute(_ALIKE, (self._types.get(type), *bounds))
        # Numbers tell names apart that are alike in all else.
        digits = re.findall(r"\d+", key)
        keys = [other for (other,) in rows if re.findall(r"\d+", other) == digits]
        best = extractOne(key, keys, scorer=ratio, score_cutoff=least)
        return self._find_key(best[0], type) if best else []

    def _find_key(self, key: str, type: str) -> List[Name]:
        return [Name(type, *row) for row in self._connect().execute(_EXACT, (self._types.get(type), key))]

    def _connect(self) -> sqlite3.Connection:
        if getattr(self._own, "process", None) != os.getpid():
            if isinstance(self.source, bytes):
                self._own.connection = sqlite3.connect(":memory:")
                self._own.connection.deserialize(self.source)
            else:
                # As it stands: nobody writes it, and a folder that cannot be written to is no hindrance.
                uri = f"{Path(self.source).absolute().as_uri()}?immutable=1"
                self._own.connection = sqlite3.connect(uri, uri=True)
            self._own.process = os.getpid()
        return self._own.connection


def write_names(path: Path, names: Iterable[Name], least: float = 0.0) -> int:
    """Write a new file of names, in any order, and return how many are different; those of less weight than `least`, of
    all that say the same together, are left out."""
    types: Dict[str, int] = {}
    rows = (
        (types.setdefault(type, len(types)), key, *others)
        for type, name, *others in names
        if (key := make_key(name, type)) and others[0]
    )
    connection = sqlite3.connect(path)
    try:
        connection.executescript(_SCHEMA)
        with connection:
            connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany("INSERT INTO types VALUES (?, ?)", types.items())
            for statement in _FILL.split(";"):
                connection.execute(statement, {"least": least} if ":least" in statement else ())
        return connection.execute("SELECT count(*) FROM names").fetchone()[0]
    finally:
        connection.close()
