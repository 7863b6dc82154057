"""Where the vectors of an embedding lie, and where motion takes them: pixel 0's centre is 0."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.methods.objects.geometry import Grid, matches
from trainers.methods.objects.model import ObjectsNet
from trainers.methods.objects.options import ModelOptions


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 12), st.integers(5, 12), st.sampled_from([(1, 0.0), (2, 0.0), (2, 0.5)]), st.integers(0, 99))
def test_planes_are_interpolated_at_the_vectors(height: int, width: int, spacing: tuple[int, float], seed: int):
    stride, offset = spacing
    grid = Grid(-(-height // stride), -(-width // stride), stride, offset)
    planes = np.random.default_rng(seed).random((2, height, width)).astype(np.float32)
    made = grid.sampled(torch.from_numpy(planes)[None])[0].reshape(2, grid.height, grid.width)
    for row in range(grid.height):
        for column in range(grid.width):
            y, x = min(offset + stride * row, height - 1), min(offset + stride * column, width - 1)
            corners = planes[:, int(y) : int(np.ceil(y)) + 1, int(x) : int(np.ceil(x)) + 1]
            np.testing.assert_allclose(made[:, row, column], corners.mean((1, 2)), atol=1e-5)


@pytest.mark.parametrize(("stride", "offset"), [(2, 0.0), (2, 0.5), (1, 0.0)])
def test_motion_takes_vectors_where_it_takes_pixels(stride: int, offset: float):
    """Of a flow that is linear in the pixels: a turn and a shift."""
    side = 16
    cells = side // stride
    y, x = torch.meshgrid(torch.arange(side).float(), torch.arange(side).float(), indexing="ij")
    flow = torch.stack([0.1 * y - 1.5, 0.25 - 0.1 * x])[None]
    counted = torch.ones(1, side, side, dtype=torch.bool)
    counted[:, 6, 9] = False
    grid = Grid(cells, cells, stride, offset)
    found = matches(flow, counted, grid)
    for number, (row, column) in enumerate(grid.places(flow.device).tolist()):
        expected = row + 0.25 - 0.1 * column, column + 0.1 * row - 1.5
        assert found.targets[0, number].tolist() == pytest.approx(expected, abs=1e-4)
        near = abs(row - 6) < 1 and abs(column - 9) < 1
        inside = all(-0.5 <= place <= side - 0.5 for place in expected)
        assert bool(found.counted[0, number]) == (inside and not near)
        assert grid.nearest(torch.tensor([row, column])) == number


def test_the_nearest_vector_is_within_the_grid():
    grid = Grid(3, 4, 2, 0.5)
    places = torch.tensor([[-3.0, 0.0], [0.4, 1.6], [1.6, 1.4], [9.0, 9.0], [4.5, 2.5]])
    assert grid.nearest(places).tolist() == [0, 1, 4, 11, 9]


@pytest.mark.parametrize("network", ["simple", "dilations", "small"])
def test_a_vector_sees_what_is_around_its_place(network: str):
    """The pixels that change a vector are as many on each side of where it lies."""
    torch.manual_seed(0)
    net = ObjectsNet(ModelOptions(network, 8)).eval()
    reach = torch.zeros(96, 96)
    for _ in range(4):
        image = torch.rand(1, 3, 96, 96, requires_grad=True)
        net(image)[0, :, 24, 20].sum().backward()
        assert image.grad is not None
        reach += image.grad.abs().sum((0, 1))
    for axis, cell in ((1, 24), (0, 20)):
        seen = reach.sum(axis).nonzero()
        assert (seen.min() + seen.max()) / 2 == net.offset + net.stride * cell


def test_the_hourglass_begins_with_a_filter_around_every_other_pixel():
    net = ObjectsNet(ModelOptions("hourglass", 8))
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    net.layers[0](image)[0, :, 5, 6].sum().backward()
    assert image.grad is not None
    seen = image.grad.abs().sum((0, 1)).nonzero()
    assert ((seen.amin(0) + seen.amax(0)) / 2).tolist() == [net.offset + 2 * 5, net.offset + 2 * 6]
