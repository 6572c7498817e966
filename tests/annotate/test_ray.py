"""The engine on Ray: the same outputs, also where a worker dies."""

import threading

import pytest
import spacy
from annotate_files import block, pubtator

from embre_spacy.errors import EmbreError

ray = pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")


@pytest.fixture(scope="module", autouse=True)
def cluster(one_thread):
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture
def files(tmp_path):
    """Files large enough to be tasks of their own, with bad documents and an id that comes again."""
    names = []
    for number in range(4):
        text = pubtator(range(number * 149, (number + 1) * 150)) + "\n7|t|x\nwrong\n"
        (tmp_path / f"{number}.pubtator").write_text(text)
        names.append(f"{number}.pubtator")
    return names


def actors():
    found = psutil.Process().children(recursive=True)
    return [process for process in found if "Annotator" in " ".join(process.cmdline())]


def test_a_killed_worker_changes_nothing(run, files, tmp_path, monkeypatch):
    from embre_spacy.annotate import ray_engine

    monkeypatch.setattr(ray_engine, "_TASK_BYTES", 1)
    expected = run(*files, "expected.xml", shard_size=10)
    killed = []
    done = threading.Event()

    def kill_one():
        while not killed and not done.wait(0.01):
            if len(list((tmp_path / "out.xml.parts").rglob("*.jsonl"))) > 5:
                for process in actors()[:1]:
                    process.kill()
                    killed.append(process.pid)

    thread = threading.Thread(target=kill_one)
    thread.start()
    try:
        summary = run(*files, "out.xml", shard_size=10, engine="ray", actors=2)
    finally:
        done.set()
        thread.join()
    assert killed
    for name in ("out.xml", "out.xml.rejects.jsonl"):
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("out", "expected", 1)).read_bytes()
    assert summary[:3] == expected[:3] and summary.rejected == 10
    assert not (tmp_path / "out.xml.parts").exists()


def test_folders_and_other_storage(run, files, tmp_path):
    expected = run(*files, "expected/", to="relations-csv")
    source = f"file://{tmp_path}"
    summary = run(f"{source}/0.pubtator", *files[1:], f"{source}/out/", to="relations-csv", engine="ray", shard_size=40)
    assert summary[:3] == expected[:3]
    for path in (tmp_path / "expected").iterdir():
        text = (tmp_path / "out" / path.name).read_text()
        assert text.replace(f"{source}/0.pubtator", "0.pubtator") == path.read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in (tmp_path / "expected").iterdir()
    )
    # One output on other storage, by the local engine: it finds there what it has to.
    run(*files, "expected.jsonl")
    run(*files, f"{source}/deep/out.jsonl")
    assert (tmp_path / "deep" / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    with pytest.raises(EmbreError, match=r"out\.jsonl: it exists"):
        run(*files, f"{source}/deep/out.jsonl")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["out.jsonl", "out.jsonl.rejects.jsonl"]


def test_what_an_actor_refuses_is_an_error_in_one_line(run, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    (tmp_path / "a.pubtator").write_text(block(1))
    with pytest.raises(EmbreError, match="the pipeline has no component embre_relation") as error:
        run("a.pubtator", "out.csv", model=str(tmp_path / "blank"), engine="ray")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.csv").exists()
