"""How fast a pipeline is, measured against what its transformer alone needs, and how much memory it takes."""
