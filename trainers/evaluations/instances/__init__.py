"""Instance segmentation by fine-tuning an encoder: Mask R-CNN with a feature pyramid on ResNets.

Zhan et al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, section 4.1 and appendix B.
"""
