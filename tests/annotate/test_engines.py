"""Engines: one process, several and Ray give the same outputs, whatever dies, and touch nothing of the program."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import replace

import pytest
import spacy
from annotate_files import block, pubtator, written

from embre_spacy.annotate import run as run_module
from embre_spacy.annotate.engines import run_local, run_ray
from embre_spacy.errors import EmbreError
from embre_spacy.formats import read


@pytest.fixture
def files(tmp_path, small_units):
    """Files that are cut, with bad documents and an id that comes again, and one that is small."""
    names = []
    for number in range(3):
        text = pubtator(range(number * 49, (number + 1) * 50)) + "\n7|t|x\nwrong\n\n" + block(3)
        (tmp_path / f"{number}.pubtator").write_text(text)
        names.append(f"{number}.pubtator")
    (tmp_path / "3.pubtator").write_text(block(500))
    return [*names, "3.pubtator"]


@pytest.mark.parametrize("output, to", [("spacy", None), ("/", "bioc-xml")])
def test_two_processes_say_the_same_as_one(output, to, run, files, nlp, tmp_path):
    names = ("one/", "two/") if output == "/" else (f"one.{output}", f"two.{output}")
    one = run(*files, names[0], to=to, batch_size=8)
    two = run(*files, names[1], to=to, batch_size=3, n_process=2)
    assert one[:5] == (*two[:3], one.rejects, two.predicted)
    if to is None:
        # Says more than bytes do.
        docs, others = (list(read(name, nlp.vocab)) for name in names)
        for doc, other in zip(docs, others, strict=True):
            assert doc._.relations == other._.relations and doc.user_data == other.user_data
    assert written(tmp_path / names[1]) == written(tmp_path / names[0])


def predict_apart(engine):
    """An engine that keeps prediction apart from what comes before and after, as it does for a GPU."""
    return lambda options, units, meter: engine(replace(options, is_split=True), units, meter)


@pytest.mark.parametrize("poison", [(), (3, 77)])
def test_prediction_in_a_process_of_its_own_changes_nothing(
    poison, run, files, fragile_model, installed_candidates, tmp_path, monkeypatch
):
    for number in poison:
        text = (tmp_path / "1.pubtator").read_text()
        (tmp_path / "1.pubtator").write_text(text.replace(f"\n{number}|t|Aspirin", f"\n{number}|t|POISON"))
    expected = run(*files, "one.jsonl", model=fragile_model)
    monkeypatch.setitem(run_module.ENGINES, "local", predict_apart(run_local))
    summary = run(*files, "two.jsonl", model=fragile_model, n_process=2, batch_size=4)
    assert summary[:3] == expected[:3] and summary.predicted == expected.predicted
    for name in ("one.jsonl", "one.jsonl.rejects.jsonl"):
        assert (tmp_path / name.replace("one", "two", 1)).read_bytes() == (tmp_path / name).read_bytes()
    run(*files, "one/", to="relations-csv", model=fragile_model)
    run(*files, "two/", to="relations-csv", model=fragile_model, n_process=2, batch_size=4)
    assert written(tmp_path / "two") == written(tmp_path / "one")


def test_children_of_the_program_are_left_alone(run, files, tmp_path):
    context = multiprocessing.get_context("spawn")
    failing = context.Process(target=exit, args=(3,))
    waiting = context.Process(target=time.sleep, args=(600,))
    waiting.start()
    try:
        run(*files, "out.csv", n_process=2, on_start=lambda size: failing.start())
        failing.join()
        assert failing.exitcode == 3 and waiting.is_alive()
    finally:
        waiting.kill()
        waiting.join()


@pytest.fixture(scope="module")
def ray_module():
    return pytest.importorskip("ray")


@pytest.fixture
def cluster(ray_module):
    ray_module.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield ray_module
    ray_module.shutdown()


def find_actors():
    psutil = pytest.importorskip("psutil")
    children = psutil.Process().children(recursive=True)
    return [process for process in children if "Annotator" in " ".join(process.cmdline())]


def test_a_worker_of_ray_that_is_killed_changes_nothing(cluster, run, files, tmp_path):
    expected = run(*files, "expected.xml")
    killed = []
    done = threading.Event()

    def kill_one():
        while not killed and not done.wait(0.01):
            if len(list((tmp_path / "out.xml.parts").glob("0*"))) > 5:
                for process in find_actors()[:1]:
                    process.kill()
                    killed.append(process.pid)

    thread = threading.Thread(target=kill_one)
    thread.start()
    try:
        summary = run(*files, "out.xml", engine="ray", actors=2)
    finally:
        done.set()
        thread.join()
    assert killed
    for name in ("out.xml", "out.xml.rejects.jsonl"):
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("out", "expected", 1)).read_bytes()
    assert summary[:3] == expected[:3] and summary.rejected == 9
    assert not (tmp_path / "out.xml.parts").exists()
    # What ran before goes on.
    assert cluster.is_initialized()


def test_ray_with_folders_and_other_storage(cluster, run, files, tmp_path, monkeypatch):
    expected = run(*files, "expected/", to="relations-csv")
    source = f"file://{tmp_path}"
    monkeypatch.setitem(run_module.ENGINES, "ray", predict_apart(run_ray))
    summary = run(f"{source}/0.pubtator", *files[1:], f"{source}/out/", to="relations-csv", engine="ray")
    assert summary[:3] == expected[:3]
    for path in (tmp_path / "expected").iterdir():
        text = (tmp_path / "out" / path.name).read_text()
        assert text.replace(f"{source}/0.pubtator", "0.pubtator") == path.read_text()
    assert sorted(written(tmp_path / "out")) == sorted(written(tmp_path / "expected"))


def test_ray_that_was_started_here_ends_and_leaves_no_settings(ray_module, run, tmp_path):
    import ray.data

    def process_state():
        levels = [logging.getLogger(name).level for name in ("ray", "ray.data")]
        return levels, signal.getsignal(signal.SIGTERM), os.environ.get("PYTHONBREAKPOINT")

    context = ray.data.DataContext.get_current()
    context.max_errored_blocks, of_process = 7, process_state()
    before = context.enable_progress_bars, context.execution_options.preserve_order
    (tmp_path / "a.pubtator").write_text(block(1))
    try:
        assert run("a.pubtator", "out.csv", engine="ray").documents == 1
        assert not ray_module.is_initialized()
        assert context.max_errored_blocks == 7 and process_state() == of_process
        assert (context.enable_progress_bars, context.execution_options.preserve_order) == before
    finally:
        context.max_errored_blocks = 0


def test_what_an_actor_refuses_is_an_error_in_one_line(cluster, run, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    (tmp_path / "a.pubtator").write_text(block(1))
    with pytest.raises(EmbreError, match="the pipeline has no component embre_relation") as error:
        run("a.pubtator", "out.csv", model=str(tmp_path / "blank"), engine="ray")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.csv").exists()
