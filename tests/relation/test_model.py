"""The model in threads and processes: predicting changes nothing that others see, importing nothing at all."""

import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import spacy
import torch
from relation_docs import MENTIONS, count_threads_of, make_doc, outcome
from spacy.language import Language

from embre_spacy.relation.model import get_network
from embre_spacy.tokens import copy_mentions


@pytest.fixture
def pipe(make_nlp, make_examples):
    nlp = make_nlp(model={"dropout": 0.5})
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    return nlp.get_pipe("embre_relation")


def test_threads_predict_beside_each_other(pipe):
    doc = make_doc(pipe.vocab)
    batch = pipe.prepare([doc])
    expected = pipe.classify(batch)
    network = get_network(pipe.model)
    modes = []
    # The mode that a thread finds while another is in the middle of a prediction.
    network.relation.register_forward_hook(lambda *_: modes.append(network.training))
    start = threading.Barrier(4)

    def predict(_):
        start.wait()
        return [pipe.classify(batch) for _ in range(20)]

    with ThreadPoolExecutor(4) as executor:
        for scores in (scores for of_thread in executor.map(predict, range(4)) for scores in of_thread):
            for found, right in zip(scores, expected, strict=True):
                numpy.testing.assert_allclose(found, right, atol=1e-6)
    assert modes == [False] * 80


def test_the_network_learns_in_the_mode_of_training_alone(pipe, make_examples):
    network = get_network(pipe.model)
    batch = pipe.prepare([make_doc(pipe.vocab)], is_train=True)
    modes = []
    network.relation.register_forward_hook(lambda *_: modes.append(network.training))
    scores, backprop = pipe.model.begin_update(batch)
    backprop(tuple(pipe.model.ops.alloc2f(*found.shape) for found in scores))
    assert modes == [True] and not network.training
    # An update that was broken off is followed by predictions without dropout all the same.
    pipe.model.begin_update(batch)
    predictions = pipe.prepare([make_doc(pipe.vocab)])
    first, second = pipe.classify(predictions)[0], pipe.classify(predictions)[0]
    numpy.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("encoder_kind", ["document", "pairs"])
def test_training_has_batches_of_few_lengths(pipe):
    # For each length kernels are kept, which filled the memory step by step.
    lengths = {True: set(), False: set()}
    network = get_network(pipe.model)
    network.encoder.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: lengths[network.training].add(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    for count in range(8):
        doc = make_doc(pipe.vocab, "Aspirin lowers fever." + " It does." * count, MENTIONS[:1] + MENTIONS[2:3], [])
        pipe.model.begin_update(pipe.prepare([doc], is_train=True))
        pipe.predict([doc])
    assert lengths[True] <= {62, 64} and len(lengths[False]) == 8


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_what_is_loaded_is_drawn_by_nobody(pipe, make_nlp):
    data = pipe.to_bytes()
    other = make_nlp().get_pipe("embre_relation")
    state = torch.get_rng_state()
    other.from_bytes(data)
    assert torch.equal(torch.get_rng_state(), state)
    for (name, tensor), (_, right) in zip(
        get_network(other.model).state_dict().items(), get_network(pipe.model).state_dict().items(), strict=True
    ):
        assert torch.equal(tensor, right), name
    assert not any(buffer.is_meta for buffer in get_network(other.model).buffers())


FORK = """
import os, sys, torch
torch.set_num_threads(2)
before = dict(os.environ)
import spacy
nlp = spacy.blank("en")
nlp.add_pipe("embre_relation")
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
child = os.fork()
if not child:
    os._exit(torch.get_num_threads())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.forks
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("encoder_kind", ["document"])
def test_processes_that_others_fork_keep_their_threads(encoder_kind):
    assert subprocess.run([sys.executable, "-c", FORK], timeout=120).returncode == 2


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_pipelines_are_loaded_in_many_threads_at_once(pipe, make_nlp, tmp_path):
    nlp = make_nlp()
    folder = tmp_path / "model"
    nlp.get_pipe("embre_relation").from_bytes(pipe.to_bytes())
    nlp.to_disk(folder)
    expected = pipe.predict([make_doc(pipe.vocab)])[1][0]
    start = threading.Barrier(16)

    def load(_):
        start.wait()
        loaded = spacy.load(folder)
        return loaded.get_pipe("embre_relation").predict([make_doc(loaded.vocab)])[1][0]

    with ThreadPoolExecutor(16) as executor:
        for found in executor.map(load, range(16)):
            numpy.testing.assert_allclose(found, expected, atol=1e-6)
    # Others can make layers as before, with weights that are drawn.
    layer = torch.nn.Linear(3, 3)
    assert layer.weight.device.type == "cpu" and layer.weight.abs().sum() > 0


@pytest.mark.parametrize("encoder_kind", ["tokens"])
def test_a_component_that_is_sent_to_a_spawned_process_has_one_thread_there(pipe, encoder_kind):
    # What workers of `nlp.pipe(n_process=2)` are where processes are spawned: on Windows and macOS.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        before, alone = pool.apply(count_threads_of, (None,)), pool.apply(count_threads_of, (pipe,))
    assert (before, alone) == (2, 1)
    assert count_threads_of(pipe) == torch.get_num_threads()


@Language.component("count_threads")
def count_threads(doc):
    doc.user_data.setdefault("threads", []).append(torch.get_num_threads())
    return doc


@pytest.mark.forks
@pytest.mark.parametrize("encoder_kind", ["document"])
def test_workers_of_a_pipeline_have_one_thread_and_their_parent_keeps_its_own(make_nlp, make_examples):
    nlp = make_nlp(threshold=0.0)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    # Components before ours have threads as well.
    nlp.add_pipe("count_threads", name="before", first=True)
    nlp.add_pipe("count_threads", name="after")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        here = list(nlp.pipe([copy_mentions(example.reference) for example in examples]))
        there = list(nlp.pipe([copy_mentions(example.reference) for example in examples], n_process=2, batch_size=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert {tuple(doc.user_data["threads"]) for doc in here} == {(2, 2)}
    assert {tuple(doc.user_data["threads"]) for doc in there} == {(1, 1)}
    assert [outcome(doc) for doc in there] == [outcome(doc) for doc in here]
