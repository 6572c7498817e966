"""Where files lie, and what can be done with them there."""

from .locations import is_uri, remove_parts, storage_of
from .protocol import Entry

__all__ = ["Entry", "is_uri", "remove_parts", "storage_of"]
