"""A run that was killed goes on where it was, and what it writes is what one run writes."""

import gzip
import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from annotate_files import pubtator, written

from embre_spacy.annotate.state import Outcome, RunState
from embre_spacy.annotate.units import UNIT_BYTES
from embre_spacy.errors import EmbreError, InputError

WITH_SMALL_UNITS = """
from embre_spacy.annotate.units import UNIT_BYTES
from embre_spacy.cli import app

UNIT_BYTES["cpu"] = (2000, 2000)
app()
"""


def start(*arguments, cwd):
    command = [sys.executable, "-c", WITH_SMALL_UNITS, "annotate", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(work):
    return sorted(path.name for path in work.glob("0*"))


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def files(tmp_path, small_units):
    """Three files, one packed, with bad documents and an id that comes again."""
    bad = "\n7|t|x\nwrong\n\n"
    (tmp_path / "a.pubtator").write_text(pubtator(range(230)) + bad + pubtator(range(230, 400)))
    (tmp_path / "b.pubtator.gz").write_bytes(gzip.compress(pubtator(range(390, 550)).encode()))
    (tmp_path / "c.pubtator").write_text(bad + pubtator([600]))
    return ["a.pubtator", "b.pubtator.gz", "c.pubtator"]


# A single output, and a folder of outputs with worker processes.
@pytest.mark.parametrize(
    "output, options, moments",
    [("out.xml", [], 3), ("out/", ["--to", "relations-csv", "--n-process", "2"], 2)],
)
def test_killed_and_started_again(output, options, moments, files, model, run, tmp_path, monkeypatch):
    to = options[1] if options else None
    expected = "expected" + output[3:]
    monkeypatch.setitem(UNIT_BYTES, "cpu", (2**20, 2**20))
    run(*files, expected, to=to)
    monkeypatch.setitem(UNIT_BYTES, "cpu", (2_000, 2_000))
    work = tmp_path / f"{output.rstrip('/')}.parts"
    # After how many units; there are some 60.
    for moment in sorted(random.Random(output).sample(range(1, 50), moments)):
        process = start(model, *files, output, *options, "--batch-size", "3", cwd=tmp_path)
        wait_for(lambda moment=moment: len(finished(work)) >= moment, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "out.xml").exists()
        done = finished(work)
    summary = run(*files, output, to=to, batch_size=3)
    assert (summary.documents, summary.rejected) == ((561, 2) if options else (551, 12))
    # What was finished is not predicted again.
    assert 0 < summary.predicted <= 561 - 5 * (len(done) - 3)
    assert not work.exists()
    names = [f"out/{name}" for name in os.listdir("expected")] if options else ["out.xml", "out.xml.rejects.jsonl"]
    assert len(names) == (4 if options else 2)
    for name in names:
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("out", "expected", 1)).read_bytes(), name


class Broken(Exception):
    """What ends a run."""


def break_off(run, *names, at, **options):
    """A run that ends when so many documents are predicted, and leaves what one that is killed leaves there."""

    def on_progress(progress):
        if progress.documents >= at:
            raise Broken

    with pytest.raises(Broken):
        run(*names, on_progress=on_progress, batch_size=2, **options)


def test_what_another_run_has_begun_is_not_mixed_in(run, files, fragile_model, tmp_path):
    break_off(run, *files, "out.csv", at=40)
    work = tmp_path / "out.csv.parts"
    (tmp_path / "c.pubtator").write_text(pubtator([600]))
    done = finished(work)
    assert len(done) > 2
    for options, cause in [
        ({}, "the input c.pubtator has changed"),
        ({"model": fragile_model}, "the input c.pubtator has changed; model has changed"),
        ({"batch_size": 3}, "batch_size was 2 and is 3"),
        ({"to": "relations-tsv"}, "format was 'relations-csv' and is 'relations-tsv'"),
    ]:
        with pytest.raises(EmbreError, match="another run was begun here") as error:
            run(*files, "out.csv", **{"batch_size": 2, **options})
        assert cause in str(error.value) and "--overwrite begins anew" in str(error.value)
    with pytest.raises(EmbreError, match="the inputs were 3 files and are 2"):
        run(*files[:2], "out.csv", batch_size=2)
    assert finished(work) == done
    run(*files, "expected.csv")
    run(*files, "out.csv", overwrite=True)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    assert not work.exists()


