"""A vocabulary that is learned from the texts, in a run and by itself."""

import json

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from embre_spacy.errors import EmbreError
from embre_spacy.pretraining import load_pretraining_config, pretrain
from embre_spacy.pretraining.vocabulary import learn_vocabulary, replace_embeddings
from embre_spacy.transformer.checkpoint import load_checkpoint

TEXTS = [f"ibuprofen and warfarin were given to {n} mice, and the mice of group {n} had less fever" for n in range(40)]


@pytest.fixture
def loaded(tiny_encoder):
    return load_checkpoint(str(tiny_encoder))


def test_new_wordpieces_start_as_means_of_the_old_ones(loaded, tmp_path):
    transformer, tokenizer = loaded
    before = transformer.get_input_embeddings().weight.detach().clone()
    learned = learn_vocabulary(tokenizer, TEXTS, 1000, tmp_path / "vocabulary")
    replace_embeddings(transformer, tokenizer, learned)
    after = transformer.get_input_embeddings().weight.detach()
    assert len(after) == len(learned) == transformer.config.vocab_size <= 1000
    assert learned.backend_tokenizer.encode("Ibuprofen, warfarin", add_special_tokens=False).tokens == [
        "ibuprofen",
        ",",
        "warfarin",
    ]
    inside = [piece for piece in learned.get_vocab() if piece.startswith("##") and len(piece) > 3]
    for piece in (inside[0], "warfarin", "mice", "[MASK]", "[PAD]"):
        parts = [token.id for token in tokenizer.backend_tokenizer.model.tokenize(piece)]
        torch.testing.assert_close(after[learned.convert_tokens_to_ids(piece)], before[parts].mean(dim=0))
    assert transformer.config.pad_token_id == learned.pad_token_id
    # It is not learned again.
    again = learn_vocabulary(tokenizer, ["other texts"], 1000, tmp_path / "vocabulary")
    assert again.get_vocab() == learned.get_vocab()


def test_a_run_learns_a_vocabulary_once_and_goes_on_with_it(docs, make_config, tiny_encoder, tmp_path, interrupt_after):
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    config = make_config(
        encoder__vocabulary=1000, training__epochs=2, training__eval_frequency=4, masking__word_rate=0.3
    )
    arguments = {"dev_docs": docs[:2], "texts": [tmp_path / "texts.jsonl"]}
    with pytest.raises(KeyboardInterrupt):
        pretrain(docs, tmp_path / "out", config, **arguments, console=interrupt_after(1))
    (learned,) = (tmp_path / "out" / "checkpoints").glob("vocabulary-*")
    before = AutoTokenizer.from_pretrained(learned).get_vocab()
    pretrain(docs, tmp_path / "out", config, **arguments)
    transformer = AutoModel.from_pretrained(tmp_path / "out")
    tokenizer, old = (AutoTokenizer.from_pretrained(folder) for folder in (tmp_path / "out", tiny_encoder))
    assert before.items() <= tokenizer.get_vocab().items()
    assert len(transformer.get_input_embeddings().weight) == len(tokenizer)
    text = "ibuprofen lowers fever in mice"
    assert len(tokenizer.tokenize(text)) == 5 < len(old.tokenize(text))
    assert tokenizer.convert_tokens_to_ids("[GeneOrGeneProduct]") != tokenizer.unk_token_id


def test_a_vocabulary_of_a_few_wordpieces_is_refused():
    with pytest.raises(EmbreError, match=r"encoder\.vocabulary: Input should be greater than or equal to 1000"):
        load_pretraining_config(None, {"encoder.vocabulary": 10})
