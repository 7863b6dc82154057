"""Linear classifiers on what the layers of an encoder see: what is told easily from each of them.

Zhang et al., "Split-Brain Autoencoders", CVPR 2017, section 4.1; Mahendran et al., "Cross Pixel Optical-Flow Similarity
for Self-Supervised Learning", ACCV 2018, table 2.
"""
