"""Semantic segmentation by fine-tuning an encoder: what its features are worth for another task.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, section 4.1 and appendix B.
"""
