"""Cross-pixel flow similarity: an embedding of pixels that are alike where their motion is.

Mahendran, Thewlis and Vedaldi, "Cross Pixel Optical-Flow Similarity for Self-Supervised Learning", ACCV 2018; chapter 8
of Thewlis, "Objects from Motion" (DPhil thesis, Oxford).
"""
