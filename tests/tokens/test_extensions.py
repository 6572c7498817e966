"""What a `Doc` offers, and that it survives whatever spaCy does with a `Doc`."""

import copy
import json
import pickle

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

import embre_spacy
from embre_spacy import Concept, Relation
from embre_spacy.errors import InputError
from embre_spacy.tokens import get_document_id, get_relations, register_extensions, set_document_id, set_relations

TEXT = "BRCA1 and TP53 cause breast cancer, not TP53 alone."


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


def make_doc(nlp):
    doc = nlp(TEXT)
    places = [("BRCA1", "Gene", "672"), ("TP53", "Gene", "7157"), ("breast cancer", "Disease", "MESH:D001943")]
    spans = []
    for text, label, identifier in places:
        start = TEXT.index(text)
        spans.append(doc.char_span(start, start + len(text), label=label, kb_id=identifier))
    last = TEXT.rindex("TP53")
    doc.ents = [*spans, doc.char_span(last, last + 4, label="Gene", kb_id="7157")]
    doc.spans["mentions"] = [doc.char_span(*spans_of("cancer"), label="Disease", kb_id="D009369,7157")]
    doc._.document_id = "1"
    doc._.relations = [
        {"source": "672", "target": "D001943", "type": "Association", "novelty": "No"},
        Relation(
            *doc._.concepts[:2],
            "Bind",
            "Novel",
            {"Bind": 0.5, "Association": 0.25},
            {"Novel": 0.75, "No": 0.25},
        ),
    ]
    return doc


def spans_of(text):
    return TEXT.index(text), TEXT.index(text) + len(text)


def through_bytes(doc, nlp):
    return Doc(nlp.vocab).from_bytes(doc.to_bytes())


def through_docbin(doc, nlp):
    (again,) = DocBin().from_bytes(DocBin(store_user_data=True, docs=[doc]).to_bytes()).get_docs(nlp.vocab)
    return again


def through_pickle(doc, nlp):
    return pickle.loads(pickle.dumps(doc))


def through_copy(doc, nlp):
    return doc.copy()


def through_disk(doc, nlp, folder):
    doc.to_disk(folder / "doc")
    return Doc(nlp.vocab).from_disk(folder / "doc")


def through_file(doc, nlp, folder):
    embre_spacy.write([doc], folder / "a.spacy")
    return next(embre_spacy.read(folder / "a.spacy", nlp.vocab))


JOURNEYS = [through_bytes, through_docbin, through_pickle, through_copy, through_disk, through_file]


@pytest.mark.parametrize("journey", JOURNEYS)
@pytest.mark.parametrize("how_many", ["all", "none", "never set"])
def test_survives(journey, how_many, nlp, tmp_path):
    doc = make_doc(nlp) if how_many == "all" else nlp(TEXT)
    if how_many == "none":
        doc._.relations = []
    again = journey(doc, nlp, tmp_path) if journey in (through_disk, through_file) else journey(doc, nlp)
    assert isinstance(again._.relations, list)
    assert again._.relations == doc._.relations
    assert len(again._.relations) == (2 if how_many == "all" else 0)
    assert all(type(one) is Relation and type(one.source) is Concept for one in again._.relations)
    assert [str(one) for one in again._.relations] == [str(one) for one in doc._.relations]
    assert again._.concepts == doc._.concepts
    assert again._.candidates == doc._.candidates
    assert again._.document_id == doc._.document_id
    # Twice, as a pipeline with several processes does.
    assert through_docbin(again, nlp)._.relations == doc._.relations


def test_several_processes(nlp):
    docs = [make_doc(nlp), nlp(TEXT)]
    piped = list(nlp.pipe(docs, n_process=2, batch_size=1))
    assert [doc._.relations for doc in piped] == [doc._.relations for doc in docs]
    assert [doc._.document_id for doc in piped] == ["1", ""]


def test_json(nlp):
    doc = make_doc(nlp)
    data = doc.to_json(underscore=["relations", "concepts", "document_id"])
    data = json.loads(json.dumps(data))
    again = Doc(nlp.vocab).from_json(data)
    assert again._.relations == doc._.relations
    assert again._.document_id == "1"
    # `Doc.to_json` leaves the identifiers of entities out; concepts carry theirs.
    assert [concept["id"] for concept in data["_"]["concepts"]] == [one.id for one in doc._.concepts]
    doc._.relations = []
    data = doc.to_json(underscore=["relations"])
    assert data["_"]["relations"] == []
    assert Doc(nlp.vocab).from_json(data)._.relations == []
    assert nlp("").to_json(underscore=["relations"])["_"]["relations"] == []


def test_a_copy_is_its_own(nlp):
    doc = make_doc(nlp)
    other = doc.copy()
    other._.relations.clear()
    other._.document_id = "2"
    assert (len(doc._.relations), doc._.document_id) == (2, "1")


def test_the_list_belongs_to_the_document(nlp):
    doc = make_doc(nlp)
    doc._.relations.append(Relation(Concept("1"), Concept("2"), "Bind"))
    assert len(doc._.relations) == 3
    assert len(through_bytes(doc, nlp)._.relations) == 3
    empty = nlp(TEXT)
    empty._.relations.append(Relation(Concept("1"), Concept("2"), "Bind"))
    assert len(empty._.relations) == 1
    assert nlp(TEXT)._.relations == []


