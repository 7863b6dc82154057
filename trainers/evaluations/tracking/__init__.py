"""Masks carried through a video from its first frame, by the nearest features in the frames before.

Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020, section 5.3.
"""
