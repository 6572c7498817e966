"""The commands. Each module holds one, thin: it reads its arguments, calls the rooms, and prints."""

from ._app import app

__all__ = ["app"]
