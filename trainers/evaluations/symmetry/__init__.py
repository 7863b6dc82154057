"""Whether the mirrored vector of a left point is that of the right one.

Thewlis et al., "Modelling and unsupervised learning of symmetric deformable object categories", NeurIPS 2018, section
6.1.
"""
