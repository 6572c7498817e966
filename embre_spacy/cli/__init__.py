"""The commands: each reads its arguments, calls the package, and prints."""

from . import annotate, data, scoring, terminology, training
from .app import app
