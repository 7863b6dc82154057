"""Frames: which are taken, how they are paired, what is left out."""
