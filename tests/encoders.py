"""What makes vectors, but tiny and random: a BERT on disk, with everything that a real checkpoint has, in a second and
without a hub; and the config of a layer of spaCy."""

from pathlib import Path
from string import ascii_lowercase, digits, punctuation

# All other words fall into characters, so that most texts have words of one wordpiece and words of many.
WORDS = """
the a an of in and or to by with for is are was not on as that from which but aspirin causes lowers raises binds fever
ulcer gastric pain cancer tumor breast disease syndrome gene protein mutation patients mice human cells treatment
increased decreased expression risk inhibits levels type
"""

TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 2,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}


def make_tiny_encoder(path: Path, *, hidden: int = 32, layers: int = 2, max_positions: int = 64, seed: int = 0) -> Path:
    """Write a Hugging Face folder with a small BERT of random weights and a WordPiece tokenizer.

    path (Path): The folder to write.
    hidden (int): The width of its vectors.
    layers (int): The number of its layers.
    max_positions (int): The most wordpieces in one pass, special tokens included.
    seed (int): The seed of its weights. The random numbers of PyTorch are left as they were.
    RETURNS (Path): The folder.
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    path.mkdir(parents=True, exist_ok=True)
    characters = [*ascii_lowercase, *digits, *punctuation]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *characters,
        *(f"##{one}" for one in characters),
        *WORDS.split(),
    ]
    vocabulary = list(dict.fromkeys(vocabulary))
    (path / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf8")
    tokenizer = BertTokenizerFast(
        vocab_file=str(path / "vocab.txt"), do_lower_case=True, model_max_length=max_positions
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=max_positions,
        # Tests that learn by heart want neither noise nor vectors that are all alike.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def use_plain_tokenizer(path: Path) -> None:
    """Store the tokenizer of a folder as ModernBERT has it: without a class of its own, so that only its post-processor
    knows its special tokens."""
    from transformers import BertTokenizerFast, PreTrainedTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(path)
    plain = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        model_max_length=tokenizer.model_max_length,
        **tokenizer.special_tokens_map,
    )
    plain.save_pretrained(path)
