"""Tags: the special tokens that name the entity type before and after a mention (section 3.3 of the paper)."""

import re
from typing import TYPE_CHECKING, Dict, List, Sequence, Tuple

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The wordpiece ids of the opening and the closing tag of each entity type.
TagIds = Dict[str, Tuple[int, int]]


def tag_tokens(entity_type: str) -> Tuple[str, str]:
    """The opening and the closing tag of an entity type.

    entity_type (str): The entity type.
    RETURNS (Tuple[str, str]): The two special tokens.
    """
    return f"[{entity_type}]", f"[/{entity_type}]"


def get_tag_ids(tokenizer: "PreTrainedTokenizerBase", entity_types: Sequence[str]) -> TagIds:
    """The ids of the tags that a tokenizer knows.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    entity_types (Sequence[str]): The entity types.
    RETURNS (TagIds): The ids for each entity type whose tags the tokenizer has.
    """
    vocabulary = tokenizer.get_added_vocab()
    found = {}
    for entity_type in entity_types:
        opening, closing = tag_tokens(entity_type)
        if opening in vocabulary and closing in vocabulary:
            found[entity_type] = (vocabulary[opening], vocabulary[closing])
    return found


def add_tags(
    transformer: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", entity_types: Sequence[str]
) -> TagIds:
    """Teach a tokenizer the tags of some entity types, and give the transformer a vector for each that is new: the
    mean of the vectors of the words that the type is named by, so that nothing here is drawn at random.

    transformer (PreTrainedModel): The transformer; its embeddings are resized in place.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer; changed in place.
    entity_types (Sequence[str]): The entity types.
    RETURNS (TagIds): The ids of the tags of all these types.
    """
    import torch

    vocabulary = tokenizer.get_added_vocab()
    new: List[Tuple[str, str]] = [
        (token, entity_type)
        for entity_type in entity_types
        for token in tag_tokens(entity_type)
        if token not in vocabulary
    ]
    if new:
        tokenizer.add_special_tokens(
            {"additional_special_tokens": [token for token, _ in new]}, replace_additional_special_tokens=False
        )
        transformer.resize_token_embeddings(max(len(tokenizer), transformer.config.vocab_size), mean_resizing=False)
        embeddings = transformer.get_input_embeddings().weight
        with torch.no_grad():
            for token, entity_type in new:
                words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", entity_type)
                pieces = tokenizer(words, add_special_tokens=False)["input_ids"]
                # A type that no word is in: the mean of nothing would not be a number.
                of_name = embeddings[pieces] if pieces else embeddings
                embeddings[tokenizer.convert_tokens_to_ids(token)] = of_name.mean(dim=0)
    return get_tag_ids(tokenizer, entity_types)
