"""Terminologies: names of concepts with their identifiers, in one SQLite file that is looked up from disk."""

from .store import Name, Terminology, normalize_name, write_names
from .variants import find_variants, identify_variant
