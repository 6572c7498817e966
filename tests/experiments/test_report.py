"""The report, from results made by hand."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import srsly
from typer.testing import CliRunner

from experiments.__main__ import app
from experiments.grid import load_grid
from experiments.settings import floor_settings

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = [(5, 2, 3), (1, 1, 4), (7, 0, 1), (3, 2, 2)]
BETTER = [(7, 1, 1), (3, 1, 2), (8, 0, 0), (4, 1, 1)]


def report(folder, *arguments, code=0):
    places = ["--grids", folder, "--results", folder / "results", "--output", folder / "docs" / "results.md"]
    result = CliRunner().invoke(app, ["report", *map(str, places), *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def here(tmp_path, tiny_grid, make_result):
    """A folder with two grids, results of one of them, and the project's published figures."""
    grid = {
        **tiny_grid,
        "seeds": [0, 1],
        "columns": ["training_seconds", "best_threshold"],
        "tables": ["relation_types", "calibration"],
    }
    srsly.write_yaml(tmp_path / "default.yml", grid)
    srsly.write_yaml(tmp_path / "later.yml", {**tiny_grid, "title": "Another trial"})
    shutil.copy(ROOT / "experiments" / "published.yml", tmp_path)
    (tmp_path / "default.md").write_text("Words of a referee.\n")
    loaded = load_grid(tmp_path / "default.yml")
    folder = tmp_path / "results" / "default"
    folder.mkdir(parents=True)
    none, entities = loaded.cells
    for cell, seed, documents in ((none, 0, DOCUMENTS), (none, 1, DOCUMENTS[::-1]), (entities, 0, BETTER)):
        (folder / f"{cell.name}-seed{seed}.json").write_text(json.dumps(make_result(cell, seed, documents)))
    floor = make_result(loaded.common, 0, [(9, 9, 0)] * 4, settings=floor_settings(loaded))
    floor["dev"] = {key: floor["dev"][key] for key in ("counts", "documents")}
    (folder / "floor.json").write_text(json.dumps(floor))
    return tmp_path


def text_of(folder):
    return (folder / "docs" / "results.md").read_text(encoding="utf8")


def change_result(folder, name, **changes):
    path = folder / "results" / "default" / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rows_of(text, first):
    return [line for line in text.splitlines() if line.startswith(f"| {first} |")]


def test_every_row_is_there(here):
    report(here)
    text = text_of(here)
    # 16 of 26 and of 29: F1 = 32 / (32 + 5 + 10).
    none, _ = rows_of(text, "no pretraining")
    assert none.split(" | ")[1:4] == ["2", "0.681 ± 0.000", "0.681 ± 0.000"] and "| 3600 ± 0 | 0.35 ± 0.00 |" in none
    entities, differences, _ = rows_of(text, "masked entities")
    assert entities.split(" | ")[1:3] == ["1 of 2", "0.863"]
    assert re.search(r"\| 0 \| \*\*\+0\.182 \[\+0\.\d{3}, \+0\.\d{3}\]\*\* \|", differences)
    [floor] = rows_of(text, "*floor*")
    assert floor.split(" | ")[1:3] == ["–", "0.667"]
    for words in ("# Results", "## A trial", "Does it run?", "Words of a referee.", "difference to: no pretraining"):
        assert words in text
    assert "![F1 of each cell at the four levels](figures/default.svg)" in text
    # Rare is never found, and gold has nothing of Other.
    assert rows_of(text, "Binding") and rows_of(text, "Rare") and "0.340" in none
    assert "| no pretraining | relation | 0.110 ± 0.000 | 0.050 ± 0.000 | 1.250 ± 0.000 |" in text
    assert "## Another trial" in text and f"Not run yet: `python -m experiments run {here}/later.yml`" in text


def test_tables_say_where_they_come_from(here):
    report(here)
    source = (
        f"From [{here}/results/default](../results/default) (4 files), "
        "`python -m experiments run trial.yml`, "
        "commit 0123456789, seeds 0, 1, on 2 cores of a machine, 3 h 3 min in all."
    )
    assert text_of(here).count(source) == 5


def test_published_figures_stand_there_with_their_sources(here):
    report(here)
    text = text_of(here)
    for figures in ("0.356 | 0.264 | 0.2407 | 0.1789", "0.5094 | 0.3245 | 0.3561 | 0.2254", "0.7356 | 0.5317 | 0.5645"):
        assert figures in text
    assert "0.7717 | 0.5895 | 0.5922 | 0.4455" in text and "0.729 | 0.589 | – | 0.477" in text
    assert "relations 0.779; novelty 0.850" in text
    for source in ("Karin Verspoor", "arXiv 2401.07877", "baae069", "bbac282", "Rezarta Islamaj"):
        assert source in text
    for row in srsly.read_yaml(here / "published.yml")["figures"]:
        [line] = [line for line in text.splitlines() if line.startswith(f"| {row['name']}")]
        assert row["measured_on"] in line and re.search(r"\[\d\] \|$", line)
    assert len(rows_of(text, "floor")) == len(rows_of(text, "**this project: no pretraining**")) == 1
    assert "other documents than ours" in text


