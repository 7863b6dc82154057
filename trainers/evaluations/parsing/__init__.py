"""Human parsing by fine-tuning an encoder: segmentation of people into their parts, left and right told apart.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, section 4.1 and appendix B.
"""
