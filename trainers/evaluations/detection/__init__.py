"""Object detection by fine-tuning an encoder: Fast R-CNN on AlexNet and VGG-16, Faster R-CNN with a pyramid on ResNets.

Mahendran et al., "Cross Pixel Optical-Flow Similarity for Self-Supervised Learning", ACCV 2018, section 4.5; Zhan et
al., "Self-Supervised Learning via Conditional Motion Propagation", CVPR 2019, appendix C.
"""
