"""The commands. Each module holds one, thin: it reads its arguments, calls the rooms, and prints."""

from . import annotate, calibrate, convert, evaluate, prepare, pretrain, score  # noqa: F401
from ._app import app

__all__ = ["app"]
