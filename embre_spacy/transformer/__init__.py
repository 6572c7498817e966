"""From text and mentions to a transformer: checkpoints, wordpieces, tags, windows, precision.

What pretraining and the relation component share. Knows nothing of relations and files of annotations.
"""

from .checkpoint import (
    choose_window,
    first_position,
    get_dropouts,
    has_given_positions,
    load_checkpoint,
    longest_window,
    remove_pooler,
    resolve_checkpoint,
    set_dropouts,
)
from .encode import TaggedText, Wordpieces, encode, sort_borders, special_tokens
from .precision import autocast
from .tags import TagIds, add_tags, get_tag_ids, tag_tokens
from .windows import split_windows

__all__ = [
    "TagIds",
    "TaggedText",
    "Wordpieces",
    "add_tags",
    "autocast",
    "choose_window",
    "encode",
    "first_position",
    "get_dropouts",
    "get_tag_ids",
    "has_given_positions",
    "load_checkpoint",
    "longest_window",
    "remove_pooler",
    "resolve_checkpoint",
    "set_dropouts",
    "sort_borders",
    "special_tokens",
    "split_windows",
    "tag_tokens",
]
