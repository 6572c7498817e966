"""The commands: each reads its arguments, calls the package, and prints."""

from . import annotate, data, scoring, training  # noqa: F401
from .app import app

__all__ = ["app"]
