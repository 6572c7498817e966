"""The file of a grid: what it means, and how it is refused."""

import re
from pathlib import Path

import pytest

from embre_spacy.errors import EmbreError
from embre_spacy.relation import scoring
from experiments.check import check_grid
from experiments.grid import load_grid
from experiments.settings import cell_settings, find_differences
from experiments.statistics import EXTRA_COLUMNS, LEVELS

ROOT = Path(__file__).parent.parent.parent
GRIDS = [file for file in sorted((ROOT / "experiments").glob("*.yml")) if file.name != "published.yml"]


def cell(grid, number=1):
    return grid["cells"][number]


def test_cells_have_what_is_common_and_their_own(write_grid, place):
    def change(grid):
        cell(grid).update(seeds=[4, 5], overrides={"training.max_steps": 7, "training.dropout": 0.0})
        cell(grid, 0).update(config="other.cfg", corpus={"train": "a.spacy", "dev": "b.spacy"}, encoder="package:x")

    none, entities = load_grid(write_grid(change)).cells
    assert (none.config, none.train, none.dev, none.encoder) == ("other.cfg", "a.spacy", "b.spacy", "package:x")
    assert none.seeds == (0,) and entities.seeds == (4, 5)
    assert none.overrides["training.max_steps"] == 2 and entities.overrides["training.max_steps"] == 7
    assert entities.overrides["training.eval_frequency"] == 1 and entities.overrides["training.dropout"] == 0.0
    assert entities.pretraining.corpus == entities.train == str(place / "train.spacy")
    assert entities.pretraining.encoder == str(place / "tiny")


def test_settings_are_complete(cells):
    settings = cell_settings(cells["entities"], 3)
    assert settings["config"]["training"]["seed"] == settings["config"]["system"]["seed"] == 3
    assert settings["config"]["corpora"]["train"]["path"] == cells["entities"].train
    assert settings["config"]["components"]["embre_relation"]["threshold"] == 0.1
    assert settings["pretraining"]["config"]["training"]["epochs"] == 2
    assert settings["pretraining"]["config"]["masking"]["concept_rate"] == 0.2
    assert find_differences(settings, cell_settings(cells["entities"], 3)) == []
    other = cell_settings(cells["entities"], 4)
    assert find_differences(settings, other) == [
        "config.system.seed was 3 and is 4",
        "config.training.seed was 3 and is 4",
    ]


@pytest.mark.parametrize(
    "change, cause",
    [
        (lambda grid: grid.update(sedes=[1]), "sedes: Extra inputs are not permitted"),
        (lambda grid: grid.pop("title"), "title: Field required"),
        (lambda grid: grid.update(seeds=[0, 0]), "seeds: a seed stands there twice"),
        (lambda grid: grid.update(seeds=0), "seeds: Input should be a valid list"),
        (lambda grid: grid.update(baseline="nothing"), "baseline: there is no cell 'nothing'"),
        (lambda grid: grid.update(columns=["speed"]), "columns: there is no column speed"),
        (lambda grid: grid.update(tables="calibration"), "tables: Input should be a valid list"),
        (lambda grid: grid.update(cells=[]), "cells: List should have at least 1 item"),
        (lambda grid: grid.update(corpus={"train": "x"}), "corpus.dev: Field required"),
        (lambda grid: grid["training"].update(epochs=3), "training.epochs: Extra inputs are not permitted"),
        (
            lambda grid: grid["pretraining"].update(x={"epochs": 3}),
            "pretraining.x.epochs: Extra inputs are not permitted",
        ),
        (
            lambda grid: grid["pretraining"].update(x={"after": "y"}),
            "pretraining 'x': after: there is no pretraining 'y'",
        ),
        (
            lambda grid: grid["pretraining"].update(x={"after": "x"}),
            "pretraining 'x': after: there is no pretraining 'x'",
        ),
        (
            lambda grid: grid["pretraining"].update(x={"after": "entities", "encoder": "y"}),
            "pretraining 'x': has `after` and `encoder`",
        ),
        (lambda grid: grid["cells"].append({"name": "none"}), "cell 'none': there are two cells of this name"),
        (lambda grid: grid["cells"].append({"label": "x"}), "cells.2.name: Field required"),
        (lambda grid: cell(grid).update(name="a/b"), "cells.1.name: String should match pattern"),
        (lambda grid: cell(grid).update(seed=1), "cells.1.seed: Extra inputs are not permitted"),
        (lambda grid: cell(grid).update(pretraining="words"), "cell 'entities': there is no pretraining 'words'"),
        (lambda grid: cell(grid).update(encoder="x"), "cell 'entities': has a pretraining and an encoder"),
        (lambda grid: cell(grid).update(overrides={"dropout": 1}), "'dropout' is no dotted name"),
        (lambda grid: cell(grid).update(overrides={"training.x": {"y": 1}}), "has a section as its value"),
        (lambda grid: cell(grid).update(overrides={"system.seed": 1}), "system.seed is set by the key seeds"),
        (lambda grid: cell(grid).update(overrides=["x"]), "overrides: Input should be a valid dictionary"),
        (
            lambda grid: cell(grid).update(overrides={"paths.teachers": ["x"]}),
            "paths.teachers is set by the key teachers",
        ),
        (lambda grid: cell(grid).update(teachers=["none"]), "teachers: Input should be a valid dictionary"),
        (lambda grid: cell(grid).update(teachers={"seeds": [0]}), "teachers.cell: Field required"),
        (
            lambda grid: cell(grid).update(teachers={"cell": "entities"}),
            "teachers: there is no cell 'entities' above it",
        ),
        (
            lambda grid: cell(grid).update(teachers={"cell": "none", "seeds": [0, 3]}),
            "'entities': teachers: the cell 'none' has no seed 3",
        ),
    ],
)
def test_a_wrong_grid_is_refused_with_its_file_and_cause(write_grid, change, cause):
    path = write_grid(change)
    with pytest.raises(EmbreError, match=re.escape(f"{path}: ")) as error:
        load_grid(path)
    assert cause in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["a: [1", "a: 1\na: 2", "- 1", "", "\0"])
