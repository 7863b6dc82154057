"""Image encoders, from scratch or from weights: one constructor, `create_encoder`, whichever the architecture."""

from trainers.models.encoders.create import create_encoder
from trainers.models.encoders.encoder import Encoder
from trainers.models.encoders.initial import initialise
from trainers.models.encoders.resnet import StridedResNet
from trainers.models.encoders.weights import load_encoder, load_strictly, save_encoder

__all__ = ["Encoder", "StridedResNet", "create_encoder", "initialise", "load_encoder", "load_strictly", "save_encoder"]
