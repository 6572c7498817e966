"""One score: the counts of the official evaluation (see also tests/test_evaluation.py)."""

import pickle

import pytest
from relation_docs import make_doc
from spacy.training import Example
from spacy.vocab import Vocab

from embre_spacy.relation.scoring import count_relations, create_relation_scorer
from embre_spacy.tokens import Concept, Relation


def relation(source, target, type="Association", novelty="Novel", types=("GeneOrGeneProduct", "ChemicalEntity")):
    return Relation(Concept(source, types[0]), Concept(target, types[1]), type, novelty)


def numbers(counts, level):
    return tuple(counts[level][key] for key in ("tp", "fp", "fn"))


def test_pairs_are_unordered_and_counted_once():
    gold = [relation("1", "D1")]
    predicted = [relation("D1", "1"), relation("1", "D1", "Bind")]
    counts = count_relations([(gold, predicted)])
    assert numbers(counts, "pair") == (1, 0, 0)
    assert numbers(counts, "type") == (1, 1, 0)


def test_levels_ask_for_more_and_more():
    gold = [relation("1", "D1"), relation("2", "D1"), relation("3", "D1")]
    predicted = [relation("1", "D1", "Bind"), relation("2", "D1", novelty="No"), relation("4", "D1")]
    counts = count_relations([(gold, predicted)])
    assert numbers(counts, "pair") == (2, 1, 1)
    assert numbers(counts, "type") == (1, 2, 2)
    assert numbers(counts, "novelty") == (1, 2, 2)
    assert numbers(counts, "all") == (0, 3, 3)


def test_the_counts_of_parts_add_up():
    gold = [relation("1", "D1"), relation("2", "D1", "Bind"), relation("2", "3", types=("GeneOrGeneProduct",) * 2)]
    predicted = [relation("1", "D1", "Bind"), relation("2", "D1", "Bind"), relation("4", "D1", "Bind")]
    counts = count_relations([(gold, predicted)])
    assert counts["type"]["per_relation_type"]["Bind"] == pytest.approx(
        {"gold": 1, "tp": 1, "fp": 2, "fn": 0, "p": 1 / 3, "r": 1.0, "f": 0.5}
    )
    assert list(counts["type"]["per_relation_type"]) == ["Association", "Bind"]
    for level, of_level in counts.items():
        assert ("per_relation_type" in of_level) == (level in {"type", "all"})
        assert list(of_level["per_entity_type_pair"]) == [
            "ChemicalEntity|GeneOrGeneProduct",
            "GeneOrGeneProduct|GeneOrGeneProduct",
        ]
        for key in ("tp", "fp", "fn"):
            assert sum(part[key] for part in of_level["per_entity_type_pair"].values()) == of_level[key]


def test_the_scorer_names_scores_as_the_training_loop_does():
    vocab = Vocab()
    predicted, reference = make_doc(vocab), make_doc(vocab)
    predicted._.relations = [
        {**gold, "type": "Bind"} if gold.type == "Negative_Correlation" else gold for gold in reference._.relations
    ]
    scorer = pickle.loads(pickle.dumps(create_relation_scorer()))
    scores = scorer([Example(predicted, reference)], name="embre_relation")
    assert scores["relation_pair_f"] == scores["relation_novelty_p"] == 1.0
    assert scores["relation_type_r"] == scores["relation_type_accuracy"] == pytest.approx(2 / 3)
    # Bind has one right of two, Negative_Correlation none, Positive_Correlation one of one.
    assert scores["relation_type_macro_f"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert scores["relation_all_per_type"]["Bind"] == pytest.approx({"p": 0.5, "r": 1.0, "f": 2 / 3})
    assert scores["relation_pair_per_type_pair"]["ChemicalEntity|GeneOrGeneProduct"] == {"p": 1.0, "r": 1.0, "f": 1.0}
    # Other pairs of entity types may be left out.
    scorer = create_relation_scorer([("ChemicalEntity", "DiseaseOrPhenotypicFeature")])
    assert scorer([Example(predicted, reference)])["relation_type_accuracy"] == 1.0


def test_types_that_are_not_evaluated_are_left_out_on_both_sides():
    unscored = relation("1", "9606", types=("GeneOrGeneProduct", "OrganismTaxon"))
    counts = count_relations([([unscored], [unscored, relation("1", "D1")])])
    assert numbers(counts, "pair") == (0, 1, 0)
    assert numbers(count_relations([([unscored], [])], unscored_type_pairs=[]), "pair") == (0, 0, 1)


def test_no_relations_at_all_score_zero_without_an_error():
    counts = count_relations([([], [])])
    assert counts["pair"]["f"] == counts["pair"]["p"] == counts["pair"]["r"] == 0.0


def test_prefixes_of_identifiers_do_not_matter():
    assert numbers(count_relations([([relation("1", "D1")], [relation("1", "MESH:D1")])]), "all") == (1, 0, 0)


def test_gold_relations_that_are_no_candidates_are_missed(trained):
    reference = make_doc(trained.vocab)
    reference._.relations.append(
        Relation(Concept("9606", "OrganismTaxon"), Concept("D001241", "ChemicalEntity"), "Association", "Novel")
    )
    predicted = trained(make_doc(trained.vocab))
    assert numbers(count_relations([(reference._.relations, predicted._.relations)]), "pair")[2] == 1
