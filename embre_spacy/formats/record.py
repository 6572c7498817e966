"""The record: one document as its file has it, in the shape of BioC JSON, with what the file says around it."""

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..errors import InputError

Node = Dict[str, Any]


@dataclass
class Record:
    """One document of a file.

    document (Dict[str, Any]): The document in the shape of BioC JSON, unknown keys included.
    format (str): The format of its file.
    collection (Dict[str, Any]): What the file says about all its documents (source, date, key, infons ...).
    shape (str): How a JSON file holds its documents: "collection", "PubTator3", "list", "document" or "lines".
    doctype (Optional[str]): The document type declaration of an XML file.
    """

    document: Node
    format: str
    collection: Node = field(default_factory=dict)
    shape: str = "collection"
    doctype: Optional[str] = None

    @property
    def id(self) -> str:
        return str(self.document["id"])

    def dumps(self) -> str:
        """The record as a string, the form in which a `Doc` carries it: MessagePack would turn lists into tuples.

        RETURNS (str): JSON.
        RAISES (InputError): If the record has something that no file can hold.
        """
        try:
            text = json.dumps(vars(self), ensure_ascii=False, allow_nan=False)
            text.encode("utf-8")
        except (RecursionError, ValueError) as error:  # a UnicodeEncodeError is a ValueError
            cause = "half a surrogate pair in it" if isinstance(error, UnicodeError) else "it is nested too deeply"
            raise InputError(f"cannot be kept: {cause}", document=self.id) from error
        return text

    @classmethod
    def loads(cls, text: str) -> "Record":
        """The record of a string that `dumps` made.

        text (str): JSON.
        RETURNS (Record): A record of its own, free to be changed.
        """
        return cls(**json.loads(text))


def owners(document: Node) -> Iterator[Tuple[Optional[int], Node]]:
    """All parts of a document that can own annotations and relations, in the order in which BioC has them.

    document (Dict[str, Any]): The document.
    YIELDS (Tuple[Optional[int], Dict[str, Any]]): The number of the passage (None for the document), and the part.
    """
    for number, passage in enumerate(children(document, "passages")):
        for sentence in children(passage, "sentences"):
            yield number, sentence
        yield number, passage
    yield None, document


def children(node: Node, key: str) -> List[Any]:
    """A list of a part; empty where it is missing or null.

    node (Dict[str, Any]): The part.
    key (str): The name of the list.
    RETURNS (List[Any]): The list.
    """
    return node.get(key) or []


def infons(node: Node) -> Dict[str, Any]:
    """The infons of a part; empty where they are missing or null.

    node (Dict[str, Any]): The part.
    RETURNS (Dict[str, Any]): The infons.
    """
    return node.get("infons") or {}
