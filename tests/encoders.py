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


def make_modern_encoder(path: Path, kind: str = "byte-level") -> Path:
    """Write a Hugging Face folder with a small ModernBERT of random weights and its kind of tokenizer, or another that
    counts the space before a word to the word; no such tokenizer has a class of its own.

    path (Path): The folder to write.
    kind (str): "byte-level" for BPE of bytes, "trimmed" for such a tokenizer that gives offsets without the space (as
        RoBERTa's), or "sentencepiece" for pieces of characters with a space before each text.
    RETURNS (Path): The folder.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast

    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names["mask_token"] = "[MASK]"
    special = list(names.values())
    characters = [*ascii_lowercase, *ascii_lowercase.upper(), *digits, *punctuation]
    texts = [WORDS, *(f"{word} {word}" for word in WORDS.split()), " ".join(characters), "".join(characters)]
    if kind == "sentencepiece":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="[UNK]")
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    tokenizer.train_from_iterator(texts, trainer)
    cls, sep = (("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]")))
    if kind == "trimmed":
        tokenizer.post_processor = processors.RobertaProcessing(sep, cls, trim_offsets=True, add_prefix_space=False)
    else:
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[cls, sep])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **names).save_pretrained(path)
    config = ModernBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        local_attention=16,
        pad_token_id=tokenizer.token_to_id("[PAD]"),
        cls_token_id=cls[1],
        sep_token_id=sep[1],
        reference_compile=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModernBertModel(config).save_pretrained(path)
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
