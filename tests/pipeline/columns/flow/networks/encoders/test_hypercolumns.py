import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.columns.flow.networks.encoders import Encoder, Layer, StridedResNet, create_encoder
from pipeline.columns.flow.networks.encoders.hypercolumns import dense, merged, on_lines, pixels, sparse, width

ENCODERS = {
    "resnet18": lambda: create_encoder("resnet18"),
    "strided resnet18": lambda: StridedResNet("resnet18"),
    "vgg16": lambda: create_encoder("vgg16"),
    "alexnet": lambda: create_encoder("alexnet"),
    "alexnet_torchvision": lambda: create_encoder("alexnet_torchvision"),
}


def linear(encoder: Encoder) -> Encoder:
    """One whose activations see all pixels that they could: positive weights, nothing normalised, means for maxima."""
    for module in list(encoder.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.BatchNorm2d):
                setattr(module, name, torch.nn.Identity())
            elif isinstance(child, torch.nn.MaxPool2d):
                setattr(module, name, Means(child))
            elif isinstance(child, torch.nn.Conv2d | torch.nn.Linear):
                torch.nn.init.constant_(child.weight, 1 / child.weight[0].numel())
                if child.bias is not None:
                    torch.nn.init.zeros_(child.bias)
    encoder.mean.zero_()
    return encoder.eval()


class Means(torch.nn.Module):
    """The mean of what a pool takes the maximum of."""

    def __init__(self, pool: torch.nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, image):
        kernel, stride, dilation = self.pool.kernel_size, self.pool.stride, self.pool.dilation
        weight = image.new_ones(image.shape[1], 1, kernel, kernel) / kernel**2
        padding = self.pool.padding
        return torch.nn.functional.conv2d(image, weight, None, stride, padding, dilation, groups=image.shape[1])


@pytest.mark.parametrize("name", ENCODERS)
def test_activations_lie_in_the_middle_of_what_they_see(name):
    torch.manual_seed(0)
    encoder = linear(ENCODERS[name]())
    image = torch.rand(1, 3, 512, 16, requires_grad=True)
    for layer, found in encoder.activations(image, encoder.layers).items():
        row = found.shape[2] // 2
        (gradient,) = torch.autograd.grad(found[0, 0, row].sum(), image, retain_graph=True)
        seen = gradient[0].abs().sum(dim=(0, 2)).nonzero()
        facts = encoder.layers[layer]
        assert found.shape[1] == facts.channels
        assert (seen.min() + seen.max()).item() / 2 == row * facts.stride + facts.offset, layer


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "alexnet"])
def test_sparse_is_dense_at_the_same_pixels(name):
    torch.manual_seed(0)
    encoder, images = create_encoder(name).eval(), torch.rand(2, 3, 70, 90)
    names = list(encoder.layers)[::2]
    with torch.no_grad():
        activations = encoder.activations(images, names)
    points = torch.stack([torch.randint(70, (2, 40)), torch.randint(90, (2, 40))], dim=-1)
    everywhere, few = dense(activations, encoder.layers, (70, 90)), sparse(activations, encoder.layers, points.float())
    assert few.shape == (2, 40, width(encoder.layers, names))
    for number in range(2):
        chosen = everywhere[number, :, points[number, :, 0], points[number, :, 1]]
        torch.testing.assert_close(few[number], chosen.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("name", "left"), [("resnet18", 1), ("alexnet", 1), ("alexnet_torchvision", 4)])
def test_layers_that_are_merged_keep_their_sum(name, left, mixed):
    torch.manual_seed(0)
    encoder = ENCODERS[name]()
    activations = {
        name: torch.rand(2, 3, -(-70 // layer.stride), -(-90 // layer.stride)) for name, layer in encoder.layers.items()
    }
    rows, columns = torch.arange(70.0), torch.arange(5.0, 90.0)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        layers = merged(activations, encoder.layers)
        found = sum(on_lines(*layer, rows, columns) for layer in layers)
    assert len(layers) == left
    split = dense(activations, encoder.layers, (70, 90)).unflatten(1, (-1, 3))
    torch.testing.assert_close(found, split.sum(dim=1)[..., 5:], rtol=1e-5, atol=1e-5)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 8]), st.sampled_from([-0.5, 0.0, 3.5]), st.data())
@settings(max_examples=40)
def test_a_hypercolumn_is_interpolated_between_the_four_activations_around_it(height, width, stride, offset, data):
    features = torch.arange(height * width, dtype=torch.float32).view(1, 1, height, width).square()
    y, x = (data.draw(st.integers(0, side * stride)) for side in (height, width))
    layers = {"one": Layer("one", 1, stride, offset)}
    place = torch.tensor([[[y, x]]], dtype=torch.float32)
    found = sparse({"one": features}, layers, place).item(), on_lines(features, layers["one"], *place.view(2, 1)).item()
    row, column = (min(max((one - offset) / stride, 0), side - 1) for one, side in ((y, height), (x, width)))
    top, left = int(row), int(column)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, along = row - top, column - left
    above = features[0, 0, top, left] * (1 - along) + features[0, 0, top, right] * along
    below = features[0, 0, bottom, left] * (1 - along) + features[0, 0, bottom, right] * along
    assert found == pytest.approx([float(above * (1 - down) + below * down)] * 2, rel=1e-4, abs=1e-3)


def test_pixels_are_rows_of_y_and_x():
    assert pixels((2, 3))[1, 2].tolist() == [1, 2]