def test_a_run_does_not_take_what_an_earlier_one_finishes_late(tmp_path):
    # Workers may go on for a while after a run was killed.
    earlier, state = RunState(f"{tmp_path}/out.parts"), RunState(f"{tmp_path}/out.parts")
    earlier.begin({"inputs": []})

    def late():
        yield b"first\n"
        assert state.resume({"inputs": [], "device": "gpu"}) == ["device was not set and is 'gpu'"]
        state.begin({"inputs": [], "device": "gpu"})

    with pytest.raises(InputError, match="no such file"):
        earlier.write_unit(0, late())
    earlier.write_unit(0, [])
    state.write_unit(1, [])
    assert state.finished() == {1}
    assert RunState(f"{tmp_path}/out.parts").resume({"inputs": [], "device": "gpu"}) == []


def damage(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    changed = {
        "cut": content[:middle],
        "without its last line": content[: content.rstrip().rindex(b"\n") + 1],
        "empty": b"",
        "another byte": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "foreign": b"{}\n",
        "no text": b"\xff\x00\n\n",
        "longer": content + b"\n",
    }
    path.write_bytes(changed[how])


DAMAGE = ["cut", "without its last line", "empty", "another byte", "foreign", "no text", "longer"]


def test_units_that_are_damaged_are_done_again(run, files, tmp_path):
    run(*files, "expected.jsonl")
    break_off(run, *files, "out.jsonl", at=200)
    work = tmp_path / "out.jsonl.parts"
    done = finished(work)
    for name, how in zip(done, DAMAGE):
        damage(work / name, how)
    (work / done[7]).unlink()
    # What a run does not write stays, and so does the folder.
    (work / "notes.txt").write_text("mine")
    summary = run(*files, "out.jsonl", batch_size=2)
    # Some 200 were done, and eight units of them are done again.
    assert 400 < summary.predicted < 561
    for name in ("out.jsonl", "out.jsonl.rejects.jsonl"):
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("out", "expected", 1)).read_bytes()
    assert [path.name for path in work.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("how", DAMAGE)
def test_a_run_whose_settings_are_damaged_is_begun_anew_if_that_is_asked_for(how, run, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(3)))
    break_off(run, "a.pubtator", "out.csv", at=1)
    damage(tmp_path / "out.csv.parts" / "settings.json", how)
    with pytest.raises(EmbreError, match=r"settings\.json is damaged\): --overwrite begins anew"):
        run("a.pubtator", "out.csv", batch_size=2)
    assert run("a.pubtator", "out.csv", batch_size=2, overwrite=True).documents == 3
    assert not (tmp_path / "out.csv.parts").exists()


def test_an_input_that_keeps_its_size_and_time_is_another(run, tmp_path):
    path = tmp_path / "a.pubtator"
    path.write_text(pubtator(range(9)))
    time = path.stat().st_mtime_ns
    break_off(run, "a.pubtator", "out.csv", at=2)

    def change(*progress):
        path.write_text(path.read_text().replace("mice", "rats"))
        os.utime(path, ns=(time, time))

    change()
    with pytest.raises(EmbreError, match=r"the input a\.pubtator has changed\)"):
        run("a.pubtator", "out.csv", batch_size=2)
    # Also while it is being read, or between reading and writing.
    path.write_text(pubtator(range(9)))
    for moment in ("on_start", "on_progress"):
        with pytest.raises(InputError, match=r"a\.pubtator: it changed while it was read"):
            run("a.pubtator", "out.csv", overwrite=True, **{moment: change})
        path.write_text(pubtator(range(9)))
    assert not (tmp_path / "out.csv").exists()


def test_a_second_run_is_refused_as_long_as_the_first_lives(run, files, model, tmp_path):
    work = tmp_path / "out.csv.parts"
    run(*files, "expected.csv")
    process = start(model, *files, "out.csv", "-n", "2", "--batch-size", "2", cwd=tmp_path)
    wait_for(lambda: finished(work), process)
    # It stands still, and is alive.
    process.send_signal(signal.SIGSTOP)
    for overwrite in (False, True):
        with pytest.raises(EmbreError, match=r"out\.csv\.parts: another run is at work there"):
            run(*files, "out.csv", batch_size=2, overwrite=overwrite)
    # Another output is no matter.
    assert run(files[2], "out.tsv").documents > 0
    # At once: workers of the killed run are still at work, and nothing that they write is taken or missed.
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(*files, "out.csv", batch_size=2)
    process.communicate()
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    assert not work.exists()


