"""Bounded readers of formats that this project did not write. Nothing here executes what it reads."""
