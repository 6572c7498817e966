"""Documents without mentions get some; those with mentions come out with exactly those."""

import json
import resource

import pytest
import spacy
from spacy.tokens import DocBin, Span
from spacy.training import Corpus, Example

from embre_spacy import read, write
from embre_spacy.tokens import MENTIONS_KEY, Mention, copy_mentions, get_mentions, set_mentions

# What the tests of this folder share is in their conftest.
TEXT = "Zonaprin lowers belden fever in mice. QRX1 binds zonaprin, but not zonatol."
FOUND = [
    ("Zonaprin", "ChemicalEntity"),
    ("belden fever", "DiseaseOrPhenotypicFeature"),
    ("mice", "OrganismTaxon"),
    ("QRX1", "GeneOrGeneProduct"),
    ("zonaprin", "ChemicalEntity"),
    ("zonatol", "ChemicalEntity"),
]
PUBTATOR = f"""1|t|{TEXT.partition(". ")[0]}.
1|a|{TEXT.partition(". ")[2]}
1\t16\t28\tbelden fever\tDisease\tD000001
1\t23\t28\tfever\tDisease\tD000002
1\t38\t42\tQRX1\tGene\t11
"""


def found(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def bring_file(suffix):
    def bring(nlp, folder):
        (folder / "given.pubtator").write_text(PUBTATOR)
        write(read(folder / "given.pubtator", nlp.vocab), folder / f"given{suffix}")
        (doc,) = read(folder / f"given{suffix}", nlp.vocab)
        return doc

    return bring


def bring_entities(nlp, folder):
    doc = nlp.make_doc(TEXT)
    doc.ents = [Span(doc, 2, 3, "Disease", kb_id="D000001", span_id="own")]
    return doc


def bring_span_group(nlp, folder):
    doc = nlp.make_doc(TEXT)
    doc.spans[MENTIONS_KEY] = [Span(doc, 2, 4, "Disease", kb_id="D000001")]
    return doc


def bring_nested(nlp, folder):
    doc = nlp.make_doc(TEXT)
    set_mentions(doc, [Mention(16, 28, "Disease", "D000001"), Mention(23, 28, "Disease", "D000002")])
    return doc


def bring_pieces(nlp, folder):
    doc = nlp.make_doc(TEXT)
    set_mentions(doc, [], [Mention(0, 8, "Chemical", "D000003"), Mention(32, 36, "Chemical", "D000003")])
    return doc


WAYS = {
    **{suffix: bring_file(suffix) for suffix in (".pubtator", ".xml", ".json", ".jsonl", ".spacy")},
    "entities": bring_entities,
    "span group": bring_span_group,
    "nested": bring_nested,
    "pieces": bring_pieces,
}


@pytest.mark.parametrize("way", WAYS)
def test_mentions_that_a_document_brings_stay_as_they_are(nlp, tmp_path, way):
    given = WAYS[way](nlp, tmp_path)
    expected = get_mentions(given)
    assert expected
    before = given.to_bytes()
    assert nlp(given.copy()).to_bytes() == before
    plain, doc, empty = nlp.pipe([nlp.make_doc(TEXT), given, nlp.make_doc("")])
    assert get_mentions(doc) == expected and doc.to_bytes() == before
    assert found(plain) == FOUND and found(empty) == []


def test_mentions_that_a_ruler_finds_stay_as_they_are(nlp):
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "Disease", "pattern": "fever", "id": "D000002"}])
    with_fever, without = nlp.pipe([TEXT, "QRX1 binds zonaprin, but not zonatol."])
    assert get_mentions(with_fever) == [Mention(23, 28, "Disease", "D000002")]
    assert found(without) == FOUND[3:]


def test_others_are_added_only_if_that_is_asked_for(make_recognizer, learned):
    nlp = make_recognizer(add_to_given=True).from_bytes(learned)
    labels = nlp.get_pipe("embre_mentions").labels
    doc = nlp(bring_entities(nlp, None))
    assert get_mentions(doc)[1] == Mention(16, 22, "Disease", "D000001") and doc.ents[1].id_ == "own"
    assert found(doc) == [FOUND[0], ("belden", "Disease"), *FOUND[2:]]
    doc = nlp(bring_span_group(nlp, None))
    assert found(doc) == [FOUND[0], *FOUND[2:]] and len(get_mentions(doc)) == 6
    # A label that is given is not one that the recognizer learns.
    assert nlp.get_pipe("embre_mentions").labels == labels