def test_scores_from_plain_text_stand_beside_those_of_others(here):
    report(here)
    section = text_of(here).partition("## From plain text")[2].partition("\n## ")[0]
    assert "0.5584 | 0.4303 | 0.4274 | 0.3275" in section and "not been measured yet" in section
    assert text_of(here).count("0.5584") == 1
    counts = {"gold": 4, "tp": 2, "fp": 1, "fn": 2, "p": 2 / 3, "r": 0.5, "f": 4 / 7}
    found = {**counts, "per_entity_type": {"CellLine": {**counts, "f": 0.25}}}
    run = {"command": "python -m embre_spacy evaluate m g --from-text", "commit": "0123456789ab"}
    scores = {level: {**counts, "f": number / 10} for number, level in enumerate(("pair", "type", "novelty", "all"))}
    file = here / "results" / "from_text.json"
    file.write_text(json.dumps({"mentions": found, "concepts": counts | {"per_entity_type": {}}, **scores, "run": run}))
    report(here)
    section = text_of(here).partition("## From plain text")[2].partition("\n## ")[0]
    assert "**this project** | 0.000 | 0.100 | 0.200 | 0.300 |" in section
    assert "| CellLine | 0.667 | 0.500 | 0.250 | – | – | – |" in section
    assert "`python -m embre_spacy evaluate m g --from-text`, commit 0123456789." in section
    file.write_text("{}")
    assert "from_text.json: not the result of an experiment" in report(here, code=1).stderr


def test_what_is_missing_or_stale_is_said(here):
    report(here)
    assert "Missing, not run yet: masked entities, seed 1." in text_of(here) and "(stale)" not in text_of(here)
    grid = srsly.read_yaml(here / "default.yml")
    grid["cells"][0]["overrides"] = {"training.max_steps": 9}
    srsly.write_yaml(here / "default.yml", grid)
    report(here)
    text = text_of(here)
    scores, *calibration = rows_of(text, "no pretraining (stale)")
    assert scores and calibration and rows_of(text, "**this project: no pretraining (stale)**")
    assert rows_of(text, "difference to: no pretraining (stale)")
    assert rows_of(text, "pair + type, by relation type (stale)") and rows_of(text, "*floor*")
    assert (
        "no pretraining: config.training.max_steps was 2 and is 9 (seed 0, 1)" in text
        and "masked entities (stale)" not in text
    )
    # A config that is gone makes results stale, not unreadable.
    grid["cells"][0]["config"] = "none.cfg"
    srsly.write_yaml(here / "default.yml", grid)
    report(here)
    assert "none.cfg: there is no such config file" in text_of(here)


def test_a_stale_or_missing_floor_is_said(here):
    grid = srsly.read_yaml(here / "default.yml")
    grid["training"]["overrides"]["components.embre_relation.threshold"] = 0.9
    srsly.write_yaml(here / "default.yml", grid)
    report(here)
    text = text_of(here)
    assert rows_of(text, "*floor (stale)*") and rows_of(text, "floor (stale)")
    assert "; floor: components.embre_relation.threshold was 0.1 and is 0.9." in text
    (here / "results" / "default" / "floor.json").unlink()
    report(here)
    assert "Missing, not run yet: masked entities, seed 1; floor." in text_of(here) and "(3 files)" in text_of(here)


def test_the_commit_of_the_floor_is_named(here, make_result, cells):
    run = {**make_result(cells["none"])["run"], "commit": "fedcba9876543210+"}
    change_result(here, "floor.json", run=run)
    report(here)
    assert "commits 0123456789, fedcba9876+, seeds 0, 1, on" in text_of(here)


def test_documents_that_changed_between_results_are_said(here, place):
    for name in ("none-seed0.json", "none-seed1.json", "entities-seed0.json", "floor.json"):
        change_result(here, name, corpora={"train": "same", "dev": "same", "pretraining": "same"})
    report(here)
    assert "Not all of the same documents" not in text_of(here)
    change_result(here, "none-seed1.json", corpora={"train": "same", "dev": "another"})
    report(here)
    said = (
        f"Not all of the same documents: `{place / 'dev.spacy'}` was one for no pretraining, seed 0; masked entities, "
        "seed 0; floor, and another for no pretraining, seed 1."
    )
    assert said in text_of(here) and text_of(here).count("Not all of the same documents") == 1
    # A stale result may be of another file, and is said to be stale.
    grid = srsly.read_yaml(here / "default.yml")
    grid["cells"][0]["overrides"] = {"training.max_steps": 9}
    srsly.write_yaml(here / "default.yml", grid)
    report(here)
    assert "Not all of the same documents" not in text_of(here)


def test_differences_are_on_the_seeds_of_both_cells(here, make_result, cells):
    better = make_result(cells["none"], 1, BETTER)["dev"]
    change_result(here, "none-seed1.json", dev=better)
    change_result(here, "entities-seed0.json", dev=make_result(cells["entities"], 0, DOCUMENTS)["dev"])
    report(here)
    _, differences, _ = rows_of(text_of(here), "masked entities")
    assert differences.startswith("| masked entities | 0 | +0.000 [+0.000, +0.000] |")
    (here / "results" / "default" / "none-seed0.json").unlink()
    report(here)
    _, differences, _ = rows_of(text_of(here), "masked entities")
    assert differences.startswith("| masked entities | 0 against 1 | **-0.182 [")