def test_printing(nlp):
    first, second = make_doc(nlp)._.relations
    assert str(first) == "BRCA1 (672) -- Association -- breast cancer (MESH:D001943) | novelty: No"
    assert repr(second) == (
        "BRCA1 (672) -- Bind -- TP53 (7157) | novelty: Novel | related 0.75, type 0.50, novelty 0.75"
    )
    assert str(Relation(Concept("1"), Concept("2"), "Bind")) == "1 -- Bind -- 2"
    assert repr(Concept("672", "Gene", "BRCA1", [[0, 5]])) == "Concept('672', 'Gene', 'BRCA1', 1 mentions)"


def test_relations_have_no_direction(nlp):
    one, other = Concept("MESH:D2"), Concept("D1")
    assert Relation(one, other, "Bind").pair == Relation(other, one, "Bind").pair == ("D1", "D2")
    assert Relation(one, other, "Bind").pair_probability is None


@pytest.mark.parametrize(
    "wrong", [{}, {"source": "672"}, {"source": "1", "target": "2", "type": "Bind", "sort": 1}, 5, {"source": 1}]
)
def test_what_is_no_relation_is_refused(wrong, nlp):
    doc = make_doc(nlp)
    with pytest.raises(InputError, match="not a relation"):
        doc._.relations = [wrong]
    assert len(doc._.relations) == 2


def test_relations_name_concepts_by_their_identifiers(nlp):
    doc = make_doc(nlp)
    doc._.relations = [{"source": "D001943", "target": "99", "type": "Bind"}]
    (relation,) = doc._.relations
    assert relation.source == doc._.concepts[2]
    assert relation.target == Concept("99")


def test_concepts(nlp):
    doc = make_doc(nlp)
    gene, other, disease, cancer, odd = doc._.concepts
    assert (gene.id, gene.type, gene.name) == ("672", "GeneOrGeneProduct", "BRCA1")
    assert other.mentions == [[10, 14], [40, 44]]
    assert [span.text for span in other.spans(doc)] == ["TP53", "TP53"]
    assert (disease.id, disease.key) == ("MESH:D001943", "D001943")
    assert cancer.mentions == odd.mentions == [list(spans_of("cancer"))]
    # The same number, but a disease here.
    assert (odd.id, odd.type) == ("7157", "DiseaseOrPhenotypicFeature")
    assert copy.deepcopy(gene) == pickle.loads(pickle.dumps(gene)) == gene


def test_concepts_have_spans_where_tokens_were_merged(nlp):
    doc = nlp("breast cancer 1 gene")
    doc.ents = [Span(doc, 2, 3, label="Gene", kb_id="1"), Span(doc, 0, 2, label="Disease", kb_id="2")]
    concepts = doc._.concepts
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1:4])
    assert [[span.text for span in concept.spans(doc)] for concept in concepts] == [
        ["breast cancer 1 gene"],
        ["cancer 1 gene"],
    ]


@pytest.mark.parametrize("identifier", [None, ""])
def test_a_document_can_be_given_no_id(identifier, nlp, tmp_path):
    doc = make_doc(nlp)
    doc._.document_id = identifier
    assert doc._.document_id == ""
    assert through_file(doc, nlp, tmp_path)._.document_id == ""


def test_fields_of_relations_and_concepts_are_read_only_attributes(nlp):
    relation = make_doc(nlp)._.relations[0]
    assert {key: getattr(relation, key) for key in relation} == relation
    assert {key: getattr(relation.source, key) for key in relation.source} == relation.source
    with pytest.raises(AttributeError):
        relation.type = "Bind"
    assert not hasattr(relation, "sort")


def test_mentions_without_identifier_are_no_concepts(nlp):
    doc = nlp("one two three four")
    doc.ents = [Span(doc, i, i + 1, label="Gene", kb_id=name) for i, name in enumerate(["", "-", "-1", "None"])]
    assert doc._.concepts == []
    assert doc._.candidates == []


def test_candidates(nlp):
    doc = make_doc(nlp)
    pairs = {(one.id, other.id) for one, other in doc._.candidates}
    assert pairs == {
        ("672", "7157"),
        ("7157", "7157"),  # mentioned twice, so that it can be related to itself
        ("672", "MESH:D001943"),
        ("7157", "MESH:D001943"),
        ("672", "D009369"),
        ("7157", "D009369"),
        ("672", "7157"),
    }
    species = nlp("mouse rat")
    species.ents = [Span(species, i, i + 1, label="Species", kb_id=str(i)) for i in range(2)]
    assert species._.candidates == []


@pytest.fixture(params=["before", "after"])
def taken(request):
    """Another package has taken `doc._.relations` and `doc._.document_id`, before or after ours."""
    mine = {name: Doc.get_extension(name) for name in ("relations", "document_id")}
    for name, default in (("relations", []), ("document_id", "theirs")):
        Doc.set_extension(name, default=default, force=True)
    if request.param == "before":
        with pytest.warns(UserWarning, match="is not that of embre_spacy"):
            register_extensions()
    yield
    for name, (_, _, getter, setter) in mine.items():
        Doc.set_extension(name, getter=getter, setter=setter, force=True)


@pytest.mark.parametrize("suffix", ["json", "spacy", "pubtator"])
def test_what_is_written_does_not_depend_on_names_that_others_take(suffix, nlp, taken, tmp_path):
    doc = nlp(TEXT)
    doc.ents = [doc.char_span(*spans_of("BRCA1"), label="Gene", kb_id="672")]
    set_document_id(doc, "mine")
    set_relations(doc, [{"source": "672", "target": "672", "type": "Bind"}])
    assert doc._.relations == [] and doc._.document_id == "theirs"
    embre_spacy.write([doc], tmp_path / f"a.{suffix}")
    (again,) = embre_spacy.read(tmp_path / f"a.{suffix}", nlp.vocab)
    assert [relation.type for relation in get_relations(again)] == ["Bind"]
    assert get_document_id(again) == "mine"
