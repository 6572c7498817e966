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


def test_documents_of_a_corpus_come_between_those_of_larger_ones(file, tmp_path, vocab):
    others = [f"Number {number}." for number in range(200)]
    for name, texts in (("1", others[::2]), ("2", others[1::2])):
        write([Doc(vocab, words=[text], spaces=[False]) for text in texts], tmp_path / f"more-{name}.spacy")
    corpus = create_mention_corpus(file, more=str(tmp_path / "more-*.spacy"), share=0.25)
    texts = [example.text for example in corpus(spacy.blank("en"))]
    own = [text for text in texts if text.startswith("S")]
    assert sorted(text for text in texts if text not in own) == sorted(others)
    # Neither file comes as a whole before the other.
    assert (
        {text in others[::2] for text in texts[:20]} == {text in others[::2] for text in texts[-40:]} == {True, False}
    )
    assert 0.15 < len(own) / len(texts) < 0.35
    # Each comes once before one comes again.
    assert all(first != second for first, second in zip(own[::2], own[1::2]))
    few = create_mention_corpus(file, more=str(tmp_path / "more-1.spacy"), share=0.0, limit=3)
    assert [example.text for example in few(spacy.blank("en"))] == ["Number 0.", "Number 2.", "Number 4."]
    with pytest.raises(InputError, match="nothing"):
        list(create_mention_corpus(file, more=str(tmp_path / "nothing*"))(spacy.blank("en")))


@pytest.fixture
def drugs_alone(tmp_path):
    """A corpus of two documents that annotates chemicals alone."""
    lines = [f"{number}|t|Salt lowers red fever.\n{number}\t0\t4\tSalt\tChemical\tC1\n" for number in (1, 2)]
    (tmp_path / "Drugs_Train.PubTator").write_text("\n".join(lines))
    return str(tmp_path / "Drugs_*.PubTator")


def test_nothing_is_learned_of_what_a_corpus_does_not_annotate(file, drugs_alone, tmp_path):
    (tmp_path / "ids.txt").write_text("# In another corpus.\n2\n")
    settings = {"more": drugs_alone, "share": 0.0, "entity_types": {"drugs": ["ChemicalEntity"]}}
    corpus = create_mention_corpus(file, **settings, exclude=tmp_path / "ids.txt")
    (example,) = corpus(spacy.blank("en"))
    assert example.get_aligned_ner() == ["U-ChemicalEntity", None, None, None, None]
    (first, _) = create_mention_corpus(file, **{**settings, "entity_types": {"Other": []}})(spacy.blank("en"))
    assert first.get_aligned_ner() == ["U-ChemicalEntity", "O", "O", "O", "O"]
    with pytest.raises(InputError, match="nowhere"):
        list(create_mention_corpus(file, **settings, exclude="nowhere.txt")(spacy.blank("en")))


def test_a_pipeline_says_what_a_corpus_does_not_annotate(file, drugs_alone, tmp_path):
    labeller = spacy.blank("en")
    ruler = labeller.add_pipe("entity_ruler")
    names = {"fever": "DiseaseOrPhenotypicFeature", "lowers": "ChemicalEntity", "Salt": "GeneOrGeneProduct"}
    ruler.add_patterns([{"label": label, "pattern": name} for name, label in names.items()])
    labeller.to_disk(tmp_path / "labeller")
    corpus = create_mention_corpus(
        file, more=drugs_alone, share=0.0, entity_types={"Drugs": ["Chemical"]}, pipeline=tmp_path / "labeller"
    )
    for example in corpus(spacy.blank("en")):
        # What people have annotated stays, and what they have not annotated is no chemical.
        expected = ["U-ChemicalEntity", "O", "O", "U-DiseaseOrPhenotypicFeature", "O"]
        assert example.get_aligned_ner() == expected
