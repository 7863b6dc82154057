"""Conditional motion propagation: the whole motion from an image and the motion at a few points.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019.
"""
