"""The settings: their files, and what is refused."""

from pathlib import Path

import pytest

from embre_spacy.errors import EmbreError
from embre_spacy.pretraining import PretrainingConfig, load_pretraining_config

CONFIGS = Path(__file__).parent.parent.parent / "configs"


def test_the_default_file_has_the_defaults():
    expected = PretrainingConfig()
    assert expected == load_pretraining_config()
    # All but that ordinary masking is mixed in, which the paper does not do, and that it is longer.
    expected.masking.word_rate = 0.12
    expected.training.epochs = 30
    assert load_pretraining_config(CONFIGS / "pretrain.cfg") == expected


def test_other_abstracts_differ_in_what_they_lack():
    expected, config = (load_pretraining_config(CONFIGS / f"{name}.cfg") for name in ("pretrain", "pretrain_abstracts"))
    # Not all of them have identifiers, and most of those that they have are rare.
    assert config.masking.unidentified and config.objective.identifier_weight < expected.objective.identifier_weight
    assert (config.encoder, config.masking.concept_rate) == (expected.encoder, expected.masking.concept_rate)


def test_the_file_of_the_paper():
    config = load_pretraining_config(CONFIGS / "gpu" / "pretrain.cfg")
    assert (config.training.epochs, config.training.learning_rate, config.masking.concept_rate) == (15, 1e-5, 0.2)
    assert config.training.batch_size * config.training.accumulate_gradient == 128
    assert config.training.weight_decay == 0 and config.masking.word_rate == 0


def test_values_are_replaced(tmp_path):
    overrides = {"training.epochs": 3, "training.learning_rate": 1, "objective.objectives": ["type"]}
    config = load_pretraining_config(CONFIGS / "pretrain.cfg", overrides)
    assert (config.training.epochs, config.training.learning_rate) == (3, 1.0)
    assert config.objective.objectives == ["type"]
    path = tmp_path / "short.cfg"
    path.write_text("[training]\nepochs = 4\n")
    assert load_pretraining_config(path).training.epochs == 4


def test_what_the_file_lacks_can_be_replaced():
    overrides = {"encoder.name": "elsewhere", "training.seed": 3}
    config = load_pretraining_config(CONFIGS / "pretrain_abstracts.cfg", overrides)
    plain = load_pretraining_config(CONFIGS / "pretrain_abstracts.cfg")
    assert (config.encoder.name, config.training.seed) == ("elsewhere", 3)
    assert (config.encoder.tags, config.masking, config.objective) == (True, plain.masking, plain.objective)
    assert load_pretraining_config(overrides=overrides).encoder == config.encoder


@pytest.mark.parametrize(
    "overrides, cause",
    [
        ({"training.epoch": 3}, r"training\.epoch: Extra inputs are not permitted"),
        ({"trainig.epochs": 3}, "trainig -> epochs"),
        ({"training.epochs": 0}, r"training\.epochs: Input should be greater than or equal to 1"),
        ({"training.epochs": 1.5}, "epochs: Input should be a valid integer"),
        ({"training.schedule": "some"}, "schedule: Input should be 'linear', 'cosine', "),
        ({"training.learning_rate": float("nan")}, "learning_rate: Input should be a finite number"),
        ({"training.seed": -1, "training.warmup": 1}, "warmup: Input should be less than 1; .*seed: Input should"),
        ({"encoder.tags": "yes"}, "tags: Input should be a valid boolean"),
        ({"masking.concept_rate": 1}, "concept_rate: Input should be less than 1"),
        ({"masking.concept_rate": 0, "masking.word_rate": 0}, r"cfg: \[masking\] concept_rate and word_rate are"),
        ({"objective.objectives": []}, "objectives is empty"),
        ({"objective.objectives": ["typ"]}, "objectives.0: Input should be 'identifier' or 'type'"),
        ({"objective.objectives": ["identifier"], "masking.unidentified": True}, "unidentified needs type"),
    ],
)
def test_wrong_values_are_refused(overrides, cause):
    with pytest.raises(EmbreError, match=cause) as error:
        load_pretraining_config(CONFIGS / "pretrain.cfg", overrides)
    assert str(error.value).startswith(str(CONFIGS / "pretrain.cfg")) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"[training\nepochs = 1", b"epochs = 1", b"[model]\nwidth = 1", b"[training]\nepochs = $", b"\xff"]
)
def test_broken_files_are_refused(tmp_path, content):
    path = tmp_path / "broken.cfg"
    path.write_bytes(content)
    with pytest.raises(EmbreError, match=r"broken\.cfg"):
        load_pretraining_config(path)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(EmbreError, match="there is no such config file"):
        load_pretraining_config(tmp_path / "none.cfg")
