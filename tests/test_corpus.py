"""The corpus reader: what it gives the relation component, and what it tells others nothing of."""

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from embre_spacy import read, write
from embre_spacy.corpus import create_corpus, create_mention_corpus
from embre_spacy.errors import InputError
from embre_spacy.tokens import Mention, get_mentions, set_mentions


@pytest.fixture
def file(tmp_path, vocab):
    docs = []
    for number, (drug, fever) in enumerate([("Salt", "red fever"), ("Sugar", "blue cough")]):
        doc = Doc(vocab, words=[drug, "lowers", *fever.split(), "."])
        start = doc[2].idx
        whole = Mention(start, start + len(fever), "Disease", f"D{number}")
        set_mentions(
            doc, [Mention(0, len(drug), "Chemical", f"C{number}"), whole], [whole._replace(end=doc[3].idx - 1)]
        )
        doc._.document_id = str(number)
        doc._.relations = [{"source": f"C{number}", "target": f"D{number}", "type": "Negative_Correlation"}]
        docs.append(doc)
    write(docs, tmp_path / "a.json")
    return tmp_path / "a.json"


def test_mentions_are_given_for_relations_alone(file):
    examples = list(create_corpus(file)(spacy.blank("en")))
    assert len(examples) == 2
    for example in examples:
        predicted, reference = example.predicted, example.reference
        assert [token.text for token in predicted] == [token.text for token in reference]
        assert not predicted.has_annotation("ENT_IOB") and not predicted.ents
        assert get_mentions(predicted) == get_mentions(reference) != []
        assert (predicted._.candidates, predicted._.concepts) == (reference._.candidates, reference._.concepts)
        assert (predicted._.document_id, predicted._.passages) == (reference._.document_id, reference._.passages)
        assert reference._.relations and not predicted._.relations
    assert len(list(create_corpus(file, limit=1)(spacy.blank("en")))) == 1


@pytest.mark.parametrize("recognizer", ["ner", "beam_ner", "entity_ruler"])
def test_a_recognizer_beside_is_scored_by_what_it_finds(recognizer, file):
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(recognizer)
    if recognizer == "entity_ruler":
        pipe.add_patterns([{"label": "Chemical", "pattern": "Salt"}])
    corpus = create_corpus(file)
    nlp.initialize(lambda: corpus(nlp))
    alone = [Example(nlp.make_doc(doc.text), doc) for doc in read(file, nlp.vocab)]
    scores = nlp.evaluate(list(corpus(nlp)))
    assert scores["ents_f"] == nlp.evaluate(alone)["ents_f"] < 1.0


@pytest.mark.parametrize("path", [None, "", "missing.json"])
def test_no_corpus_is_an_error(path):
    with pytest.raises(InputError):
        list(create_corpus(path)(spacy.blank("en")))


def test_a_recognizer_learns_from_plain_text_with_types_of_biored(tmp_path, vocab):
    doc = Doc(
        vocab, words=["pre", "QRX1", "-like", "fever", "in", "Utopia"], spaces=[False, False, True, True, True, False]
    )
    # A name within a token, one within another, and a type that BioRED does not know.
    mentions = [Mention(3, 7, "Gene", "1"), Mention(13, 18, "Disease", "D1"), Mention(15, 18, "Disease", "D2")]
    set_mentions(doc, [*mentions, Mention(22, 28, "Place", "")])
    write([doc], tmp_path / "a.xml")
    nlp = spacy.blank("en")
    (example,) = create_mention_corpus(tmp_path / "a.xml")(nlp)
    assert [token.text for token in example.predicted] == [token.text for token in nlp.make_doc(doc.text)]
    assert not example.predicted.has_annotation("ENT_IOB")
    assert [(ent.text, ent.label_) for ent in example.reference.ents] == [("fever", "DiseaseOrPhenotypicFeature")]
    # What entities cannot hold, or what BioRED does not know, is neither a mention nor none.
    assert example.get_aligned_ner()[-3:] == ["U-DiseaseOrPhenotypicFeature", "O", None]
    assert example.get_aligned_ner()[0] is None


def test_documents_of_a_corpus_come_between_those_of_a_larger_one(file, tmp_path, vocab):
    for name, texts in (("1", ["One.", "Two."]), ("2", [f"Number {number}." for number in range(200)])):
        write([Doc(vocab, words=[text], spaces=[False]) for text in texts], tmp_path / f"more-{name}.spacy")
    corpus = create_mention_corpus(file, more=str(tmp_path / "more-*.spacy"), share=0.25)
    texts = [example.text for example in corpus(spacy.blank("en"))]
    own = [text for text in texts if text.startswith("S")]
    assert [text for text in texts if text not in own] == [
        "One.",
        "Two.",
        *(f"Number {number}." for number in range(200)),
    ]
    assert 0.15 < len(own) / len(texts) < 0.35
    # Each comes once before one comes again.
    assert all(first != second for first, second in zip(own[::2], own[1::2]))
    few = create_mention_corpus(file, more=str(tmp_path / "more-*.spacy"), share=0.0, limit=3)
    assert [example.text for example in few(spacy.blank("en"))] == ["One.", "Two.", "Number 0."]
    with pytest.raises(InputError, match="nothing"):
        list(create_mention_corpus(file, more=str(tmp_path / "nothing*"))(spacy.blank("en")))
