"""What a pipeline is worth in detail."""

import numpy
import pytest
import spacy
from encoders import TOK2VEC
from relation_docs import make_doc, without_novelty
from spacy.training import Example

from embre_spacy.evaluation import evaluate_pipeline
from embre_spacy.tokens import copy_mentions
from experiments.measure import count_documents, evaluate_in_detail

MODEL = {"encoder": {"@architectures": "embre_spacy.TokenEncoder.v1"}, "tok2vec": TOK2VEC}


@pytest.fixture
def nlp():
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("embre_relation", config={"model": MODEL})
    return nlp


@pytest.fixture
def examples(nlp):
    references = [make_doc(nlp.vocab), make_doc(nlp.vocab, "Nothing is mentioned here.", [], [])]
    return [Example(copy_mentions(reference), reference) for reference in references]


def test_details_add_up_to_the_scores(nlp, examples):
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.005
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    gold = [example.reference for example in examples]
    pipe = nlp.get_pipe("embre_relation")
    pipe.cfg["threshold"] = 0.01
    details = evaluate_in_detail(nlp, gold)
    assert pipe.cfg["threshold"] == details["threshold"] == 0.01
    assert details["counts"] == evaluate_pipeline(nlp, gold)
    for level, counts in details["counts"].items():
        of_documents = numpy.sum([document[level] for document in details["documents"]], axis=0).tolist()
        assert of_documents == [counts["tp"], counts["fp"], counts["fn"]]
    assert details["gold_pairs"] == {"pairs": 3, "type_accuracy": 1.0, "novelty_accuracy": 1.0}
    assert details["best_threshold"]["all"] == 1.0


def test_a_corpus_without_novelty_is_evaluated(nlp, examples):
    nlp.initialize(lambda: without_novelty(examples))
    details = evaluate_in_detail(nlp, [example.reference for example in examples])
    assert details["gold_pairs"]["novelty_accuracy"] is None and details["gold_pairs"]["pairs"] == 3


def test_documents_are_counted_one_by_one(nlp):
    gold = make_doc(nlp.vocab)._.relations
    predicted = [{**gold[0], "type": "Bind"}, gold[1]]
    assert count_documents([("1", gold, [type(gold[0])(**one) for one in predicted]), ("2", [], gold[:1])]) == [
        {"id": "1", "pair": [2, 0, 1], "type": [1, 1, 2], "novelty": [2, 0, 1], "all": [1, 1, 2]},
        {"id": "2", "pair": [0, 1, 0], "type": [0, 1, 0], "novelty": [0, 1, 0], "all": [0, 1, 0]},
    ]
