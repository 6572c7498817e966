"""Any record comes through any format, whatever characters, offsets and mentions it has."""

import json
import unicodedata
from collections import Counter
from itertools import combinations_with_replacement

from builders import annotation, collection, document, in_units, passage, relation
from canonical import content
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embre_spacy
from embre_spacy.tokens import find_pair, get_mentions

LABELS = ["Gene", "DiseaseOrPhenotypicFeature", "Chemical", "", "Sp. é"]
IDENTIFIERS = [
    "672",
    "MESH:D001",
    "D001,D002",
    "3445;3439",
    "-",
    "",
    "c|SUB|A|1|G",
    "tmVar:p|SUB|V|600|E;RS#:113488022",
]
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

anything = st.characters(exclude_categories=["Cs"])
# Neither XML nor PubTator has control characters and non-characters; some words, so that tokens are not all alike.
pieces = st.one_of(
    st.sampled_from(
        ["BRCA1 ", "α-catenin", " e\u0301", "😀", "𝛽2", "  ", "p53-/-", "(IL-2)", "don't ", "\u200d", "अनु"]
    ),
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]),
)


@st.composite
def documents(draw, characters=pieces):
    text = st.lists(characters, max_size=12).map("".join)
    passages, offset, count = [], draw(st.integers(0, 30)), 0
    ids_start_again = draw(st.booleans())
    for content_ in draw(st.lists(text, min_size=1, max_size=3)):
        count = 0 if ids_start_again else count
        found = []
        for _ in range(draw(st.integers(0, 4)) if content_ else 0):
            places = []
            for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
                start = draw(st.integers(0, len(content_) - 1))
                places.append((offset + start, draw(st.integers(1, len(content_) - start))))
            own = " ".join(content_[start - offset : start - offset + length] for start, length in places)
            infons = {"type": draw(st.sampled_from(LABELS)), "identifier": draw(st.sampled_from(IDENTIFIERS))}
            found.append(annotation(str(count), draw(st.sampled_from([own, own, "other"])), *places, **infons))
            count += 1
        kind = draw(st.sampled_from([{}, {"type": "title"}, {"type": "abstract", "section": "α < β & γ"}]))
        inside = [relation("R0", *(each["id"] for each in found[:2]), type="Bind")] if len(found) > 1 else []
        passages.append(passage(offset, content_, *found, infons=kind, relations=inside))
        offset += len(content_) + draw(st.sampled_from([0, 1, 1, 5]))
    relations = []
    for number in range(draw(st.integers(0, 3))):
        sides = {"entity1": draw(st.sampled_from(IDENTIFIERS)), "entity2": draw(st.sampled_from(IDENTIFIERS))}
        novelty = draw(st.sampled_from([{}, {"novel": "Novel"}, {"novel": "No"}]))
        relations.append(relation(f"R{number + 1}", **sides, type=draw(st.sampled_from(["Bind", "CID"])), **novelty))
    return document("1", *passages, relations=relations)


def expected_mentions(one):
    text, found = [], Counter()
    start = 0
    for part in one["passages"]:
        for mention in part["annotations"]:
            for place in mention["locations"]:
                first = start + place["offset"] - part["offset"]
                key = (first, first + place["length"], mention["infons"]["type"], mention["infons"]["identifier"])
                found[key] += 1
        if part["text"]:
            text.append(part["text"])
            start += len(part["text"]) + 1
    return " ".join(text), found


def mentions(doc):
    return Counter(get_mentions(doc))


def relations(doc):
    return Counter((one.pair, one.type, one.novelty) for one in doc._.relations)


def through_docbin(source, target, vocab):
    embre_spacy.write(embre_spacy.read(source, vocab, on_anomalies=lambda line: None), target.with_suffix(".spacy"))
    docs = list(embre_spacy.read(target.with_suffix(".spacy"), vocab))
    embre_spacy.write(docs, target, on_anomalies=lambda line: None)
    return docs


@SETTINGS
@given(one=documents(anything | pieces), container=st.sampled_from(["documents", "PubTator3", "lines"]))
def test_json(one, container, tmp_path, vocab):
    suffix = ".jsonl" if container == "lines" else ".json"
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    value = one if container == "lines" else {**collection(), container: [one]}
    if container == "PubTator3":
        del value["documents"]
    source.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    (doc,) = through_docbin(source, target, vocab)
    text, found = expected_mentions(one)
    assert doc.text == text
    assert mentions(doc) == found
    assert content(target) == ([value] if container == "lines" else value)


@SETTINGS
@given(one=documents())
def test_xml(one, tmp_path, vocab):
    source = tmp_path / "a.json"
    source.write_text(json.dumps(collection(one)), encoding="utf-8")
    docs = through_docbin(source, tmp_path / "first.xml", vocab)
    again = through_docbin(tmp_path / "first.xml", tmp_path / "second.xml", vocab)
    assert [doc.text for doc in again] == [doc.text for doc in docs]
    assert [(mentions(doc), relations(doc)) for doc in again] == [(mentions(doc), relations(doc)) for doc in docs]
    assert content(tmp_path / "second.xml") == content(tmp_path / "first.xml")
    through_docbin(tmp_path / "second.xml", tmp_path / "third.json", vocab)
    assert content(tmp_path / "third.json") == collection(one)


