"""Experiments: grids of trainings that one file describes, the JSON files that they leave, and the report on them."""

from .grid import Cell, Grid, PretrainingSpec, load_grid

__all__ = ["Cell", "Grid", "PretrainingSpec", "load_grid"]
