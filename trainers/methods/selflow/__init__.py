"""Optical flow learnt from video alone, or from exact flow.

Liu et al., "SelFlow: Self-Supervised Learning of Optical Flow", CVPR 2019.
"""
