"""Image encoders: one constructor, `create_encoder`, whichever the architecture. Imports torch.

They are here, below what trains them, because flow networks describe patches by them.
"""

from pipeline.columns.flow.networks.encoders.create import create_encoder
from pipeline.columns.flow.networks.encoders.encoder import Encoder, Layer
from pipeline.columns.flow.networks.encoders.resnet import StridedResNet, strided

__all__ = ["Encoder", "Layer", "StridedResNet", "create_encoder", "strided"]
