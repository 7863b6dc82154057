"""Landmarks that a network finds by itself: points that move as the object does.

Thewlis et al., "Unsupervised learning of object landmarks by factorized spatial embeddings", ICCV 2017.
"""