def test_an_interrupt_is_one_line_and_the_run_goes_on_later(run, files, model, tmp_path):
    work = tmp_path / "out.csv.parts"
    command = [sys.executable, "-c", WITH_SMALL_UNITS, "annotate", model, *files, "out.csv", "-n", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True)
    wait_for(lambda: finished(work), process)
    # As a terminal does: to all processes.
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1] == b"Error: interrupted\n"
    assert process.returncode == 130 and finished(work)
    assert run(*files, "out.csv").predicted < 561


def test_numbers_are_shifted_in_causes_too():
    outcome = Outcome(0, 3, None, "document 3 of the file has no id")
    outcome.shift(40)
    assert outcome == Outcome(0, 43, None, "document 43 of the file has no id")


# As a path, by a link, by patterns, and on other storage.
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
def test_an_output_inside_the_input_is_no_input(source, output, run, tmp_path, monkeypatch):
    # Two documents each.
    monkeypatch.setitem(UNIT_BYTES, "cpu", (400, 400))
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.pubtator").write_text(pubtator(range(5)))
    (tmp_path / "in" / "deep" / "z.pubtator").write_text(pubtator(range(5, 10)) + "\n7|t|x\nwrong\n")
    (tmp_path / "link").symlink_to("in")
    source, output = source.format(tmp_path), output.format(tmp_path)
    run(source, f"expected{output.rpartition('out')[2]}", to="bioc-jsonl")
    break_off(run, source, output, at=7, to="bioc-jsonl")
    summary = run(source, output, to="bioc-jsonl", batch_size=2)
    assert (summary.documents, summary.rejected) == (10, 1) and 0 < summary.predicted < 6
    assert written(tmp_path / output.removeprefix("file://")) == written(tmp_path / f"expected{Path(output).suffix}")
    # The next run reads nothing that this one has written.
    assert run(source, output, overwrite=True, to="bioc-jsonl").documents == 10


def test_a_unit_that_cannot_be_read_is_named(run, files, tmp_path):
    break_off(run, *files, "out.csv", at=40)
    unit = tmp_path / "out.csv.parts" / finished(tmp_path / "out.csv.parts")[0]
    unit.unlink()
    unit.mkdir()
    with pytest.raises(InputError) as error:
        run(*files, "out.csv", batch_size=2)
    assert str(error.value) == f"{unit}: is a directory"


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
    # The work folder, with standard input in it, and an output.
    assert len(list(tmp_path.iterdir())) == 3 and (tmp_path / "out.csv.parts" / "stdin").is_file()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert run("-", "out.csv", from_format="pubtator").documents == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.part", "out.csv"]


def test_workers_end_with_a_parent_that_was_killed_and_a_worker_that_dies_is_an_error(files, model, tmp_path):
    psutil = pytest.importorskip("psutil")
    work = tmp_path / "out.csv.parts"

    def start_working():
        before = len(finished(work))
        process = start(model, *files, "out.csv", "-n", "2", "--batch-size", "2", cwd=tmp_path)
        wait_for(lambda: len(finished(work)) > before, process)
        children = psutil.Process(process.pid).children()
        return process, [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]

    process, workers = start_working()
    assert len(workers) == 2
    process.kill()
    process.communicate()
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    process, workers = start_working()
    workers[0].kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.splitlines()[-1] == "Error: a worker process died: is there memory for all of them?"
    assert not (tmp_path / "out.csv").exists() and (work / "settings.json").exists()


def test_a_worker_that_comes_after_the_end_of_a_run_leaves_nothing(tmp_path):
    state = RunState(str(tmp_path / "out.csv.parts"))
    with state.lead():
        state.join().close()
    with pytest.raises(InputError, match=r"out\.csv\.parts"):
        state.join()
    assert not list(tmp_path.iterdir())
