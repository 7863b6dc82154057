"""The networks are the thesis' and the later release's."""

import pytest
import torch
from torch import nn

from trainers.methods.objects.model import LENGTH, ObjectsNet
from trainers.methods.objects.options import ModelOptions


@pytest.mark.parametrize(
    ("network", "dimensions", "count"),
    [("small", 3, 334_875), ("small", 64, 350_552), ("hourglass", 64, 12_609_472), ("dilations", 3, 334_875)],
)
def test_the_release_s_parameters(network: str, dimensions: int, count: int):
    assert sum(weights.numel() for weights in ObjectsNet(ModelOptions(network, dimensions)).parameters()) == count


@pytest.mark.parametrize(
    ("network", "chain", "slope"),
    [
        ("simple", [(5, 20, 1), (5, 48, 1), (3, 64, 1), (3, 80, 1), (3, 256, 1), (1, 3, 1)], 0.0),
        ("dilations", [(5, 20, 1), (5, 48, 1), (5, 64, 2), (3, 80, 4), (3, 256, 2), (1, 3, 1)], 0.0),
        ("small", [(5, 20, 1), (5, 48, 1), (5, 64, 2), (3, 80, 4), (3, 256, 2), (1, 3, 1)], 0.2),
    ],
)
def test_the_chains_of_chapter_5(network: str, chain: list[tuple[int, int, int]], slope: float):
    """Filters of a side, so many, with a dilation; half the size after the first; one activation but after the last."""
    layers = list(ObjectsNet(ModelOptions(network, 3)).layers)
    filters = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [(one.kernel_size[0], one.out_channels, one.dilation[0]) for one in filters] == chain
    assert [layers.index(layer) for layer in layers if isinstance(layer, nn.MaxPool2d)] == [3]
    below = torch.tensor([-1.0])
    active = [layer(below).item() for layer in layers if isinstance(layer, nn.ReLU | nn.LeakyReLU)]
    assert active == pytest.approx([-slope] * 5)
    assert layers[-1] is filters[-1]


@pytest.mark.parametrize("network", ["simple", "small", "hourglass"])
@pytest.mark.parametrize("size", [(48, 64), (33, 47)])
def test_vectors_lie_every_other_pixel_of_any_image(network: str, size: tuple[int, int]):
    net = ObjectsNet(ModelOptions(network, 5)).eval()
    with torch.inference_mode():
        images = torch.rand(2, 3, *size)
        raw, made = net(images), net.embed(images)
    assert made.shape == raw.shape == (2, 5, -(-size[0] // 2), -(-size[1] // 2))
    torch.testing.assert_close(made.norm(dim=1), torch.ones(2, *made.shape[2:]))
    torch.testing.assert_close(made, raw / raw.norm(dim=1, keepdim=True))


def test_normalised_vectors_have_one_length():
    net = ObjectsNet(ModelOptions("simple", 5, normalise=True))
    lengths = net(torch.rand(2, 3, 16, 16)).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, LENGTH))
