"""Image encoders, from scratch or from weights: one constructor, `create_encoder`, whichever the architecture."""

from trainers.encoders.create import create_encoder
from trainers.encoders.encoder import Encoder
from trainers.encoders.initial import initialise
from trainers.encoders.weights import load_encoder, load_strictly, save_encoder

__all__ = ["Encoder", "create_encoder", "initialise", "load_encoder", "load_strictly", "save_encoder"]
