"""What pretraining and the relation component share: checkpoints, wordpieces, tags, windows, precision."""

from .checkpoint import (
    WEIGHTS_FILE,
    WEIGHTS_METADATA,
    autocast,
    choose_window,
    describe_transformer,
    first_position,
    get_dropouts,
    has_given_positions,
    load_checkpoint,
    longest_window,
    resolve_checkpoint,
    restore_transformer,
    set_dropouts,
    uses_bfloat16,
)
from .text import (
    TaggedText,
    TagIds,
    Wordpieces,
    add_tags,
    cut_wordpieces,
    encode,
    get_tag_ids,
    insert_tags,
    prepare_tokenizer,
    round_up,
    special_tokens,
    split_windows,
    tag_text,
)
