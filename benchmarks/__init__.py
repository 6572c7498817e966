"""How fast a pipeline is, measured against what its transformer alone would need, and how much memory it takes."""

from .run import run_benchmark

__all__ = ["run_benchmark"]
