"""The command `experiment run`: whole grids on a tiny encoder."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import parse_config_overrides
from spacy.cli.train import train
from typer.testing import CliRunner

from embre_spacy.errors import EmbreError
from embre_spacy.evaluation import evaluate_pipeline
from experiments import run as running
from experiments.__main__ import app
from experiments.jobs import open_log, run_command
from experiments.results import read_result, to_json

ROOT = Path(__file__).parent.parent.parent


def run(grid, folder, *arguments, code=0):
    places = ["--results", str(folder / "results"), "--work", str(folder / "work")]
    result = CliRunner().invoke(app, ["run", str(grid), *places, *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_grid):
    """The tiny grid, run as users run it, with what the command said."""
    import srsly

    folder = tmp_path_factory.mktemp("finished")
    srsly.write_yaml(folder / "trial.yml", tiny_grid)
    return folder, run(folder / "trial.yml", folder).output


@pytest.fixture
def here(finished, tmp_path):
    """A copy of the finished grid, to be changed."""
    shutil.copytree(finished[0], tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def quick(monkeypatch):
    """Trains in this process, which spares the start of another, and notes the commands."""
    commands = []

    def run_here(arguments, log):
        commands.append(list(arguments))
        module, command, config, _, output, _, gpu_id, *options = arguments
        assert (module, command, gpu_id) == ("spacy", "train", "-1")
        train(config, output, overrides=parse_config_overrides(options))
        return 1.5

    monkeypatch.setattr("experiments.run.run_command", run_here)
    return commands


def change(path, function):
    import srsly

    grid = srsly.read_yaml(path)
    function(grid)
    srsly.write_yaml(path, grid)


def test_a_grid_runs_from_end_to_end(finished, place):
    folder, output = finished
    lines = output.splitlines()
    assert "[1/2] none seed 0: no pretraining" in lines and "[2/2] entities seed 0: masked entities" in lines
    scores = [line for line in lines if "F1 pair" in line]
    assert "1 left, about" in scores[0] and "and 1 pretraining" in scores[0] and "none left" in scores[1]
    assert sum("pretraining 'entities'" in line for line in lines) == 1
    names = sorted(file.name for file in (folder / "results" / "trial").iterdir())
    assert names == ["entities-seed0.json", "floor.json", "none-seed0.json"]

    none, entities = (read_result(folder / "results" / "trial" / name) for name in (names[2], names[0]))
    assert (none["grid"], none["cell"], none["label"], none["seed"]) == ("trial", "none", "no pretraining", 0)
    assert none["pretraining"] is None and none["settings"]["config"]["paths"]["encoder"] == str(place / "tiny")
    assert entities["settings"]["config"]["paths"]["encoder"] == "pretrained"
    assert entities["settings"]["pretraining"]["config"]["training"]["epochs"] == 2
    assert entities["pretraining"]["last_epoch"]["epoch"] == 2 and entities["pretraining"]["classes"]["identifiers"]
    assert entities["seconds"]["pretraining"] == entities["pretraining"]["seconds"]
    for result in (none, entities):
        assert len(result["dev"]["documents"]) == 3 and result["documents_per_second"] > 0
        assert {"command", "commit", "versions", "machine"} <= result["run"].keys()
        for level in ("pair", "type", "novelty", "all"):
            counts = result["dev"]["counts"][level]
            sums = [sum(one) for one in zip(*(one[level] for one in result["dev"]["documents"]))]
            assert sums == [counts["tp"], counts["fp"], counts["fn"]]
    assert all((folder / "results" / "trial" / name).stat().st_size < 60_000 for name in names)


def test_weights_are_gone_and_pretrained_folders_and_logs_stay(finished):
    work = finished[0] / "work"
    assert not list(work.rglob("model-best"))
    [folder] = [path for path in (work / "pretrained").iterdir() if path.is_dir()]
    assert folder.name.startswith("tiny-concepts0.2-words0.12-epochs2-") and (folder / "model.safetensors").is_file()
    log = (work / "trial" / "entities-seed0" / "train.log").read_text()
    assert log.startswith("$ python -m spacy train") and str(folder) in log.splitlines()[0]


def test_the_floor_calls_every_candidate_related(finished, place):
    from spacy.vocab import Vocab

    from embre_spacy import read

    floor = json.loads((finished[0] / "results" / "trial" / "floor.json").read_text())["dev"]
    docs = list(read(place / "dev.spacy", Vocab()))
    pair = floor["counts"]["pair"]
    assert floor["candidates"] == sum(len(doc._.candidates) for doc in docs) == pair["tp"] + pair["fp"]
    assert pair["r"] > 0.95 and [one["id"] for one in floor["documents"]] == [doc._.document_id for doc in docs]
    assert list(floor["counts"]["type"]["per_relation_type"][floor["type"]]) and floor["novelty"]
    assert floor["counts"]["type"]["per_relation_type"][floor["type"]]["tp"] == floor["counts"]["type"]["tp"] > 0


def test_what_is_done_is_skipped(here, quick):
    path = here / "trial.yml"
    before = {file: file.stat().st_mtime_ns for file in here.rglob("*.json")}
    output = run(path, here).output
    assert "none seed 0: done before" in output and "entities seed 0: done before" in output
    assert not quick and before == {file: file.stat().st_mtime_ns for file in here.rglob("*.json")}


def test_what_has_other_settings_is_run_again(here, quick):
    path = here / "trial.yml"
    change(path, lambda grid: grid["cells"][1].update(overrides={"components.embre_relation.novelty_weight": 0.5}))
    output = run(path, here).output
    assert "none seed 0: done before" in output
    assert "entities seed 0: again, because" in output and "embre_relation.novelty_weight" in output
    # The pretraining is the same as before.
    assert "pretraining 'entities'" not in output and [command[1] for command in quick] == ["train"]
    result = read_result(here / "results" / "trial" / "entities-seed0.json")
    assert result["settings"]["config"]["components"]["embre_relation"]["novelty_weight"] == 0.5
    assert result["overrides"]["components.embre_relation.novelty_weight"] == 0.5
    assert "done before" in run(path, here).output and len(quick) == 1


def test_a_result_with_the_same_settings_is_copied_from_another_grid(here, quick):
    path = here / "trial.yml"
    shutil.copy(path, here / "other.yml")
    change(here / "other.yml", lambda grid: grid["cells"][1].update(name="masked", label="masked"))
    change(here / "other.yml", lambda grid: grid["cells"].append({"name": "two", "seeds": [2]}))
    output = run(here / "other.yml", here).output
    assert "so it has its result" in output and len(quick) == 1
    other = read_result(here / "results" / "other" / "masked-seed0.json")
    original = read_result(here / "results" / "trial" / "entities-seed0.json")
    assert (other["grid"], other["cell"], other["label"]) == ("other", "masked", "masked")
    assert (original["result_of"], other["result_of"]) == (None, "trial/entities-seed0")
    assert all(other[key] == original[key] for key in ("settings", "dev", "run", "pretraining", "seconds"))
    assert read_result(here / "results" / "other" / "two-seed2.json")["result_of"] is None


def test_a_pretraining_goes_on_with_another(here, quick):
    path = here / "trial.yml"
    more = {
        "after": "entities",
        "config": str(ROOT / "configs" / "pretrain.cfg"),
        "overrides": {"encoder.overlap": 16, "training.epochs": 1, "training.precision": "float32"},
    }
    change(path, lambda grid: grid["pretraining"].update(more=more))
    change(path, lambda grid: grid["cells"].append({"name": "more", "pretraining": "more"}))
    output = run(path, here).output
    assert "pretraining 'more'" in output and "pretraining 'entities'" not in output
    result = read_result(here / "results" / "trial" / "more-seed0.json")
    first = read_result(here / "results" / "trial" / "entities-seed0.json")
    settings = result["settings"]["pretraining"]
    assert settings["config"]["encoder"]["name"] == "pretrained"
    assert settings["after"] == first["settings"]["pretraining"]
    assert result["pretraining"]["seconds"] > first["pretraining"]["seconds"]
    assert {"pretraining", "pretraining_entities"} <= result["corpora"].keys()
    log = (here / "work" / "pretrained" / f"{result['pretraining']['folder']}.log").read_text().splitlines()[0]
    assert str(here / "work" / "pretrained" / first["pretraining"]["folder"]) in log


def test_a_cell_learns_from_others(write_grid, tmp_path, quick):
    def change(grid):
        taught = {"name": "taught", "teachers": {"cell": "none"}}
        grid.update(cells=[{**grid["cells"][0], "seeds": [0, 1]}, taught])

    grid = write_grid(change)
    results, work = tmp_path / "results" / "trial", tmp_path / "work" / "trial"
    output = run(grid, tmp_path, "--only", "taught").output
    assert "needs the teacher none seed 0" in output and "needs the teacher none seed 1" in output
    assert len(quick) == 3
    found = {path.stem: read_result(path) for path in results.glob("*-seed*.json")}
    assert sorted(found) == ["none-seed0", "none-seed1", "taught-seed0"]
    folders = [work / f"none-seed{seed}" / "pipeline" / "model-best" for seed in (0, 1)]
    at = quick[2].index("--paths.teachers")
    assert json.loads(quick[2][at + 1]) == [str(folder) for folder in folders]
    assert "--paths.teachers" not in quick[0]
    assert found["taught-seed0"]["settings"]["teachers"] == [found[f"none-seed{seed}"]["settings"] for seed in (0, 1)]
    assert "teachers" not in found["none-seed0"]["settings"]
    assert [found[name]["seconds"]["teachers"] for name in ("none-seed0", "taught-seed0")] == [None, 3.0]
    # The teachers stay, and are not trained again; of the other only the result is left.
    assert all(folder.is_dir() for folder in folders) and not (work / "taught-seed0" / "pipeline").exists()
    (results / "taught-seed0.json").unlink()
    run(grid, tmp_path)
    assert len(quick) == 4
    # A teacher that was under way when the run was killed has no result beside it.
    (work / "none-seed1" / "result.json").unlink()
    (results / "taught-seed0.json").unlink()
    assert "needs the teacher none seed 1" in run(grid, tmp_path).output
    assert len(quick) == 6


def test_other_documents_are_other_settings(here, quick, tmp_path):
    shutil.copy(here / "trial.yml", tmp_path / "trial.yml")
    path = here / "results" / "trial" / "none-seed0.json"
    result = json.loads(path.read_text())
    result["corpora"]["dev"] = "another digest"
    path.write_text(json.dumps(result))
    output = run(here / "trial.yml", here, "--only", "none").output
    assert "differs in the documents of dev" in output and "entities" not in output and len(quick) == 1


def test_a_killed_run_goes_on_and_comes_to_the_same(here, quick):
    results = here / "results" / "trial"
    wanted = {name: read_result(results / name)["dev"]["counts"] for name in ("none-seed0.json", "entities-seed0.json")}
    # As if it had been killed while the second cell was written: an unfinished file, and a training half done.
    (results / "entities-seed0.json").rename(results / f".entities-seed0.json.{'0' * 32}.part")
    half = here / "work" / "trial" / "entities-seed0" / "pipeline"
    (half / "model-best").mkdir(parents=True)
    (half / "model-best" / "config.cfg").write_text("[nlp]")
    output = run(here / "trial.yml", here).output
    assert "none seed 0: done before" in output and "[1/1] entities seed 0" in output
    assert {name: read_result(results / name)["dev"]["counts"] for name in wanted} == wanted
    assert not half.exists() and (results / "entities-seed0.json").is_file()


def test_a_failed_cell_does_not_stop_the_others(here, quick, monkeypatch):
    failures = []

    def fail(arguments, log):
        failures.append(arguments)
        raise EmbreError("it failed; the end of its log:\n  | line")

    def failing(grid):
        settings = grid["pretraining"]["entities"]
        grid["pretraining"]["broken"] = {**settings, "overrides": {**settings["overrides"], "training.epochs": 5}}
        grid["cells"].insert(0, {"name": "broken", "pretraining": "broken", "seeds": [0, 1]})
        grid["cells"].append({"name": "good", "overrides": {"training.dropout": 0.2}})

    monkeypatch.setattr("experiments.jobs.run_command", fail)
    change(here / "trial.yml", failing)
    result = run(here / "trial.yml", here, code=1)
    first, second = (line for line in result.stdout.splitlines() if line.startswith("Error: "))
    assert first.endswith("trial.yml: broken seed 0: pretraining 'broken': it failed; the end of its log:")
    assert second.endswith("broken seed 1: needs the pretraining 'broken', which failed (see above)")
    assert "\n  | line\n" in result.stdout
    # It is not tried for each cell again.
    [command] = failures
    assert command[:2] == ["embre_spacy", "pretrain"] and command[command.index("--training.epochs") + 1] == "5"
    assert (here / "results" / "trial" / "good-seed0.json").is_file() and len(quick) == 1
    assert result.stderr == f"Error: {here / 'trial.yml'}: failed: broken seed 0, broken seed 1\n"


def test_a_floor_that_fails_does_not_stop_the_cells(write_grid, tmp_path, quick):
    def failing(grid):
        grid["training"]["overrides"]["training.train_corpus"] = "corpora.nothing"
        for one in grid["cells"]:
            one["overrides"] = {"training.train_corpus": "corpora.train"}

    path = write_grid(failing)
    result = run(path, tmp_path, "--only", "none", code=1)
    assert f"Error: {path}: floor: " in result.stdout and "nothing" in result.stdout
    assert (tmp_path / "results" / "trial" / "none-seed0.json").is_file() and len(quick) == 1
    assert result.stderr == f"Error: {path}: failed: floor\n"


def test_a_result_names_what_ran_when_the_training_began(write_grid, tmp_path, quick, monkeypatch):
    train_here = running.run_command

    def train_and_change(arguments, log):
        seconds = train_here(arguments, log)
        # As what runs may be another thing after hours of training, such as a later commit.
        monkeypatch.setattr(sys, "argv", ["embre_spacy", "later"])
        return seconds

    monkeypatch.setattr(running, "run_command", train_and_change)
    run(write_grid(), tmp_path, "--only", "none")
    assert "later" in sys.argv
    assert "later" not in read_result(tmp_path / "results" / "trial" / "none-seed0.json")["run"]["command"]


def test_a_failed_evaluation_is_a_failed_cell(here, quick, monkeypatch):
    def fail(*arguments, **settings):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("experiments.run.measure_pipeline", fail)
    change(here / "trial.yml", lambda grid: grid["cells"][0].update(seeds=[1]))
    result = run(here / "trial.yml", here, "--only", "none", code=1)
    assert "none seed 1: the evaluation failed (RuntimeError: out of memory); see " in result.stdout
    assert not (here / "results" / "trial" / "none-seed1.json").exists()


def test_evaluation_reads_the_documents_that_training_evaluated_on(here, quick):
    def limited(grid):
        limits = {"corpora.train.limit": 2, "corpora.dev.limit": 1}
        grid["training"]["overrides"].update(limits)

    change(here / "trial.yml", limited)
    run(here / "trial.yml", here, "--only", "none", "--keep-weights")
    for name in ("none-seed0.json", "floor.json"):
        assert len(read_result(here / "results" / "trial" / name)["dev"]["documents"]) == 1
    nlp = spacy.load(here / "work" / "trial" / "none-seed0" / "pipeline" / "model-best")
    result = read_result(here / "results" / "trial" / "none-seed0.json")
    config = nlp.config.interpolate()
    [corpus] = spacy.util.resolve_dot_names(config, ["corpora.dev"])
    counts = evaluate_pipeline(nlp, [example.reference for example in corpus(nlp)])
    assert counts["pair"]["tp"] == result["dev"]["counts"]["pair"]["tp"]


def test_nothing_is_run_if_anything_is_wrong(here, quick):
    assert "there is no cell some" in run(here / "trial.yml", here, "--only", "some", code=1).output
    assert "no cell has the seed 7 (there are 0)" in run(here / "trial.yml", here, "--seed", "7", code=1).output
    change(here / "trial.yml", lambda grid: grid["cells"].append({"name": "last", "config": "none.cfg"}))
    result = run(here / "trial.yml", here, code=1)
    assert result.stderr == f"Error: {here / 'trial.yml'}: cell 'last': none.cfg: there is no such config file\n"
    assert result.stdout == "" and not quick
    assert "no such file of a grid" in run(here / "none.yml", here, code=1).output


def test_a_seed_runs_alone(write_grid, tmp_path, quick):
    path = write_grid(lambda grid: grid["cells"][0].update(seeds=[0, 1]))
    run(path, tmp_path, "--only", "none", "--seed", "1")
    assert len(quick) == 1 and not (tmp_path / "results" / "trial" / "none-seed0.json").exists()
    assert read_result(tmp_path / "results" / "trial" / "none-seed1.json")["seed"] == 1


def test_two_jobs_do_not_work_in_one_place(tmp_path):
    path = tmp_path / "new" / "train.log"
    with open_log(path), pytest.raises(EmbreError, match="still running"), open_log(path):
        pass
    with open_log(path) as log:
        log.write(b"free again")


def test_a_command_that_fails_shows_the_end_of_its_log(tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text("print('\\n'.join(map(str, range(99)))); raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with open_log(tmp_path / "log") as log, pytest.raises(EmbreError) as error:
        run_command(["failing", "now"], log)
    message = str(error.value)
    assert "`failing now` ended with exit code 3" in message and message.endswith("| 98") and "| 50" not in message


def test_json_is_short_and_the_same_when_read():
    value = {
        "a": [[1, 2, 3]] * 60,
        "b": {"c": "x" * 100, "d": None, "e": []},
        "documents": [{"id": "1", "p": [1, 2]}] * 9,
    }
    text = to_json(value)
    assert json.loads(text) == value
    assert all(len(line) <= 120 for line in text.splitlines()) and '{"id":"1","p":[1,2]}' in text
    assert to_json({"a": 1, "b": [2.5, "ä"]}) == '{"a":1,"b":[2.5,"ä"]}'


def test_times_are_for_people():
    assert [running.format_seconds(one) for one in (3.4, 119.4, 600, 7260)] == ["3 s", "119 s", "10 min", "2 h 1 min"]
