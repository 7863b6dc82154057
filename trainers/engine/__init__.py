"""Training: the loop, optimisers, schedules, checkpoints, what a run is."""
