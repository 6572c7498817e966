"""Entity-aware masking for biomedical relation extraction with novelty, as a spaCy pipeline component."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .formats import from_bioc, read, to_bioc, write
    from .tokens import Concept, Relation

__version__ = "0.1.0"
__all__ = ["Concept", "Relation", "from_bioc", "read", "to_bioc", "write"]


def __getattr__(name: str) -> Any:
    # Importing the package stays cheap (spaCy and PyTorch take seconds): names are looked up when they are first used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = ".tokens" if name in ("Concept", "Relation") else ".formats"
    return getattr(import_module(home, __name__), name)
