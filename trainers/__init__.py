"""Models, losses, training and evaluation, and the reading of the shards they learn from."""
