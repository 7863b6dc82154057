"""Image encoders, from scratch or from weights; the architectures are the pipeline's."""

from pipeline.columns.flow.networks.encoders import Encoder, Layer, StridedResNet, create_encoder, strided
from trainers.models.encoders.initial import initialise
from trainers.models.encoders.norms import Norms
from trainers.models.encoders.weights import load_encoder, load_strictly, save_encoder

__all__ = [
    "Encoder",
    "Layer",
    "Norms",
    "StridedResNet",
    "create_encoder",
    "initialise",
    "load_encoder",
    "load_strictly",
    "save_encoder",
    "strided",
]
