"""Finding the mentions of documents that bring none."""
