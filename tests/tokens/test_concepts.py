"""Which mentions of a document are one concept, which concept an identifier names, and what relations are read from."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from embre_spacy.tokens import Concept, ConceptIndex, Mention, Relation, build_tokenizer, get_sentences, set_mentions

L8V = "p|SUB|L|8|V"


def index_of(vocab, *identifiers, labels=()):
    doc = Doc(vocab, words=[f"m{number}" for number in range(len(identifiers))])
    labels = labels or ["Variant"] * len(identifiers)
    doc.ents = [Span(doc, n, n + 1, label=labels[n], kb_id=identifier) for n, identifier in enumerate(identifiers)]
    return ConceptIndex(doc)


def groups(vocab, *identifiers):
    """The mentions of each concept, by their numbers."""
    return [[start // 3 for start, _ in concept.mentions] for concept in index_of(vocab, *identifiers).concepts]


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        # The same change of two genes; of one gene; of a gene, and of one that is not said.
        ([f"tmVar:{L8V};CorrespondingGene:41", f"tmVar:{L8V};CorrespondingGene:42"], [[0], [1]]),
        ([f"tmVar:{L8V};CorrespondingGene:41", f"{L8V};Gene:41;VariantGroup:5"], [[0, 1]]),
        ([f"tmVar:{L8V};CorrespondingGene:41", L8V], [[0, 1]]),
        ([L8V, f"tmVar:{L8V};CorrespondingGene:41", f"tmVar:{L8V};CorrespondingGene:42"], [[0, 1], [2]]),
        # The fields in any order, and fewer of them.
        ([f"tmVar:{L8V};HGVS:p.L8V;VariantGroup:1", "CorrespondingGene:41;HGVS:p.L8V"], [[0, 1]]),
        (["p.L8V", "RS#:12;CorrespondingGene:41", "rs12", "HGVS:p.L8V;RS#:12"], [[0, 1, 2, 3]]),
        ([L8V, "HGVS:p.L8V", f"HGVS:p.L8V;tmVar:{L8V}"], [[0, 1, 2]]),
        # What tells most decides.
        (["HGVS:p.L8V;RS#:12", "HGVS:p.L8V;RS#:34"], [[0], [1]]),
        (["CorrespondingGene:41;HGVS:p.L8V", "CorrespondingGene:41;HGVS:p.Q9H"], [[0], [1]]),
    ],
)
def test_variants(identifiers, expected, vocab):
    assert groups(vocab, *identifiers) == expected


def test_an_identifier_finds_concepts_of_every_type(vocab):
    concepts = index_of(vocab, "MESH:D7", "7", "NCBI Gene:7", labels=["Disease", "Species", "Gene"])
    assert [concept.id for concept in concepts.find("7")] == ["7", "NCBI Gene:7"]
    assert [concept.id for concept in concepts.find("mesh:D7")] == ["MESH:D7"]
    assert concepts.find("D8") == []


def test_an_identifier_finds_the_variant_that_any_mention_describes(vocab):
    concepts = index_of(vocab, L8V, f"HGVS:p.L8V;tmVar:{L8V};CorrespondingGene:41", f"{L8V};Gene:42;VariantGroup:0")
    first, second = concepts.concepts
    assert first.id == L8V
    assert concepts.find("HGVS:p.L8V;CorrespondingGene:41") == [first]
    assert concepts.find(f"CorrespondingGene:42;tmVar:{L8V}") == [second]
    assert concepts.find(L8V) == [first, second]
    assert concepts.find(f"CorrespondingGene:43;tmVar:{L8V}") == []


TEXT = "Salt is old. Sugar, they say, and gum lower fever. Gum is new. Salt raises fever in mice. Salt is dear."


def doc_with(vocab, *names):
    """A document whose words of these names are mentions of one concept each."""
    doc = build_tokenizer(vocab)(TEXT)
    places = [(start, start + len(name)) for name in names for start in find_all(TEXT.lower(), name)]
    set_mentions(doc, [Mention(*place, "Chemical", TEXT[slice(*place)].upper()) for place in places])
    return doc


def find_all(text, word):
    return [start for start in range(len(text)) if text.startswith(word, start)]


def evidence(doc, source, target):
    doc._.relations = [{"source": source, "target": target, "type": "Association"}]
    (relation,) = doc._.relations
    found = relation.evidence(doc)
    assert found == relation.evidence(doc, get_sentences(doc))
    assert [doc.text[one.start_char : one.end_char] for one in found] == [one.text for one in found]
    return [one.text for one in found]


def test_evidence_is_one_sentence_with_both_if_there_is_one(vocab):
    doc = doc_with(vocab, "salt", "sugar", "fever", "gum")
    assert evidence(doc, "SALT", "FEVER") == ["Salt raises fever in mice."]
    # Gum and sugar are nearest to each other in it; gum is nearer to salt in another, but not in one sentence.
    assert evidence(doc, "GUM", "SUGAR") == ["Sugar, they say, and gum lower fever."]
    assert evidence(doc, "SALT", "SUGAR") == ["Salt is old.", "Sugar, they say, and gum lower fever."]
    assert evidence(doc, "GUM", "SALT") == ["Gum is new.", "Salt raises fever in mice."]


def test_evidence_of_a_concept_with_itself_has_two_of_its_mentions(vocab):
    doc = doc_with(vocab, "salt", "sugar")
    assert evidence(doc, "SALT", "SALT") == ["Salt raises fever in mice.", "Salt is dear."]
    assert evidence(doc, "SUGAR", "SUGAR") == ["Sugar, they say, and gum lower fever."]


@settings(max_examples=60, deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 11), st.booleans()), min_size=2, unique_by=lambda place: place[0]))
def test_evidence_is_that_of_the_nearest_of_all_pairs(places, vocab):
    sentences = [(0, 5), (6, 13), (14, 19), (20, 23)]
    doc = Doc(vocab, words=["w"] * 12)
    sides = [[[2 * place, 2 * place + 1] for place, side in places if side == wanted] for wanted in (False, True)]
    source, target = (Concept(name, mentions=side) for name, side in zip("ab", sides))
    found = Relation(source, target, "Bind").evidence(doc, sentences)
    ranked = []
    for first, second in product(*sides):
        numbers = {sum(start <= one[0] for start, _ in sentences) - 1 for one in (first, second)}
        ranked.append((len(numbers), abs(first[0] - second[0])))
    assert len(found) == (min(ranked)[0] if ranked else 0)
    within = [one for one in (*sides[0], *sides[1]) if any(s.start_char <= one[0] < s.end_char for s in found)]
    gaps = [abs(a[0] - b[0]) for a, b in product(*([one for one in within if one in side] for side in sides))]
    assert not ranked or min(ranked)[1] == min(gaps)


def test_evidence_holds_mentions_across_sentences(vocab):
    doc = build_tokenizer(vocab)(TEXT)
    set_mentions(doc, [Mention(0, 18, "Chemical", "D1"), Mention(TEXT.index("Gum"), 54, "Chemical", "D2")])
    assert evidence(doc, "D1", "D2") == ["Salt is old.", "Sugar, they say, and gum lower fever.", "Gum is new."]


def test_there_is_no_evidence_where_a_concept_is_not_mentioned(vocab):
    doc = doc_with(vocab, "salt")
    assert evidence(doc, "SALT", "D7") == evidence(doc, "D7", "D7") == []
    assert Relation(Concept("D7"), Concept("D7"), "Bind").evidence(Doc(vocab)) == []


def test_evidence_is_whole_where_tokens_are_merged(vocab):
    doc = doc_with(vocab, "salt", "fever")
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[:5])
    assert evidence(doc, "SALT", "FEVER") == ["Salt raises fever in mice."]
