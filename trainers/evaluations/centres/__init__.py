"""Where named points are, each by a vector that is learnt on an embedding that stays as it is.

Thewlis et al., "Unsupervised learning of object frames by dense equivariant image labelling", NeurIPS 2017, section
4.1.
"""