def test_a_file_that_is_no_grid_is_refused(tmp_path, content):
    path = tmp_path / "grid.yml"
    path.write_text(content)
    with pytest.raises(EmbreError, match=r"grid\.yml: "):
        load_grid(path)
    with pytest.raises(EmbreError, match="no such file of a grid"):
        load_grid(tmp_path / "none.yml")


@pytest.mark.parametrize(
    "change, cause",
    [
        (lambda grid: cell(grid).update(config="none.cfg"), "none.cfg: there is no such config file"),
        (lambda grid: cell(grid).update(corpus={"train": "x.spacy", "dev": "y"}), "x.spacy: there is no such corpus"),
        (lambda grid: cell(grid).update(overrides={"trainin.x": 1}), "trainin"),
        (lambda grid: cell(grid).update(overrides={"training.maxsteps": 1}), "has no setting training.maxsteps"),
        (lambda grid: cell(grid).update(overrides={"components.embre_relation.treshold": 1}), "treshold"),
        (lambda grid: cell(grid).update(overrides={"training.optimizer.beta": 1}), "beta"),
        (lambda grid: grid["pretraining"]["entities"].update(config="none.cfg"), "'entities': none.cfg: there is no"),
        (lambda grid: grid["pretraining"]["entities"].update(corpus="none.spacy"), "'entities': none.spacy: there is"),
        (lambda grid: grid["pretraining"]["entities"].update(encoder="./none"), "'entities': encoder './none'"),
        (
            lambda grid: grid["pretraining"]["entities"]["overrides"].update({"masking.rate": 1}),
            "rate: Extra inputs are not permitted",
        ),
        (
            lambda grid: cell(grid).update(teachers={"cell": "none"}, config=str(ROOT / "experiments" / "short.cfg")),
            "short.cfg gives no component its teachers",
        ),
    ],
)
def test_what_would_fail_later_is_refused_with_the_cell(write_grid, change, cause):
    grid = load_grid(write_grid(change))
    with pytest.raises(EmbreError, match=r"trial\.yml: cell 'entities': ") as error:
        check_grid(grid, grid.cells)
    assert cause in str(error.value) and "\n" not in str(error.value)


def test_teachers_are_checked_with_the_cell_that_learns_from_them(write_grid):
    def change(grid):
        cell(grid).update(teachers={"cell": "none"})
        cell(grid, 0).update(config="none.cfg")
        grid["cells"].append({**cell(grid), "name": "again", "teachers": {"cell": "entities"}})

    grid = load_grid(write_grid(change))
    cause = "cell 'entities': teacher 'none': none.cfg: there is no such config file"
    with pytest.raises(EmbreError, match=re.escape(f"trial.yml: {cause}")):
        check_grid(grid, [grid.cells[1]])
    # So are the teachers of teachers.
    with pytest.raises(EmbreError, match=re.escape(f"trial.yml: cell 'again': teacher {cause.removeprefix('cell ')}")):
        check_grid(grid, [grid.cells[2]])


@pytest.mark.parametrize("is_there", [False, True])
def test_what_the_floor_needs_is_checked_too(write_grid, tmp_path, is_there):
    config = tmp_path / "common.cfg"
    right = (ROOT / "configs" / "train.cfg").read_text(encoding="utf8")
    if is_there:
        config.write_text(right.replace("novelty_weight", "novelty_wait"))

    def change(grid):
        for one in grid["cells"]:
            one["config"] = grid["training"]["config"]
        grid["training"]["config"] = str(config)

    grid = load_grid(write_grid(change))
    with pytest.raises(EmbreError, match=r"trial\.yml: training, which the floor is computed with: ") as error:
        check_grid(grid, grid.cells)
    assert ("novelty_wait" if is_there else "no such config file") in str(error.value)


def test_a_right_grid_passes(write_grid):
    grid = load_grid(write_grid())
    check_grid(grid, grid.cells)


@pytest.mark.parametrize("file", GRIDS, ids=lambda file: file.stem)
def test_the_grids_of_the_project_are_valid(file, monkeypatch):
    monkeypatch.chdir(ROOT)
    grid = load_grid(file)
    for one in grid.cells:
        assert Path(one.config).is_file()
        cell_settings(one, one.seeds[0])


def test_levels_are_those_of_the_scorer():
    assert tuple(LEVELS) == scoring.LEVELS


def test_the_description_of_grids_is_complete_and_its_example_valid(tmp_path):
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf8")
    for name in (*EXTRA_COLUMNS, "relation_types", "calibration"):
        assert f"`{name}`" in text
    (tmp_path / "example.yml").write_text(re.search(r"```yaml\n(.*?)```", text, re.DOTALL).group(1))
    assert [cell.name for cell in load_grid(tmp_path / "example.yml").cells] == ["none", "entities", "twice"]
