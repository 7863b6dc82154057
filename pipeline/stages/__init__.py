"""What a stage is, and the runner: everything about a stage's job that is not the stage's function."""
