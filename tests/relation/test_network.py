"""The network: what is saved of it, and what of it the config may change."""

import io
import json

import pytest
import spacy
import torch
from relation_docs import outcome
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from embre_spacy.errors import EmbreError
from embre_spacy.relation.model import get_network
from embre_spacy.tokens import copy_mentions
from embre_spacy.transformer.checkpoint import create_weight_rounding, load_checkpoint

ENCODER = "components.embre_relation.model.encoder"


def predicted(nlp, make_examples):
    return [copy_mentions(example.reference) for example in make_examples(nlp)]


def expected(nlp, make_examples):
    return [sorted(outcome(example.reference)) for example in make_examples(nlp)]


def test_a_saved_pipeline_needs_nothing_of_the_folder_it_was_made_from(trained, tmp_path, tiny_encoder, make_examples):
    trained.to_disk(tmp_path / "model")
    for file in (tmp_path / "model").rglob("*.cfg"):
        file.write_text(file.read_text().replace(str(tiny_encoder), "/no/such/folder"))
    reloaded = spacy.load(tmp_path / "model")
    assert outcome(reloaded(predicted(reloaded, make_examples)[0]))


def test_the_weights_are_in_a_file_of_their_own(trained, tmp_path, make_examples):
    gold = expected(trained, make_examples)
    trained.to_disk(tmp_path / "model")
    folder = tmp_path / "model" / "embre_relation"
    weights = load_file(folder / "weights.safetensors")
    assert len(weights) == len(list(get_network(trained.get_pipe("embre_relation").model).parameters()))
    assert (folder / "weights.safetensors").stat().st_mode == (folder / "cfg").stat().st_mode
    reloaded = spacy.load(tmp_path / "model")
    # What is in use does not lie in the file, which can be written again.
    (folder / "weights.safetensors").write_bytes(b"x" * (folder / "weights.safetensors").stat().st_size)
    assert [sorted(outcome(reloaded(doc))) for doc in predicted(reloaded, make_examples)] == gold
    reloaded.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert [sorted(outcome(again(doc))) for doc in predicted(again, make_examples)] == gold
    (folder / "weights.safetensors").unlink()
    with pytest.raises(EmbreError, match=r"weights\.safetensors: the file with the weights of the model is missing"):
        spacy.load(tmp_path / "model")


@pytest.mark.parametrize("encoder_kind", ["document", "pairs"])
def test_the_encoder_of_a_trained_pipeline_can_be_trained_from(trained, tmp_path, monkeypatch):
    package = tmp_path / "en_tiny"
    package.mkdir()
    trained.to_disk(package / "en_tiny-1.0")
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    encoder = get_network(trained.get_pipe("embre_relation").model).encoder
    for name in (str(package / "en_tiny-1.0"), "package:en_tiny"):
        transformer, tokenizer = load_checkpoint(name, hidden_dropout=0.3)
        assert transformer.config.hidden_dropout_prob == 0.3
        assert tokenizer.get_vocab() == encoder.tokenizer.get_vocab()
        weights, own = transformer.state_dict(), encoder.transformer.state_dict()
        assert weights.keys() == own.keys() and all(torch.equal(weights[key], own[key]) for key in own)
    file = package / "en_tiny-1.0" / "embre_relation" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(EmbreError, match="encoder 'package:en_tiny' cannot be loaded"):
        load_checkpoint("package:en_tiny")


