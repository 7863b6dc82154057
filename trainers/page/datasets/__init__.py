"""Datasets on the page: every view as a grid of samples, and one sample large with each of its members drawn."""
