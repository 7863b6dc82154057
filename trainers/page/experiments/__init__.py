"""Experiments on the page: what is being trained, its curves while it is, and evaluations side by side."""
