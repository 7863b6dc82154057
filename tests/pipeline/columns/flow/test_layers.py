"""The layers of flow networks, against their definitions written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.nn import functional

from pipeline.columns.flow.networks.layers import cost_volume, resize_flow, warp

sizes = st.integers(1, 19)


def shifted_products(first: torch.Tensor, second: torch.Tensor, radius: int) -> torch.Tensor:
    height, width = first.shape[-2:]
    around = functional.pad(second, (radius,) * 4)
    shifts = range(2 * radius + 1)
    return torch.stack(
        [(first * around[:, :, dy : dy + height, dx : dx + width]).sum(1) for dy in shifts for dx in shifts], 1
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), sizes, sizes, st.integers(0, 4))
def test_a_cost_volume_is_the_products_of_all_shifts(batch: int, channels: int, height: int, width: int, radius: int):
    torch.manual_seed(height * 31 + width)
    first, second = torch.randn(2, batch, channels, height, width, dtype=torch.float64)
    expected = shifted_products(first, second, radius)
    torch.testing.assert_close(cost_volume(first, second, radius), expected)


def test_the_gradients_of_a_cost_volume_and_a_warp_are_those_of_differences():
    torch.manual_seed(0)
    first, second = (torch.randn(2, 3, 9, 11, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: cost_volume(a, b, 2), (first, second))
    # Away from whole pixels and from the border, where the slope changes.
    flow = (torch.rand(2, 2, 9, 11, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(warp, (second, flow))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 2**31))
def test_a_warp_interpolates_as_scipy_does_and_is_0_outside(height: int, width: int, seed: int):
    rng = np.random.default_rng(seed)
    image, flow = rng.random((2, height, width)), rng.uniform(-height, height, (2, height, width))
    y, x = np.mgrid[:height, :width] + flow[::-1]
    inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)
    expected = [ndimage.map_coordinates(plane, [y, x], order=1, mode="nearest") * inside for plane in image]
    found = warp(torch.from_numpy(image)[None], torch.from_numpy(flow)[None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_warp_of_rounded_features_goes_where_the_flow_says():
    """In the features' own 8 bits places beyond 256 would be every other pixel."""
    columns = torch.arange(0, 512.0, 2).repeat(1, 1, 2, 1).bfloat16()  # of 8 bits, so that they are exact
    flow = torch.zeros(1, 2, 2, 256) + torch.tensor([1.0, 0.0])[:, None, None]
    with torch.autocast("cpu", torch.bfloat16):
        found = warp(columns, flow)
    torch.testing.assert_close(found[..., :-1], columns[..., 1:].float(), atol=1e-3, rtol=0)


def test_resized_flow_is_in_pixels_of_its_new_size():
    flow = torch.tensor([3.0, 4.0])[:, None, None].expand(1, 2, 6, 8)
    resized = resize_flow(flow, (12, 4))
    assert resized.shape == (1, 2, 12, 4)
    torch.testing.assert_close(resized[0, :, 5, 2], torch.tensor([1.5, 8.0]))


@pytest.mark.parametrize("height", [8, 13])
def test_padding_of_tiles_is_not_seen(height: int):
    first, second = torch.randn(2, 1, 4, height, 21)
    whole = cost_volume(first, second, 3)
    part = cost_volume(first[..., :10], second[..., :10], 3)
    torch.testing.assert_close(whole[..., :7], part[..., :7])
