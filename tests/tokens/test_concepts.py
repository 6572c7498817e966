"""Which mentions of a document are one concept, and which concept an identifier names."""

import pytest
from spacy.tokens import Doc, Span

from embre_spacy.tokens import ConceptIndex

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
