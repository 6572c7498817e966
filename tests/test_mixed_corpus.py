"""Several corpora in one training: what each judges, and how often it is drawn."""

import json
from collections import Counter

import pytest
import spacy

from embre_spacy.corpus import create_mixed_corpus
from embre_spacy.errors import InputError
from embre_spacy.tokens import get_judged, get_mentions

YAML = """
corpora:
- name: signs
  file: signs.pubtator
  source: made up
  labels: {UP: {type: Positive_Correlation}, DOWN: {type: Negative_Correlation}, PART: {type: null}, NOT: {type: null}}
  type_pairs: [[ChemicalEntity, GeneOrGeneProduct]]
  negatives: true
  negatives_scope: sentence
  explicit_negatives: [NOT]
- name: teacher
  file: teacher-*.json
  negatives_weight: 0.25
  scores: true
"""
TEXT = "Aspirin lowers PTGS1. Fever came with ibuprofen, PTGS2 and TNF."
MENTIONS = [
    ("Aspirin", "Chemical", "C1"),
    ("PTGS1", "Gene", "1"),
    ("Fever", "Disease", "D1"),
    ("ibuprofen", "Chemical", "C2"),
    ("PTGS2", "Gene", "2"),
    ("TNF", "Gene", "3"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "corpora.yml").write_text(YAML, encoding="utf8")
    lines = [f"1|t|{TEXT}", "1|a|"]
    for name, type, identifier in MENTIONS:
        start = TEXT.index(name)
        lines.append(f"1\t{start}\t{start + len(name)}\t{name}\t{type}\t{identifier}")
    lines += ["1\tDOWN\tC1\t1", "1\tUP\tC1\t1", "1\tDOWN\tC1\t1", "1\tPART\tC2\t2", "1\tNOT\tC1\t3"]
    (tmp_path / "signs.pubtator").write_text("\n".join(lines) + "\n", encoding="utf8")
    write_teacher(tmp_path / "teacher-1.json", ["11"])
    write_teacher(tmp_path / "teacher-2.json", ["21", "22"])
    return tmp_path


def write_teacher(path, ids):
    documents = []
    for id in ids:
        annotations = [
            {
                "id": str(number),
                "infons": {"type": type, "identifier": identifier},
                "text": name,
                "locations": [{"offset": TEXT.index(name), "length": len(name)}],
            }
            for number, (name, type, identifier) in enumerate(MENTIONS)
        ]
        relation = {"type": "Association", "entity1": "C1", "entity2": "1", "score": "0.75"}
        passage = {"offset": 0, "text": TEXT, "annotations": annotations}
        documents.append({"id": id, "passages": [passage], "relations": [{"id": "R1", "infons": relation}]})
    path.write_text(json.dumps({"documents": documents}), encoding="utf8")


def take(folder, count=1, **arguments):
    examples = iter(create_mixed_corpus(folder / "corpora.yml", **arguments)(spacy.blank("en")))
    return [next(examples) for _ in range(count)]


def test_labels_silence_and_scope_of_a_corpus(folder):
    (example,) = take(folder, shares={"signs": 1})
    (relation,) = example.reference._.relations
    assert relation.pair == ("1", "C1") and relation.type == "Negative_Correlation"
    assert relation.type_probabilities == pytest.approx({"Negative_Correlation": 2 / 3, "Positive_Correlation": 1 / 3})
    # Chemical and gene in one sentence; not those of a label that means nothing, nor those of other sentences.
    assert get_judged(example.reference) == {("1", "C1"): 1.0, ("3", "C1"): 1.0, ("3", "C2"): 1.0}
    assert not example.predicted._.relations and len(get_mentions(example.predicted)) == 6


def test_scores_are_probabilities_and_silence_counts_less(folder):
    (example,) = take(folder, shares={"teacher": 1})
    (relation,) = example.reference._.relations
    assert relation.type_probabilities == {"Association": 0.75}
    judged = get_judged(example.reference)
    assert judged[("1", "C1")] == 1.0 and judged[("2", "C1")] == judged[("1", "D1")] == 0.25
    # Two genes may be related, a disease and itself may not.
    assert ("1", "2") in judged and len(judged) == 3 + 3 + 6 + 2 + 1


@pytest.mark.parametrize("score", ["high", "", None, [0.5], 10**400, "nan", "-0.1", 1.5])
def test_a_score_that_is_no_probability_is_named(score, folder):
    path = folder / "teacher-2.json"
    path.write_text(path.read_text(encoding="utf8").replace('"0.75"', json.dumps(score), 1), encoding="utf8")
    with pytest.raises(InputError) as error:
        take(folder, shares={"teacher": 1})
    cause = f"relation R1 has the score {score!r}, which is not a number from 0 to 1"
    assert str(error.value) == f"{path}: document 21: {cause}"


def test_documents_are_drawn_by_share_and_each_once_before_one_comes_again(folder):
    examples = take(folder, 400, shares={"signs": 1, "teacher": 3})
    counts = Counter(example.reference._.document_id for example in examples)
    assert 80 <= counts["1"] <= 120 and max(counts[id] for id in ("11", "21", "22")) - 100 <= 10
    teacher = [id for id in (example.reference._.document_id for example in examples) if id != "1"]
    assert all(len(set(teacher[start : start + 3])) == 3 for start in range(0, 297, 3))
    again = take(folder, 400, shares={"signs": 1, "teacher": 3})
    assert [example.text for example in again] == [example.text for example in examples]


def test_a_pipeline_learns_from_what_is_judged_alone(folder, tmp_path):
    from encoders import make_tiny_encoder

    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    encoder = {"@architectures": "embre_spacy.DocumentEncoder.v1", "precision": "float32", "overlap": 8}
    encoder["name"] = str(make_tiny_encoder(tmp_path / "encoder"))
    nlp.add_pipe("embre_relation", config={"model": {"encoder": encoder}})
    examples = take(folder, 4, shares={"signs": 1, "teacher": 1})
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.001
    losses = [nlp.update(examples, sgd=optimizer)["embre_relation"] for _ in range(40)]
    assert losses[-1] < losses[0] / 2


def test_corpora_of_several_files(folder, tmp_path):
    signs, teacher = YAML.split("- name: teacher")
    (folder / "elsewhere").mkdir()
    (folder / "corpora.yml").write_text(signs)
    (folder / "elsewhere" / "more.yml").write_text(
        f"corpora:\n- name: teacher{teacher}".replace("teacher-*", "../teacher-*")
    )
    paths = [str(folder / "corpora.yml"), str(folder / "elsewhere" / "more.yml")]
    examples = iter(create_mixed_corpus(paths, shares={"signs": 1, "teacher": 3})(spacy.blank("en")))
    assert {next(examples).reference._.document_id for _ in range(20)} == {"1", "11", "21", "22"}
    with pytest.raises(InputError, match=r"corpora\.yml, .*more\.yml: it has no corpus other"):
        next(iter(create_mixed_corpus(paths, shares={"other": 1})(spacy.blank("en"))))


@pytest.mark.parametrize(
    "yaml, shares, message",
    [
        ("corpora: [{name: a}]", {"a": 1}, "corpora.yml: corpora.0.file: Field required"),
        ("corpora: [{name: a", {"a": 1}, "corpora.yml: Invalid YAML"),
        ("corpora: [{name: a, file: no.xml}]", {"a": 1}, "corpus a: there is no file no.xml"),
        (YAML, {"b": 1}, "corpora.yml: it has no corpus b"),
        (YAML, {"signs": 0}, "corpora.yml: no corpus has a share"),
        (YAML.replace("PART", "PARTS"), {"signs": 1}, "signs.pubtator: document 1: corpus signs has no label 'PART'"),
    ],
)
def test_what_is_wrong_is_named(folder, yaml, shares, message):
    (folder / "corpora.yml").write_text(yaml, encoding="utf8")
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        take(folder, shares=shares)
    with pytest.raises(InputError, match="there is no such file of corpora"):
        take(folder / "nowhere", shares=shares)
