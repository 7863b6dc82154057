"""Masks from clicks: how well few clicks on an object annotate its pixels, made by a user that is simulated.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, section 4.3 and Table 4.
"""