@SETTINGS
@given(one=documents(), suffix=st.sampled_from([".json", ".xml"]), data=st.data())
def test_what_is_predicted_comes_back_as_it_was_written(one, suffix, data, tmp_path, vocab):
    (tmp_path / "a.json").write_text(json.dumps(collection(one)), encoding="utf-8")
    (doc,) = embre_spacy.read(tmp_path / "a.json", vocab, on_anomalies=lambda line: None)
    pairs = list(combinations_with_replacement(doc._.concepts, 2))
    chosen = data.draw(st.lists(st.sampled_from(pairs), unique_by=find_pair)) if pairs else []
    doc._.relations = [embre_spacy.Relation(*pair, "Bind", "No", {"Bind": 0.5}) for pair in chosen]
    first, second = (tmp_path / f"{name}{suffix}" for name in ("first", "second"))
    embre_spacy.write([doc], first)
    through_docbin(first, second, vocab)
    assert first.read_bytes() == second.read_bytes()
    # Where there is more than spaces, every mention is in a sentence.
    relations = content(first)["documents"][0]["relations"] if suffix == ".json" else ()
    predicted = [relation["infons"] for relation in relations if "score" in relation["infons"]]
    assert not doc.text.strip() or all("evidence_offsets" in infons for infons in predicted)


@SETTINGS
@given(one=documents())
def test_pubtator(one, tmp_path, vocab):
    source = tmp_path / "a.json"
    source.write_text(json.dumps(collection(one)), encoding="utf-8")
    (doc,) = through_docbin(source, tmp_path / "first.pubtator", vocab)
    (again,) = through_docbin(tmp_path / "first.pubtator", tmp_path / "second.pubtator", vocab)
    assert again.text == doc.text
    assert mentions(again) == mentions(doc)
    assert relations(again) == relations(doc)
    assert (tmp_path / "second.pubtator").read_bytes() == (tmp_path / "first.pubtator").read_bytes()


@SETTINGS
@given(
    unit=st.sampled_from(["characters", "bytes", "UTF-16"]),
    texts=st.lists(st.lists(pieces, min_size=1, max_size=12).map("".join), min_size=1, max_size=3),
    data=st.data(),
)
def test_any_count(unit, texts, data, tmp_path, vocab):
    places = {}
    for number, text in enumerate(texts):
        starts = data.draw(st.lists(st.integers(0, len(text) - 1), max_size=3))
        places[number] = [(start, data.draw(st.integers(start + 1, len(text)))) for start in starts]
    one = in_units(unit, texts, places)
    (tmp_path / "a.json").write_text(json.dumps(collection(one)), encoding="utf-8")
    docs = through_docbin(tmp_path / "a.json", tmp_path / "b.json", vocab)
    # Offsets of every count that fits all annotations are the same text.
    expected = Counter(text[start:end] for number, text in enumerate(texts) for start, end in places[number])
    assert Counter(docs[0].text[mention.start : mention.end] for mention in get_mentions(docs[0])) == expected
    assert content(tmp_path / "b.json") == collection(one)


@SETTINGS
@given(
    kinds=st.sampled_from([["t"], ["t", "a"], ["front", "abstract", "paragraph"], ["title_1", "t_1"]]),
    texts=st.lists(st.lists(pieces, max_size=6).map("".join), min_size=3, max_size=3),
    header=st.sampled_from(["", "##MADE\n", "##MADE\n##BY α | β\n"]),
    end=st.sampled_from(["\n", "\r\n", "\r\r\n"]),
    data=st.data(),
)
def test_lines_of_pubtator(kinds, texts, header, end, data, tmp_path, vocab):
    lines = [f"1|{kind}|{text}" for kind, text in zip(kinds, texts)]
    offset = 0
    for text in texts[: len(kinds)]:
        for start in data.draw(st.lists(st.integers(0, len(text) - 1), max_size=2)) if text else []:
            stop = data.draw(st.integers(start + 1, len(text)))
            columns = (offset + start, offset + stop, text[start:stop], "Gene", data.draw(st.sampled_from(IDENTIFIERS)))
            lines.append("\t".join(["1", *map(str, columns)]))
        offset += len(text) + 1
    expected = header + "\n".join(lines) + "\n\n"
    (tmp_path / "a.pubtator").write_bytes(expected.replace("\n", end).encode("utf-8"))
    through_docbin(tmp_path / "a.pubtator", tmp_path / "b.pubtator", vocab)
    assert (tmp_path / "b.pubtator").read_bytes().decode("utf-8") == expected


def test_the_characters_are_varied():
    """The words above have what is hard: combining marks, characters outside the basic plane, joiners."""
    assert unicodedata.combining("\u0301") and ord("😀") > 0xFFFF and ord("𝛽") > 0xFFFF