def test_variants_that_follow_a_notation_are_found_if_variants_were_learned(nlp, make_recognizer, learned):
    names = ["p.(Val600Glu)", "677C>T", "IVS16+1G>A", "657del5", "rs900000001"]
    text = f"We saw {', '.join(names)} and G12."
    assert [ent.text for ent in nlp(text).ents if ent.label_ == "SequenceVariant"] == names
    # Those that are given leave room, or not.
    doc = nlp.make_doc(text)
    doc.ents = [doc.char_span(text.index("677C"), text.index("677C") + 4, "Gene")]
    assert found(nlp(doc)) == [("677C", "Gene")]
    adding = make_recognizer(add_to_given=True).from_bytes(learned)
    assert [ent.text for ent in adding(doc).ents if ent.label_ == "SequenceVariant"] == [names[0], *names[2:]]
    other = make_recognizer()
    other.get_pipe("embre_mentions").add_label("ChemicalEntity")
    other.initialize()
    assert {label for _, label in found(other(text))} <= {"ChemicalEntity"}


def test_a_document_of_a_file_without_annotations_gets_mentions(nlp, tmp_path):
    passage = {"infons": {}, "offset": 0, "text": TEXT, "annotations": [], "relations": []}
    document = {"id": "1", "infons": {}, "passages": [passage], "annotations": [], "relations": []}
    collection = {"source": "", "date": "", "key": "", "infons": {}, "documents": [document]}
    (tmp_path / "plain.json").write_text(json.dumps(collection))
    (doc,) = nlp.pipe(read(tmp_path / "plain.json", nlp.vocab))
    assert found(doc) == FOUND
    write([doc], tmp_path / "out.xml")
    (again,) = read(tmp_path / "out.xml", nlp.vocab)
    assert found(again) == FOUND


def test_it_says_the_same_in_every_way(nlp, make_recognizer, tmp_path):
    texts = [TEXT, "", "QRX1 binds zonaprin, but not zonatol.", " \n "]
    expected = [FOUND, [], FOUND[3:], []]
    assert [found(nlp(text)) for text in texts] == expected
    for batch_size in (1, 2, 64):
        assert [found(doc) for doc in nlp.pipe(texts, batch_size=batch_size)] == expected
    nlp.to_disk(tmp_path / "model")
    assert [found(doc) for doc in spacy.load(tmp_path / "model").pipe(texts)] == expected


@pytest.mark.forks
def test_it_says_the_same_with_two_processes(nlp, tmp_path):
    docs = [nlp.make_doc(TEXT), bring_entities(nlp, tmp_path), nlp.make_doc("")]
    wanted = [FOUND, [("belden", "Disease")], []]
    assert [found(doc) for doc in nlp.pipe(docs, n_process=2, batch_size=1)] == wanted


def test_it_can_be_left_out(nlp):
    with nlp.select_pipes(disable="embre_mentions"):
        assert found(nlp(TEXT)) == []
    assert found(nlp(TEXT)) == FOUND


def test_spacy_scores_it_on_plain_text(nlp, tmp_path):
    gold = nlp(TEXT)
    gold.ents = [*gold.ents[:-1], Span(gold, 1, 2, "ChemicalEntity")]
    DocBin(docs=[gold]).to_disk(tmp_path / "gold.spacy")
    scores = nlp.evaluate(list(Corpus(tmp_path / "gold.spacy")(nlp)))
    assert scores["ents_p"] == scores["ents_r"] == pytest.approx(5 / 6)
    # Mentions that examples bring for relations alone are no help.
    scores = nlp.evaluate([Example(copy_mentions(gold), gold)])
    assert scores["ents_f"] == pytest.approx(5 / 6)


def test_text_of_another_language_and_signs_have_few_or_no_mentions(nlp):
    texts = [
        "Das Wetter war schön, und alle gingen nach Hause.",
        "今日は天気がよかったので家に帰りました。",
        "?!",
        "\n\n\t",
        "𝛼" * 50,
    ]
    for doc in nlp.pipe(texts):
        assert len(doc.ents) <= len(doc)


def test_a_long_text_takes_bounded_memory(nlp):
    text = (TEXT + " ") * (200_000 // len(TEXT))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    doc = nlp(text)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # In kilobytes.
    assert grown < 500_000
    names = [ent.text for ent in doc.ents]
    # It is read in parts, none of which ends within a mention.
    assert {*names} == {name for name, _ in FOUND} and len(names) == 6 * (200_000 // len(TEXT))
