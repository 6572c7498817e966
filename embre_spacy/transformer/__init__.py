"""What pretraining and the relation component share: checkpoints, wordpieces, tags, windows, precision."""
