"""Whether what a file holds has the shape of BioC, so that all that follows can rely on it."""

from typing import Any

from ..errors import InputError
from .record import Node, children


def check_document(document: Any, number: int) -> None:
    """Refuse a document that is no BioC.

    document (Any): What the file holds.
    number (int): Which document of the file it is, from 1; its name in messages until its id is known.
    RAISES (InputError): If it does not have the shape of a BioC document.
    """
    if not isinstance(document, dict) or "passages" not in document:
        raise InputError(f"not BioC: item {number} is not a document with passages")
    identifier = document.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, (str, int)) or not str(identifier).strip():
        raise InputError(f"document {number} of the file has no id")
    try:
        _check_owner(document, "the document")
        for passage_number, passage in enumerate(_check_list(document, "passages", "the document")):
            _check_text(passage, f"passage {passage_number}")
            for sentence_number, sentence in enumerate(_check_list(passage, "sentences", f"passage {passage_number}")):
                _check_text(sentence, f"sentence {sentence_number} of passage {passage_number}")
    except InputError as error:
        raise InputError(f"not BioC: {error.cause}", document=str(identifier)) from None


def _check_text(node: Node, name: str) -> None:
    _check_owner(node, name)
    _check_number(node, "offset", name)
    if not isinstance(node.get("text"), (str, type(None))):
        raise InputError(f"the text of {name} is not a string")


def _check_owner(node: Node, name: str) -> None:
    _check_infons(node, name)
    for annotation in _check_list(node, "annotations", name):
        label = f"annotation {annotation.get('id')}"
        _check_infons(annotation, label)
        if not isinstance(annotation.get("text"), (str, type(None))):
            raise InputError(f"the text of {label} is not a string")
        for location in _check_list(annotation, "locations", label):
            _check_number(location, "offset", f"a location of {label}")
            _check_number(location, "length", f"a location of {label}")
    for relation in _check_list(node, "relations", name):
        _check_infons(relation, f"relation {relation.get('id')}")
        _check_list(relation, "nodes", f"relation {relation.get('id')}")


def _check_infons(node: Node, name: str) -> None:
    if not isinstance(node.get("infons"), (dict, type(None))):
        raise InputError(f"the infons of {name} are not an object")


def _check_list(node: Node, key: str, name: str) -> list:
    if not isinstance(node.get(key), (list, type(None))):
        raise InputError(f"the {key} of {name} are not a list")
    if not all(isinstance(item, dict) for item in children(node, key)):
        raise InputError(f"the {key} of {name} are not all objects")
    return children(node, key)


def _check_number(node: Node, key: str, name: str) -> None:
    value = node.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**12:
        raise InputError(f"the {key} of {name} is not a whole number from 0")
