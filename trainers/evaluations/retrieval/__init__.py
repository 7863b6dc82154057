"""Retrieval: segments of an image by their features, and the segments of other images that are like them.

Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020, section 5.2.
"""
