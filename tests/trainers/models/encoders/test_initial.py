import math

import torch
from torch import nn

from trainers.models.encoders import create_encoder, initialise


def drawn(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    encoder = create_encoder("vgg16")  # it has biases
    initialise(encoder)
    return encoder


def test_weights_are_normal_with_glorots_deviation_times_the_gain():
    for layer in drawn(0).modules():
        if isinstance(layer, nn.Conv2d):
            outputs, inputs, height, width = layer.weight.shape
            expected = 0.02 * math.sqrt(2 / ((inputs + outputs) * height * width))
            assert abs(layer.weight.std() / expected - 1) < 0.05
            assert abs(layer.weight.mean()) < expected / 10
            if inputs > 3:
                assert layer.weight.abs().max() > 3.5 * expected  # a uniform draw ends at 1.73
            assert (layer.bias == 0).all()


def test_normalisations_start_near_one():
    layers = [layer for layer in drawn(0).modules() if isinstance(layer, nn.BatchNorm2d)]
    weights = torch.cat([layer.weight.detach() for layer in layers])
    assert abs(weights.mean() - 1) < 2e-3
    assert abs(weights.std() - 0.02) < 2e-3
    assert all((layer.bias == 0).all() for layer in layers)


def test_the_callers_seed_decides():
    first, again, other = (drawn(seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])