def test_a_pretraining_that_seeds_share_is_one(here, make_result, cells):
    grid = srsly.read_yaml(here / "default.yml")
    grid["columns"] = ["training_seconds", "pretraining_seconds", "masked_type_accuracy"]
    srsly.write_yaml(here / "default.yml", grid)
    pretraining = {"folder": "entities", "seconds": 362.0, "last_epoch": {"seconds": 362.0, "type_accuracy": 0.5}}
    seconds = {"pretraining": 362.0, "training": 3600.0, "evaluation": 60.0}
    for seed in (0, 1):
        result = make_result(cells["entities"], seed, BETTER, pretraining=pretraining, seconds=seconds)
        (here / "results" / "default" / f"entities-seed{seed}.json").write_text(json.dumps(result))
    report(here)
    assert rows_of(text_of(here), "masked entities")[0].endswith(" | 3600 ± 0 | 362 | 0.500 |")
    assert rows_of(text_of(here), "no pretraining")[0].endswith(" | 3600 ± 0 | – | – |")


@pytest.mark.parametrize("has_first, hours", [(False, "2 h 22 min"), (True, "3 h 23 min")])
def test_a_pretraining_that_several_go_on_with_takes_its_time_once(tmp_path, tiny_grid, make_result, has_first, hours):
    shutil.copy(ROOT / "experiments" / "published.yml", tmp_path)
    first = tiny_grid["pretraining"]["entities"]
    more = {**first, "after": "first", "overrides": {**first["overrides"], "training.epochs": 1}}
    names = ["first", "second", "third"] if has_first else ["second", "third"]
    grid = {
        **tiny_grid,
        "pretraining": {
            "first": first,
            "second": more,
            "third": {**more, "overrides": {**more["overrides"], "training.epochs": 3}},
        },
        "baseline": None,
        "cells": [{"name": name, "pretraining": name} for name in names],
    }
    srsly.write_yaml(tmp_path / "default.yml", grid)
    (tmp_path / "results" / "default").mkdir(parents=True)
    for cell in load_grid(tmp_path / "default.yml").cells:
        own, whole = (600.0, 600.0) if cell.name == "first" else (300.0, 900.0)
        pretraining = {"folder": cell.name, "seconds": whole, "last_epoch": {"seconds": own}}
        result = make_result(cell, pretraining=pretraining)
        (tmp_path / "results" / "default" / f"{cell.name}-seed0.json").write_text(json.dumps(result))
    report(tmp_path)
    assert f"a machine, {hours} in all." in text_of(tmp_path)


def test_the_same_results_give_the_same_report(here):
    report(here)
    before = {file: file.read_bytes() for file in (here / "docs").rglob("*.*")}
    assert {file.name for file in before} == {"results.md", "default.svg"}
    shutil.rmtree(here / "docs")
    report(here)
    assert before == {file: file.read_bytes() for file in (here / "docs").rglob("*.*")}
    figure = (here / "docs" / "figures" / "default.svg").read_text()
    assert "<dc:date>" not in figure and 'matplotlib.org/"' not in figure


def test_check_compares_and_writes_nothing(here):
    path = here / "docs" / "results.md"
    assert "line 1 is not what the results give" in report(here, "--check", code=1).stderr
    assert not path.exists()
    report(here)
    report(here, "--check")
    path.write_text(path.read_text().replace("0.681", "0.781", 1))
    assert "is not what the results give" in report(here, "--check", code=1).stderr
    report(here)
    (here / "docs" / "figures" / "default.svg").unlink()
    assert "default.svg: is missing" in report(here, "--check", code=1).stderr


@pytest.mark.parametrize(
    "name, content, cause",
    [
        ("results/default/none-seed0.json", "{", "none-seed0.json: not a JSON file"),
        ("results/default/none-seed0.json", "{}", "none-seed0.json: not the result of an experiment"),
        ("published.yml", "figures: []", "published.yml: note: Field required"),
        ("published.yml", "note: x\nfigures:\n- {name: x, measured_on: y, source: z}\nsources: {}", "source 'z'"),
        ("default.yml", "title: x", "default.yml: question: Field required"),
    ],
)
def test_files_that_cannot_be_used_are_named(here, name, content, cause):
    (here / name).write_text(content)
    result = report(here, code=1)
    assert cause in result.stderr and result.stderr.count("\n") == 1


def test_a_folder_without_grids_is_refused(tmp_path):
    assert "there is no file of a grid" in report(tmp_path, code=1).stderr


def test_missing_matplotlib_is_said(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'embre_spacy[report]'" in report(here, code=1).stderr


def test_the_report_of_the_project_is_that_of_its_results(monkeypatch):
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app, ["report", "--check"])
    assert result.exit_code == 0, result.output