@pytest.mark.parametrize("encoder_kind", ["tokens"])
def test_a_pipeline_without_a_transformer_is_no_encoder(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    with pytest.raises(EmbreError, match="has no transformer of its own"):
        load_checkpoint(str(tmp_path / "model"))


def test_rounded_weights_predict_the_same_relations(trained, make_examples):
    gold = expected(trained, make_examples)
    create_weight_rounding("float16")(trained)
    assert [sorted(outcome(trained(doc))) for doc in predicted(trained, make_examples)] == gold
    model = trained.get_pipe("embre_relation").model
    weights = [parameter.detach() for parameter in get_network(model).parameters()]
    for layer in model.walk():
        weights += [torch.from_numpy(layer.get_param(name)) for name in layer.param_names if layer.has_param(name)]
    assert all(weight.dtype == torch.float32 and torch.equal(weight, weight.half().float()) for weight in weights)
    with pytest.raises(EmbreError, match="weights can be rounded to bfloat16, float16, not 'int8'"):
        create_weight_rounding("int8")


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_what_no_weight_depends_on_can_be_chosen_in_loading(trained, tmp_path, make_examples):
    trained.to_disk(tmp_path / "model")
    config = {f"{ENCODER}.batch_wordpieces": 100, f"{ENCODER}.mention_dropout": 0.5, f"{ENCODER}.hidden_dropout": 0.3}
    for nlp in (
        spacy.load(tmp_path / "model", config=config),
        spacy.util.load_model_from_config(spacy.util.load_config(tmp_path / "model" / "config.cfg", config)),
    ):
        if nlp.get_pipe("embre_relation").labels == ():
            nlp.from_bytes(trained.to_bytes(exclude=["config"]))
        encoder = get_network(nlp.get_pipe("embre_relation").model).encoder
        assert encoder.settings["batch_wordpieces"] == 100 and encoder.settings["mention_dropout"] == 0.5
        assert encoder.transformer.config.hidden_dropout_prob == 0.3
        doc = copy_mentions(make_examples(nlp)[0].reference)
        assert sorted(outcome(nlp(doc))) == sorted(outcome(make_examples(nlp)[0].reference))


@pytest.mark.parametrize("encoder_kind", ["document"])
@pytest.mark.parametrize(
    "setting, value, cause",
    [
        (
            "encoder.hidden_width",
            8,
            "`model.encoder.hidden_width` is 8 in the config, but the saved .* 256",
        ),
        (
            "encoder.tags",
            False,
            "`model.encoder.tags` is False in the config, but the saved weights were made with True",
        ),
        ("encoder.n_heads", 4, "`model.encoder.n_heads` is 4 in the config, but the saved weights were made with 8"),
        ("hidden_width", 9, "`model.hidden_width` is 9 in the config, but the saved weights were made with 256"),
    ],
)
def test_a_setting_that_does_not_fit_the_weights_is_named(trained, tmp_path, setting, value, cause):
    trained.to_disk(tmp_path / "model")
    with pytest.raises(EmbreError, match=f"weights.safetensors: {cause}"):
        spacy.load(tmp_path / "model", config={f"components.embre_relation.model.{setting}": value})


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_the_weights_of_another_encoder_are_an_error(trained, tmp_path, tiny_encoder):
    trained.to_disk(tmp_path / "model")
    encoder = {"@architectures": "embre_spacy.PairsEncoder.v1", "name": str(tiny_encoder)}
    config = spacy.util.load_config(tmp_path / "model" / "config.cfg")
    config["components"]["embre_relation"]["model"]["encoder"] = encoder
    with pytest.raises(
        EmbreError,
        match=r"safetensors: `model.encoder` is PairsEncoder in the config, but the saved .* made with DocumentEncoder",
    ):
        spacy.util.load_model_from_config(config).from_disk(tmp_path / "model")


def change_description(file, change):
    """Change what the metadata of weights say of the network."""
    with safe_open(file, framework="pt") as opened:
        description = json.loads(opened.metadata()["embre_relation"])
    change(description)
    save_file(load_file(file), file, metadata={"embre_relation": json.dumps(description)})


def change_tokenizer(name, text):
    return lambda description: description["tokenizer"].__setitem__(name, text)


WEIGHTS_DAMAGE = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[:1000]),
    "empty": lambda file: file.write_bytes(b""),
    "other data": lambda file: file.write_bytes(b"{}" * 500),
    "no metadata": lambda file: save_file(load_file(file), file),
    "no JSON": lambda file: save_file(load_file(file), file, metadata={"embre_relation": "{"}),
    "no version": lambda file: change_description(file, dict.clear),
    "a list": lambda file: save_file(load_file(file), file, metadata={"embre_relation": "[]"}),
    "a later version": lambda file: change_description(file, lambda description: description.update(version=99)),
    "no tokenizer": lambda file: change_description(file, lambda description: description.pop("tokenizer")),
    "a cut tokenizer": lambda file: change_description(file, change_tokenizer("tokenizer.json", '{"version": "1.0", ')),
    "an empty tokenizer": lambda file: change_description(file, change_tokenizer("tokenizer.json", "")),
    "no settings of the tokenizer": lambda file: change_description(
        file, change_tokenizer("tokenizer_config.json", "")
    ),
    "another transformer": lambda file: change_description(
        file, lambda description: description["transformer"].update(intermediate_size=7)
    ),
    "an unknown transformer": lambda file: change_description(
        file, lambda description: description["transformer"].update(model_type="none")
    ),
    "a weight too few": lambda file: save_file(
        dict(list(load_file(file).items())[1:]), file, metadata=safe_open(file, framework="pt").metadata()
    ),
}


