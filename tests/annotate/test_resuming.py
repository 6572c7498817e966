"""A run that was killed goes on where it was, and what it writes is what one run writes."""

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from annotate_files import pubtator
from spacy.language import Language
from spacy.util import minibatch

from embre_spacy.annotate.plan import differences, digest_of
from embre_spacy.errors import EmbreError, InputError


def shards(work):
    return sorted(path.relative_to(work).as_posix() for path in work.rglob("0*.jsonl") if path.parent != work)


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def files(tmp_path):
    """Three files, one packed, with bad documents and an id that comes again."""
    bad = "\n7|t|x\nwrong\n\n"
    (tmp_path / "a.pubtator").write_text(pubtator(range(230)) + bad + pubtator(range(230, 400)))
    (tmp_path / "b.pubtator.gz").write_bytes(gzip.compress(pubtator(range(390, 550)).encode()))
    (tmp_path / "c.pubtator").write_text(bad + pubtator([600]))
    return ["a.pubtator", "b.pubtator.gz", "c.pubtator"]


# A single output, and a folder of outputs with worker processes.
@pytest.mark.parametrize(
    "output, options, moments",
    [("out.xml", [], 3), ("out/", ["--to", "relations-csv", "--n-process", "2"], 1)],
)
def test_killed_and_started_again(output, options, moments, files, model, run, tmp_path):
    to = options[1] if options else None
    expected_output = f"expected{output[3:]}"
    run(*files, expected_output, to=to, shard_size=10)
    work = tmp_path / "out.parts" if options else tmp_path / "out.xml.parts"
    command = [sys.executable, "-m", "embre_spacy", "annotate", model, *files, output, "--shard-size", "10", *options]

    def start():
        return subprocess.Popen(
            [*command, "--batch-size", "8"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    # After how many shards; there are 58.
    for moment in sorted(random.Random(output).sample(range(1, 50), moments)):
        process = start()
        wait_for(lambda moment=moment: len(shards(work)) + 41 * bool(list(work.glob("0*.json"))) >= moment, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "out.xml").exists()
        before = {path: path.stat().st_mtime_ns for path in work.rglob("*.json*")}
        assert json.loads((work / "plan.json").read_text())["shard_size"] == 10
    summary = run(*files, output, to=to, shard_size=10)
    total = 561 if options else 551
    assert (summary.documents, summary.rejected) == (total, 2 if options else 12)
    # What was finished is not predicted again.
    assert 0 < summary.predicted <= 561 - 10 * (len(before) - 3)
    assert not work.exists()
    names = ["out.xml", "out.xml.rejects.jsonl"] if not options else [f"out/{name}" for name in os.listdir("expected")]
    for name in names:
        expected = tmp_path / name.replace("out", "expected", 1)
        assert (tmp_path / name).read_bytes() == expected.read_bytes(), name
    assert len(names) == (4 if options else 2)


def test_what_another_run_has_begun_is_not_mixed_in(run, files, fragile_model, model, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "embre_spacy", "annotate", model, *files, "out.csv", "--shard-size", "10"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    work = tmp_path / "out.csv.parts"
    wait_for(lambda: len(shards(work)) > 2, process)
    process.kill()
    process.communicate()
    (tmp_path / "c.pubtator").write_text(pubtator([600]))
    found = shards(work)
    for options, cause in [
        ({"shard_size": 10}, "the input c.pubtator has changed"),
        ({"shard_size": 9}, "the input c.pubtator has changed; shard_size was 10 and is 9"),
        ({"shard_size": 10, "model": fragile_model}, "the model is another; the input c.pubtator has changed"),
        ({"shard_size": 10, "to": "relations-tsv"}, "format was relations-csv and is relations-tsv"),
    ]:
        with pytest.raises(EmbreError, match="another run was begun here") as error:
            run(*files, "out.csv", **options)
        assert cause in str(error.value) and "--overwrite begins anew" in str(error.value)
    with pytest.raises(EmbreError, match="the inputs were 3 files and are 2"):
        run(*files[:2], "out.csv", shard_size=10)
    assert shards(work) == found
    run(*files, "expected.csv", shard_size=9)
    run(*files, "out.csv", shard_size=9, overwrite=True)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    assert not work.exists()


class Broken(Exception):
    """What ends a run."""


def break_off(run, *names, at, **options):
    """A run that ends when so many documents are predicted, and leaves what one that is killed leaves there."""

    def on_progress(progress):
        if progress.documents >= at:
            raise Broken

    with pytest.raises(Broken):
        run(*names, on_progress=on_progress, **options)


def written(output):
    """What is in a file, or in each file of a folder."""
    return {path.relative_to(output): path.read_bytes() for path in [output, *output.rglob("*")] if path.is_file()}


# As a path, by a link, by patterns, and on the storage of pyarrow.
@pytest.mark.parametrize(
    "source, output",
    [
        ("in", "in/out.jsonl"),
        ("in/", "in/deep/out/"),
        ("link", "in/deep/out.jsonl"),
        ("in", "link/out/"),
        ("in/**/*.*", "in/out.jsonl"),
        ("./i*/**/*.*", "in/out/"),
        ("file://{}/in", "file://{}/in/out.jsonl"),
        ("file://{}/in", "file://{}/in/deep/out/"),
    ],
)
def test_an_output_inside_the_input_is_no_input(source, output, run, tmp_path):
    if "://" in source:
        pytest.importorskip("pyarrow")
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.pubtator").write_text(pubtator(range(5)))
    (tmp_path / "in" / "deep" / "z.pubtator").write_text(pubtator(range(5, 10)) + "\n7|t|x\nwrong\n")
    (tmp_path / "link").symlink_to("in")
    options = {"to": "bioc-jsonl", "shard_size": 2}
    source, output = source.format(tmp_path), output.format(tmp_path)
    run(source, f"expected{output.rpartition('out')[2]}", **options)
    break_off(run, source, output, at=7, **options)
    summary = run(source, output, **options)
    assert (summary.documents, summary.rejected) == (10, 1) and 0 < summary.predicted < 6
    assert written(tmp_path / output.removeprefix("file://")) == written(tmp_path / f"expected{Path(output).suffix}")
    # The next run reads nothing that this one has written.
    assert run(source, output, overwrite=True, **options).documents == 10


def test_an_output_that_is_named_as_an_input_is_refused(run, tmp_path):
    for name in ("a.jsonl", "b.jsonl.rejects.jsonl"):
        (tmp_path / name).write_text("{}")
        with pytest.raises(InputError, match=f"{name}: it is an input too"):
            run(name, name.removesuffix(".rejects.jsonl"), overwrite=True)


def test_a_folder_for_the_outputs_of_its_own_files(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pubtator").write_text(pubtator(range(3)))
    assert run("in", "in/", to="relations-csv").documents == 3
    assert run("in/*.pubtator", "in/", to="relations-csv", overwrite=True).documents == 3


def test_a_shard_that_cannot_be_read_is_named(run, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(2)))
    (tmp_path / "b.pubtator").write_text(pubtator(range(2, 9)))
    break_off(run, "a.pubtator", "b.pubtator", "out.csv", at=4, shard_size=2)
    shard = tmp_path / "out.csv.parts" / "00000000" / "000000.jsonl"
    shard.unlink()
    with pytest.raises(InputError) as error:
        run("a.pubtator", "b.pubtator", "out.csv", shard_size=2)
    assert str(error.value) == f"{shard}: no such file or directory"


ENDED_WHEN_IT_HAD_BEGUN = """
import os, pathlib, sys
from embre_spacy.annotate import annotate
from embre_spacy.files import open_output

def end(size):
    with open_output(pathlib.Path("out.csv")):
        os._exit(9)

annotate(sys.argv[1], ["-"], "out.csv", from_format="pubtator", on_start=end)
"""


def test_what_a_killed_run_left_is_removed(run, model, tmp_path, monkeypatch):
    text = pubtator(range(4)).encode()
    command = [sys.executable, "-c", ENDED_WHEN_IT_HAD_BEGUN, model]
    assert subprocess.run(command, cwd=tmp_path, input=text).returncode == 9
    (tmp_path / ".other.part").write_text("not ours")
    # The work folder, standard input, and an output.
    assert len(list(tmp_path.iterdir())) == 4
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert run("-", "out.csv", from_format="pubtator").documents == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.part", "out.csv"]


@Language.factory("test_batches")
def make_batches(nlp, name):
    return Batches()


class Batches:
    """Remembers what the documents that it gets at once are called."""

    def __init__(self):
        self.found = []

    def __call__(self, doc):
        return doc

    def pipe(self, stream, *, batch_size, error_handler=None):
        for batch in minibatch(stream, batch_size):
            self.found.append([doc._.document_id for doc in batch])
            yield from batch


def test_batches_for_a_gpu_do_not_depend_on_where_the_run_began(model, tmp_path, monkeypatch):
    from embre_spacy.annotate import engine
    from embre_spacy.annotate.sources import find_sources

    monkeypatch.setattr(engine, "_REMEMBERED", 30)
    (tmp_path / "a.pubtator").write_text(pubtator(range(25)))
    (tmp_path / "b.pubtator").write_text(pubtator(range(100, 200)))
    sources = find_sources([str(tmp_path / "a.pubtator"), str(tmp_path / "b.pubtator")])
    nlp = spacy.load(model)
    nlp.add_pipe("test_batches", first=True)
    batches = nlp.get_pipe("test_batches")
    found = []
    for name, some in [("whole", sources), ("rest", sources[1:])]:
        batches.found = []
        targets = {source.index: str(tmp_path / f"{name}{source.index}.csv") for source in sources}
        settings = engine.Settings("relations-csv", str(tmp_path / name), targets, 40, 16, 1, True)
        engine.annotate_files(nlp, some, settings)
        found.append([batch for batch in batches.found if int(batch[0]) >= 100])
    assert found[0] == found[1]
    assert [len(batch) for batch in found[1]] == [16, 16, 8, 16, 16, 8, 16, 4]


def test_the_digest_is_that_of_the_pipeline_that_is_loaded(tmp_path, monkeypatch):
    package = tmp_path / "site" / "en_digest_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    info = tmp_path / "site" / "en_digest_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: en_digest_test\nVersion: 1.0\n")
    folder = tmp_path / "work" / "en_digest_test"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text("{}")
    monkeypatch.chdir(folder.parent)
    assert digest_of("en_digest_test") == digest_of(str(folder))
    # `spacy.load` takes a package first.
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert spacy.util.is_package("en_digest_test")
    assert digest_of("en_digest_test") == digest_of(str(package)) != digest_of(str(folder))


def test_differences_name_what_differs():
    plan = {"model": "a", "inputs": [["x", "pubtator", 1, "5"]], "device": "cpu"}
    assert differences(plan, plan) == []
    other = {**plan, "inputs": [["y", "pubtator", 1, "5"]], "device": "gpu"}
    assert differences(plan, other) == ["the input y stands where x was", "device was cpu and is gpu"]


def test_workers_end_with_a_parent_that_was_killed_and_a_worker_that_dies_is_an_error(files, model, tmp_path):
    psutil = pytest.importorskip("psutil")
    command = [sys.executable, "-m", "embre_spacy", "annotate", model, *files, "out.csv", "--shard-size", "10"]
    work = tmp_path / "out.csv.parts"

    def start(at):
        process = subprocess.Popen(
            [*command, "-n", "2", "--batch-size", "2"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        wait_for(lambda: len(shards(work)) >= at, process)
        return process, psutil.Process(process.pid).children()

    process, workers = start(1)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    process, workers = start(2)
    workers[0].kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.splitlines()[-1] == "Error: a worker process was ended by SIGKILL: is there memory for all of them?"
    assert not (tmp_path / "out.csv").exists() and work.exists()
