from dataclasses import replace

import pytest
import torch

from trainers.methods.cmp.decoders import PlainDecoder
from trainers.methods.cmp.model import CMPNet
from trainers.methods.cmp.options import LossOptions, ModelOptions

BINS = LossOptions()
SMALL = ModelOptions(encoder="resnet18")


def convolution(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


def block(inputs: int, outputs: int, kernel: int = 3) -> int:
    """A convolution with a bias, and a normalisation's weight and bias."""
    return convolution(inputs, outputs, kernel) + 2 * outputs


def bottleneck(inputs: int, width: int) -> int:
    """Three convolutions without biases, each normalised."""
    return inputs * width + width * width * 9 + width * 4 * width + 2 * (width + width + 4 * width)


def resnet50() -> int:
    total, inputs = 3 * 64 * 49 + 2 * 64, 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        total += inputs * 4 * width + 2 * 4 * width  # the shortcut
        total += bottleneck(inputs, width) + (blocks - 1) * bottleneck(4 * width, width)
        inputs = 4 * width
    return total


def alexnet() -> int:
    widths = (3, 96, 256, 384, 384, 256, 4096, 4096)
    kernels = (11, 5, 3, 3, 3, 3, 1)
    return sum(block(*sizes) for sizes in zip(widths, widths[1:], kernels, strict=False))


MOTION = block(4, 16, 5) + block(16, 16)
PLAIN = 3 * (block(256 + 16, 128) + block(128, 128)) + convolution(3 * 128, 2 * 99, 1)
SKIP = (
    4 * (block(256 + 16, 128) + 2 * block(128, 128))
    + block(512, 256)
    + block(256, 128)
    + block(256 + 128, 128)
    + block(64, 32)
    + block(128 + 32, 64)
    + convolution(64, 2 * 99, 1)
)
DOUBLED_MASK = 16 * 5 * 5


@pytest.mark.parametrize(
    ("model", "image", "decoder", "printed"),
    [
        (ModelOptions("resnet50", "plain", (1, 2, 4)), resnet50() + convolution(2048, 256, 1), PLAIN, "25.50"),
        (ModelOptions("resnet50", "skip"), resnet50() + convolution(2048, 256, 1), SKIP, "28.52"),
        (ModelOptions("alexnet", "plain", (1, 2, 4)), alexnet() + convolution(4096, 256, 1), PLAIN, "32.50"),
    ],
)
def test_parameters_are_the_published_ones_less_the_doubled_mask(model, image, decoder, printed):
    published = image + MOTION + decoder
    assert f"{published / 1e6:.2f}" == printed
    net = CMPNet(model, BINS)
    assert sum(parameter.numel() for parameter in net.parameters()) == published - DOUBLED_MASK


def test_the_published_parts_add_up():
    assert f"{(resnet50() + convolution(2048, 256, 1)) / 1e6:.2f}" == "24.03"
    assert f"{(alexnet() + convolution(4096, 256, 1)) / 1e6:.2f}" == "31.04"
    assert MOTION == 4000
    assert f"{PLAIN / 1e6:.2f} {SKIP / 1e6:.2f}" == "1.46 4.48"


@pytest.mark.parametrize(
    ("model", "stride"),
    [
        (ModelOptions("resnet18", "plain", (1,)), 8),
        (ModelOptions("resnet18", "plain", (2, 8)), 8),
        (ModelOptions("resnet18", "skip"), 2),
        (ModelOptions("vgg16", "plain", (1, 2, 4, 8)), 8),
        (ModelOptions("vgg16", "skip"), 2),
        (ModelOptions("alexnet", "plain"), 32),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (37, 50)])
def test_predictions_have_the_decoders_stride_for_any_size(model, stride, size):
    net = CMPNet(model, BINS).eval()
    with torch.inference_mode():
        prediction = net(torch.rand(1, 3, *size), torch.zeros(1, 3, *size))
    assert prediction.shape == (1, 198, -(-size[0] // stride), -(-size[1] // stride))


def test_every_parameter_learns():
    for model in (SMALL, replace(SMALL, decoder="skip")):
        net = CMPNet(model, BINS)
        net(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)).square().sum().backward()
        assert not [name for name, parameter in net.named_parameters() if parameter.grad is None]


def test_regression_predicts_two_values():
    net = CMPNet(SMALL, LossOptions(kind="regression")).eval()
    assert net(torch.rand(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)).shape == (1, 2, 4, 4)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_prediction_depends_on_all_of_the_guidance(channel):
    net = CMPNet(SMALL, BINS).eval()
    guidance = torch.zeros(1, 3, 32, 32)
    told = guidance.clone()
    told[0, channel, 16, 16] = 1
    image = torch.rand(1, 3, 32, 32)
    assert not torch.equal(net(image, guidance), net(image, told))


def reach(strides: tuple[int, ...]) -> tuple[int, int]:
    """The first and the last column of 64 that a change in column 32 of the features reaches."""
    torch.manual_seed(0)
    decoder = PlainDecoder(4, 2, strides, 128).eval()
    features = torch.rand(1, 4, 64, 64)
    changed = features.clone()
    changed[..., 32, 32] += 100
    with torch.inference_mode():
        moved = (decoder(features, {}) != decoder(changed, {})).any(dim=2).flatten(0, 1).any(dim=0).nonzero()
    return int(moved.min()), int(moved.max())


def test_propagation_nets_with_larger_strides_reach_further():
    assert reach((1,)) == (30, 34)  # two 3x3 convolutions
    widths = [last - first for first, last in map(reach, ((1,), (2,), (4,), (8,)))]
    assert widths == sorted(set(widths))
    assert reach((1, 4)) == reach((4,))


def test_a_network_starts_as_published():
    torch.manual_seed(0)
    net = CMPNet(SMALL, BINS)
    for layer in (net.encoder.layer4[0].conv1, net.decoder.fusion):
        outputs, inputs, height, width = layer.weight.shape
        expected = 0.02 * (2 / ((inputs + outputs) * height * width)) ** 0.5
        assert abs(layer.weight.std() / expected - 1) < 0.05
    assert not torch.equal(net.encoder.bn1.weight, torch.ones(64))