@pytest.fixture
def saved(initialized, tmp_path):
    """The folder of a component that was saved, in that of its pipeline."""
    initialized.to_disk(tmp_path / "model")
    return tmp_path / "model" / "embre_relation"


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_damaged_weights_are_named(saved):
    file = saved / "weights.safetensors"
    whole = file.read_bytes()
    for name, damage in WEIGHTS_DAMAGE.items():
        file.write_bytes(whole)
        damage(file)
        with pytest.raises(EmbreError, match=r"embre_relation.weights\.safetensors: ") as caught:
            spacy.load(saved.parent)
        assert "()" not in str(caught.value) and "\n" not in str(caught.value), name


@pytest.mark.parametrize("encoder_kind", ["tokens"])
def test_damaged_settings_and_layers_are_named(saved):
    cfg = json.loads((saved / "cfg").read_text())
    damaged = [
        ("cfg", b""),
        ("cfg", b'{"labels": ['),
        ("cfg", b"[1, 2]"),
        *(
            ("cfg", json.dumps({**cfg, key: value}).encode())
            for key, value in [("threshold", "high"), ("temperature", 0), ("labels", None), ("entity_types", [1])]
        ),
        ("tok2vec", b""),
        ("tok2vec", b"\x93\x01\x02"),
        ("tok2vec", (saved / "tok2vec").read_bytes()[:-100]),
    ]
    for name, data in damaged:
        whole = (saved / name).read_bytes()
        (saved / name).write_bytes(data)
        with pytest.raises(EmbreError, match=f"embre_relation.{name}: ") as caught:
            spacy.load(saved.parent)
        assert "()" not in str(caught.value) and "\n" not in str(caught.value), data
        (saved / name).write_bytes(whole)
    assert spacy.load(saved.parent)


@pytest.mark.parametrize("encoder_kind", ["document"])
@pytest.mark.parametrize("name", ["../../planted.py", "{folder}/planted.py", "planted.py", "config.json", ".."])
def test_a_pipeline_writes_no_files_but_those_of_its_tokenizer(saved, tmp_path, name):
    name = name.format(folder=tmp_path)
    change_description(saved / "weights.safetensors", change_tokenizer(name, "import os"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(EmbreError, match=r"weights\.safetensors: .* is no file of a tokenizer"):
        spacy.load(saved.parent)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("encoder_kind", ["document"])
def test_a_pipeline_runs_no_code_of_its_tokenizer(saved, tmp_path, monkeypatch):
    planted = tmp_path / "code"
    planted.mkdir()
    (planted / "planted.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Planted: pass\n")
    # A yes to whoever asks.
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))
    for settings in (
        {"auto_map": {"AutoTokenizer": [None, f"{planted}--planted.Planted"]}, "tokenizer_class": "Planted"},
        {"auto_map": {"AutoTokenizer": [None, "planted.Planted"]}},
    ):
        change_description(
            saved / "weights.safetensors", change_tokenizer("tokenizer_config.json", json.dumps(settings))
        )
        with pytest.raises(EmbreError, match=r"weights\.safetensors: "):
            spacy.load(saved.parent)
    assert not (tmp_path / "ran").exists()
