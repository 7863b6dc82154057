"""Deep matching as a network: descriptors, the pyramid of scores and its way back, matches, and flow between them.

Thewlis et al., "Fully-Trainable Deep Matching", BMVC 2016 (chapter 3 of the thesis); Revaud et al., "DeepMatching:
Hierarchical Deformable Dense Matching", IJCV 2016. Imports torch.
"""
