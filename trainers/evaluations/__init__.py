"""Evaluations of what was trained, one package each."""
