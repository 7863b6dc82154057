"""Classification of images by fine-tuning an encoder.

Mahendran et al., "Cross Pixel Optical-Flow Similarity for Self-Supervised Learning", ACCV 2018, section 4.5, after
Kraehenbuehl et al., "Data-dependent Initializations of Convolutional Neural Networks", ICLR 2016.
"""
