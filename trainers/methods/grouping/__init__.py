"""Learning from hierarchical grouping: an embedding of pixels that respects the tree of an image's regions.

Zhang and Maire, "Self-Supervised Visual Representation Learning from Hierarchical Grouping", NeurIPS 2020.
"""
