"""Articles in XML: citations of PubMed, as baseline files have them, and full texts in JATS, as PubMed Central has."""

import html
import re
from contextlib import suppress
from typing import Any, BinaryIO, Iterator, Optional, Tuple, Union

from lxml import etree

from ..errors import InputError
from .plain import make_record
from .record import Node, Record

# The kinds of passages of JATS. Where one is inside another, its text is set apart by spaces.
_PASSAGES = ("p", "title", "caption")
# They hold no prose.
_SKIPPED = ("table", "disp-formula", "tex-math", "alternatives", "label", "object-id", "permissions", "ref-list")
_SPACE = re.compile(r"[ \t\r\n]+")
# The ids of an article, the one that becomes that of the document first.
_IDS = ("pmid", "pmcid", "pmc", "doi")


def find_root(head: bytes) -> str:
    """The name of the root element of XML that begins so; empty if that is not in it."""
    parser = etree.XMLPullParser(events=("start",), resolve_entities=False, no_network=True)
    with suppress(etree.XMLSyntaxError):
        parser.feed(head)
    return next((element.tag for _, element in parser.read_events()), "")


def read_pubmed(file: BinaryIO) -> Iterator[Union[Record, InputError]]:
    """Yield a document for each citation, with title and abstract. Parts of an abstract begin with their labels."""
    for article in iter_elements(file, "PubmedArticle", "PubmedBookArticle"):
        identifier = (article.findtext("*/PMID") or "").strip()
        try:
            parts = [(part.get("Label"), _text(part)) for part in article.iterfind(".//Abstract/AbstractText")]
            abstract = " ".join(f"{label}: {text}" if label else text for label, text in parts if text)
            passages = [({"type": "title"}, _text(article.find(".//ArticleTitle"))), ({"type": "abstract"}, abstract)]
            yield make_record(identifier, passages, "pubmed-xml")
        except InputError as error:
            yield InputError(error.cause, document=identifier)


def read_jats(file: BinaryIO) -> Iterator[Union[Record, InputError]]:
    """Yield a document for each article, with passages for its title and each paragraph, heading and caption."""
    for article in iter_elements(file, "article"):
        parts = article.iterfind("front/article-meta/article-id")
        ids = {part.get("pub-id-type"): part.text for part in parts if part.get("pub-id-type") in _IDS}
        if (ids.get("pmc") or "").isdigit():
            ids["pmc"] = f"PMC{ids['pmc']}"
        identifier = next((ids[kind] for kind in _IDS if ids.get(kind)), "")
        try:
            passages = [({"type": "title"}, _text(article.find("front/article-meta/title-group/article-title")))]
            for abstract in article.iterfind("front/article-meta/abstract"):
                passages += _iter_blocks(abstract, "abstract", "abstract")
            for part in (*article.iterfind("body"), *article.iterfind("floats-group")):
                passages += _iter_blocks(part, "paragraph")
            yield make_record(identifier, passages, "jats", ids)
        except InputError as error:
            yield InputError(error.cause, document=identifier)


def _iter_blocks(element: Any, kind: str, section: str = "", level: int = 0) -> Iterator[Tuple[Node, str]]:
    """Yield the passages of an element; its text is one if there are none. `kind` is what a paragraph is."""
    tag = element.tag
    if tag in _PASSAGES or next(element.iter(*_PASSAGES), None) is None:
        type = {"title": f"title_{level}", "caption": "caption"}.get(tag, kind)
        yield {"section": section, "type": type} if section else {"type": type}, _text(element)
    elif tag not in _SKIPPED:
        if tag == "sec":
            section, level = section or _text(element.find("title")), level + 1
        for child in element.iterchildren(etree.Element):
            yield from _iter_blocks(child, kind, section, level)


def iter_elements(file: BinaryIO, *tags: str) -> Iterator[Any]:
    """Yield elements of a file, each of which is forgotten when the next is asked for."""
    # Entities are not expanded, and nothing is fetched: no DTD, no external entity.
    events = etree.iterparse(
        file, tag=tags, resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        for _, element in events:
            yield element
            element.clear()
            parent = element.getparent()
            while parent is not None and parent[0] is not element:
                del parent[0]
    except etree.XMLSyntaxError as error:
        raise InputError(f"not valid XML: {error.msg}") from error


def _text(element: Optional[Any]) -> str:
    """The text of an element and all that is in it, in one line; empty if there is no element."""
    return "" if element is None else _SPACE.sub(" ", "".join(_iter_text(element))).strip()


def _iter_text(element: Any) -> Iterator[str]:
    if element.tag is etree.Entity:
        # The sets of entities of the DTD are those of HTML.
        if (text := html.unescape(element.text)) == element.text:
            raise InputError(f"not valid XML: the entity {text} is not known")
        yield text
    elif element.tag not in _SKIPPED:
        yield " " if element.tag in _PASSAGES else ""
        yield element.text or ""
        for child in element:
            yield from _iter_text(child)
            yield child.tail or ""
        yield " " if element.tag in _PASSAGES else ""
