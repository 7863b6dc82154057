import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainers.evaluations.features import nearest_cells, shrunk, unit_features
from trainers.evaluations.start import Features
from trainers.models.encoders import create_encoder


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 90), seen=st.integers(1, 90), stride=st.sampled_from([1, 2, 4, 8, 32]))
def test_a_pixel_has_the_feature_that_lies_nearest(size, seen, stride):
    cells = -(-seen // stride)
    centres = (stride * np.arange(cells) + 0.5) * (size / seen)  # where features lie on the image as it was
    distances = abs(np.arange(size)[:, None] + 0.5 - centres)
    chosen = nearest_cells(size, seen, cells, stride)
    assert distances[np.arange(size), chosen] == pytest.approx(distances.min(axis=1), abs=1e-9)


def test_features_have_length_1_and_those_of_nothing_none():
    class Negative(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def embed(self, images):
            return torch.relu(0.5 - images)[:, :, ::2, ::2]

    image = np.full((5, 8, 3), 0.1, np.float32)
    image[:2] = 1
    unit = unit_features(Features(Negative(), None), image)
    assert unit.shape == (3, 4, 3)
    assert not unit[0].any()
    assert np.linalg.norm(unit[1:], axis=2) == pytest.approx(1)


def test_a_large_image_is_shrunk_and_a_small_one_left():
    image = np.random.default_rng(0).random((60, 90, 3)).astype(np.float32)
    assert shrunk(image, 90) is image
    assert shrunk(image, 30) == pytest.approx(image.reshape(20, 3, 30, 3, 3).mean(axis=(1, 3)), abs=1e-6)
    assert shrunk(image[:, :1], 16).shape == (16, 1, 3)


@pytest.mark.parametrize(("name", "stride"), [("resnet18", 2), ("resnet18", 8), ("vgg16", 4), ("alexnet", 32)])
def test_the_grid_is_as_the_encoder_says(name, stride):
    encoder = create_encoder(name)
    features = Features(encoder, stride).eval()
    assert features.grid() == (encoder.channels[stride], stride)
    assert unit_features(features, np.ones((5, 1, 3), np.float32)).shape == (
        *(-(-5 // stride), 1),
        encoder.channels[stride],
    )
