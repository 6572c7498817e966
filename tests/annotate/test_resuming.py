"""A run that was killed goes on where it was, and what it writes is what one run writes."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from annotate_files import pubtator

from embre_spacy.annotate.plan import differences
from embre_spacy.errors import EmbreError


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
