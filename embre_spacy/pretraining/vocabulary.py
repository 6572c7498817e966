"""A vocabulary of the field: wordpieces learned from the texts of pretraining, with embeddings to start from."""

from pathlib import Path
from typing import Iterable

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..transformer.text import prepare_tokenizer


def learn_vocabulary(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], size: int, folder: Path
) -> PreTrainedTokenizerBase:
    """Learn `size` wordpieces for a tokenizer of the same kind; PubMedBERT is trained with such a vocabulary (Gu and
    others 2021). It is kept in `folder` for the run that goes on: of the same texts, another would be learned, since
    the library breaks ties at random."""
    if not folder.is_dir():
        learned = tokenizer.train_new_from_iterator(texts, size, show_progress=False)
        # It is whole when it has its name.
        learned.save_pretrained(folder.with_suffix(".part"))
        folder.with_suffix(".part").rename(folder)
    return prepare_tokenizer(AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False))


def replace_embeddings(
    transformer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, learned: PreTrainedTokenizerBase
) -> None:
    """Give each wordpiece of a learned vocabulary the mean of the embeddings of the wordpieces that `tokenizer` cuts it
    into."""
    model = tokenizer.backend_tokenizer.model
    old = transformer.get_input_embeddings().weight.detach()
    pieces = learned.convert_ids_to_tokens(range(len(learned)))
    parts = [[token.id for token in model.tokenize(piece)] for piece in pieces]
    means = [old[ids].mean(dim=0) if ids else old.mean(dim=0) for ids in parts]
    transformer.resize_token_embeddings(len(learned), mean_resizing=False)
    with torch.no_grad():
        transformer.get_input_embeddings().weight.copy_(torch.stack(means))
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        if getattr(transformer.config, name, None) is not None:
            setattr(transformer.config, name, getattr(learned, name))
