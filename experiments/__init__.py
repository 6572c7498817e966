"""Grids of trainings that one file describes, the JSON files that they leave, and the report on them."""
