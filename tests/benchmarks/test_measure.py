"""The benchmark measures what it says, and its page says what it measured."""

import json
from itertools import islice

import pytest
import spacy
import torch
from encoders import make_tiny_encoder
from spacy.tokens import Doc
from spacy.training import Example
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.measure import ratio, time_in_turn
from benchmarks.parts import BenchmarkedPipeline
from benchmarks.report import describe, make_page
from embre_spacy import read
from embre_spacy.errors import EmbreError
from embre_spacy.relation.model import get_network
from embre_spacy.tokens import copy_mentions

ENCODER = {"@architectures": "embre_spacy.DocumentEncoder.v1", "overlap": 16, "precision": "float32"}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, sample_dir):
    """The folder of a pipeline that knows nothing, but has all parts."""
    folder = tmp_path_factory.mktemp("benchmark")
    encoder = make_tiny_encoder(folder / "tiny", max_positions=256)
    nlp = spacy.blank("en")
    nlp.add_pipe("embre_relation", config={"model": {"encoder": {**ENCODER, "name": str(encoder)}}})
    examples = [Example(copy_mentions(doc), doc) for doc in islice(read(sample_dir / "dev.xml", nlp.vocab), 5)]
    nlp.initialize(lambda: examples)
    nlp.config["training"]["batcher"] = {"@batchers": "spacy.batch_by_sequence.v1", "size": 2, "get_length": None}
    nlp.to_disk(folder / "pipeline")
    return folder / "pipeline"


def test_everything_is_measured_and_reported(pipeline, sample_dir, tmp_path):
    output, page = tmp_path / "found.json", tmp_path / "page.md"
    arguments = [str(pipeline), str(sample_dir / "dev.xml"), "--repeats", "1", "--sample", "2"]
    done = CliRunner().invoke(app, [*arguments, "--output", str(output), "--report", str(page)])
    assert done.exit_code == 0, done.output
    found = json.loads(output.read_text())
    n_documents = len(list(read(sample_dir / "dev.xml", spacy.blank("en").vocab)))
    assert found["inference"]["documents"] == found["memory"]["documents"] == n_documents
    assert found["memory"]["more_documents"] == 10 * n_documents
    assert found["inference"]["wordpieces"] > found["inference"]["wordpieces_of_text"] > 0
    assert found["full_text"]["characters"] >= 50_000 and found["full_text"]["windows"] > 10
    seconds = found["full_text"]["seconds"]
    assert found["full_text"]["full_text_to_abstracts"] == ratio(seconds["abstracts"], seconds["full_text"])
    for name in ("full_text", "abstracts"):
        rate = found["full_text"][f"{name}_wordpieces_per_second"]
        assert rate == pytest.approx(found["full_text"]["wordpieces"] / seconds[name][0])
    assert found["training"]["steps"] == 2 and found["training"]["documents"] == 4
    assert not found["start"]["import_imports_torch"]
    ratios = [
        found["inference"]["pipe_to_bare"],
        found["pairs"]["pipe_to_pairs"],
        found["full_text"]["full_text_to_abstracts"],
        found["training"]["step_to_bare"],
    ]
    assert all(one > 0 for one in ratios)
    assert page.read_text() == make_page(found, "figures/page.svg")
    assert (tmp_path / "figures" / "page.svg").read_text().startswith("<?xml")
    for name, value in describe(found):
        assert f"{name}: {value}" in done.output


def test_the_bare_transformer_gets_what_the_pipeline_gives_it(pipeline, sample_dir):
    parts = BenchmarkedPipeline.find(spacy.load(pipeline))
    docs = [copy_mentions(doc) for doc in islice(read(sample_dir / "dev.xml", parts.nlp.vocab), 4)]
    given = []
    handle = parts.encoder.transformer.register_forward_pre_hook(
        lambda module, arguments, inputs: given.append(inputs), with_kwargs=True
    )
    list(parts.nlp.pipe(docs))
    handle.remove()
    made = parts.make_inputs(docs)
    assert len(given) == len(made)
    for expected, found in zip(given, made):
        assert expected.keys() == found.keys()
        assert all((expected[name] == found[name]).all() for name in expected)


def test_wordpieces_that_windows_share_count_once(pipeline, sample_dir):
    parts = BenchmarkedPipeline.find(spacy.load(pipeline))
    docs = [copy_mentions(doc) for doc in islice(read(sample_dir / "dev.xml", parts.nlp.vocab), 4)]
    whole = copy_mentions(Doc.from_docs(docs, exclude=["user_data"]))
    windows = parts.make_inputs([whole], with_tags=False)
    assert len(windows) > 2
    assert parts.count_wordpieces([whole]) == sum(parts.count_wordpieces([doc]) for doc in docs)
    assert 0 < parts.count_wordpieces([whole]) < sum(inputs["input_ids"].numel() - 2 for inputs in windows)


def test_the_pairs_component_stands_on_the_same_weights(pipeline, sample_dir):
    parts = BenchmarkedPipeline.find(spacy.load(pipeline))
    pairs = parts.make_pairs_component()
    doc = copy_mentions(next(read(sample_dir / "dev.xml", parts.nlp.vocab)))
    assert get_network(pairs.model).encoder.transformer is parts.encoder.transformer
    [candidates], (types, _) = pairs.predict([doc])
    assert len(candidates) == len(types) == len(parts.component.candidates(doc)) > 0


def test_pipelines_without_a_document_encoder_are_refused(tmp_path, sample_dir):
    nlp = spacy.blank("en")
    nlp.add_pipe("embre_relation")
    with pytest.raises(EmbreError, match="trained document encoder"):
        BenchmarkedPipeline.find(nlp)


def test_times_are_taken_in_turn():
    order = []
    seconds = time_in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3 and [len(found) for found in seconds.values()] == [2, 2]
    assert ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0]) == 3.0


def test_times_on_a_gpu_are_those_of_what_it_did(monkeypatch):
    order = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: order.append("wait"))
    time_in_turn({"a": lambda: order.append("a")}, 1, device=torch.device("cuda"))
    assert order == ["wait", "a", "wait"] * 2
    order.clear()
    time_in_turn({"a": lambda: order.append("a")}, 1, device=torch.device("cpu"))
    assert order == ["a", "a"]


def test_the_page_keeps_the_sign_of_uncommitted_code(project_root):
    found = json.loads((project_root / "docs" / "performance.json").read_text(encoding="utf8"))
    found["run"]["commit"] = "0123456789abcdef+"
    assert "commit 0123456789+, seed" in make_page(found, "figures/performance.svg")


def test_the_page_in_the_docs_is_what_was_measured(project_root):
    docs = project_root / "docs"
    found = json.loads((docs / "performance.json").read_text(encoding="utf8"))
    assert (docs / "performance.md").read_text(encoding="utf8") == make_page(found, "figures/performance.svg")
