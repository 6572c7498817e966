"""Experiments: grids of trainings that one file describes, the JSON files that they leave, and the report on them.

Reading grids and writing the report need no corpus, no spaCy and no PyTorch; what does is imported where it is used.
"""

from .grid import Cell, Grid, PretrainingSpec, load_grid

__all__ = ["Cell", "Grid", "PretrainingSpec", "load_grid"]
