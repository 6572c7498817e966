"""Trained pipelines whose probabilities another learns from."""

import numpy
import pytest
import spacy

from embre_spacy.errors import EmbreError
from embre_spacy.relation.component import load_teacher
from embre_spacy.relation.teachers import Teachers


@pytest.fixture
def encoder_kind() -> str:
    return "document"


@pytest.fixture
def teacher(trained, tmp_path):
    """A pipeline that knows its examples by heart, and the folder that it lies in."""
    trained.to_disk(tmp_path / "teacher")
    return trained, tmp_path / "teacher"


def read(nlp, examples):
    """The documents of examples, and their candidates."""
    docs = [example.predicted for example in examples]
    return docs, [nlp.get_pipe("embre_relation").candidates(doc) for doc in docs]


def predict(nlp, examples):
    return nlp.get_pipe("embre_relation").predict([example.predicted for example in examples])[1]


def start(nlp, examples, teachers, labels):
    """Initialize a pipeline as `spacy train` does, by its config."""
    nlp.config["initialize"]["components"]["embre_relation"] = {"teachers": teachers, "labels": labels}
    return nlp.initialize(lambda: examples)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_pipeline_learns_what_teachers_say_and_what_gold_says(make_nlp, make_examples, teacher, weight):
    teaching, folder = teacher
    spacy.util.fix_random_seed(0)
    nlp = make_nlp(teacher_weight=weight)
    examples = make_examples(nlp)
    for relation in examples[1].reference._.relations:
        relation.update(type="Bind", novelty="No")
    optimizer = start(nlp, examples, [str(folder)], teaching.get_pipe("embre_relation").label_data)
    optimizer.learn_rate = 0.0005
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    relations = nlp(examples[1].predicted.copy())._.relations
    said = {0.0: ("Bind", "No"), 1.0: ("Positive_Correlation", "Novel")}
    assert [(relation.type, relation.novelty) for relation in relations] == [said[weight]]


def test_all_teachers_count_alike(make_nlp, make_examples, teacher, tmp_path):
    teaching, folder = teacher
    spacy.util.fix_random_seed(1)
    other = make_nlp()
    examples = make_examples(other)
    labels = teaching.get_pipe("embre_relation").label_data
    # One whose classes have another order, and that has learned nothing yet.
    start(other, examples, [], {name: names[::-1] for name, names in labels.items()})
    other.to_disk(tmp_path / "other")
    relation_types, novelty_labels = labels["labels"], labels["novelty_labels"]
    paths = {"folder": folder, "other": tmp_path / "other"}
    components = {name: load_teacher(path) for name, path in paths.items()}
    teachers = Teachers(components, relation_types=relation_types, novelty_labels=novelty_labels)
    docs, candidates = read(other, examples)
    means = teachers.predict(docs, candidates)
    types, novelties = (numpy.stack(both) for both in zip(predict(teaching, examples), predict(other, examples)))
    types[1, :, 1:] = types[1, :, :0:-1]
    novelties[1] = novelties[1, :, ::-1]
    numpy.testing.assert_allclose(means[0], types.mean(axis=0), atol=1e-6)
    numpy.testing.assert_allclose(means[1], novelties.mean(axis=0), atol=1e-6)
    # What they said before is said again, for documents in any order.
    again = teachers.predict(docs[::-1], candidates[::-1])
    sizes = numpy.cumsum([len(of_doc) for of_doc in candidates[::-1]])[:-1]
    for first, second in zip(means, again, strict=True):
        numpy.testing.assert_array_equal(first, numpy.concatenate(numpy.split(second, sizes)[::-1]))


def test_documents_without_candidates_have_no_opinions(make_examples, teacher):
    teaching, folder = teacher
    labels = teaching.get_pipe("embre_relation").label_data
    teachers = Teachers(
        {"folder": load_teacher(folder)}, relation_types=labels["labels"], novelty_labels=labels["novelty_labels"]
    )
    types, novelties = teachers.predict(*read(teaching, make_examples(teaching)[3:]))
    assert types.shape == (0, len(labels["labels"]) + 1) and novelties.shape == (0, len(labels["novelty_labels"]))


def test_teachers_are_not_saved(make_nlp, make_examples, teacher, tmp_path):
    nlp = make_nlp()
    examples = make_examples(nlp)
    start(nlp, examples, [str(teacher[1])], None)
    nlp.to_disk(tmp_path / "taught")
    loaded = spacy.load(tmp_path / "taught")
    for probabilities, expected in zip(predict(loaded, examples), predict(nlp, examples), strict=True):
        numpy.testing.assert_array_equal(probabilities, expected)


def test_a_teacher_that_is_not_there(make_nlp, make_examples, tmp_path):
    nlp = make_nlp()
    with pytest.raises(EmbreError, match="nowhere: no pipeline can be loaded from there"):
        start(nlp, make_examples(nlp), [str(tmp_path / "nowhere")], None)


def test_a_pipeline_without_the_component_is_no_teacher(make_nlp, make_examples, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    nlp = make_nlp()
    with pytest.raises(EmbreError, match="blank: the pipeline has no component embre_relation"):
        start(nlp, make_examples(nlp), [str(tmp_path / "blank")], None)


def test_a_teacher_of_other_relation_types(make_nlp, make_examples, teacher):
    nlp = make_nlp()
    labels = {"labels": ["Bind"], "novelty_labels": ["No", "Novel"], "entity_types": []}
    cause = "teacher: the teacher has the relation types Bind, Negative_Correlation, Positive_Correlation, and not Bind"
    with pytest.raises(EmbreError, match=cause):
        start(nlp, make_examples(nlp)[3:], [str(teacher[1])], labels)


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_a_weight_that_cannot_be(make_nlp, weight):
    with pytest.raises(EmbreError, match=f"`teacher_weight` of embre_relation must be between 0 and 1, not {weight}"):
        make_nlp(teacher_weight=weight)
