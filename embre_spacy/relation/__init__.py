"""The component `embre_relation`: candidates to relations. PyTorch is imported when a model is made, not before."""
