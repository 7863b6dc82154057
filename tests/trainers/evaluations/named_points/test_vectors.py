import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import nn

from common_fate.errors import UserError
from trainers.evaluations.named_points.vectors import Vectors, kept, most_like


def test_vectors_between_cells_are_interpolated():
    """Cell i lies at pixel offset + stride * i; beyond the outermost is the nearest."""
    field = torch.from_numpy(np.random.default_rng(0).random((3, 5, 6)))
    vectors = Vectors(nn.Linear(1, 1), 2, 0.5)
    places = np.array([[0.5, 0.5], [2.5, 4.5], [3.0, 7.25], [-1.0, 20.0]])
    cells = ((places - 0.5) / 2).clip(0, (4, 5))
    expected = [map_coordinates(plane, cells.T, order=1) for plane in field.numpy()]
    np.testing.assert_allclose(vectors.at(field, torch.from_numpy(places)).numpy().T, expected, atol=1e-12)
    whole = vectors.everywhere(field, (10, 12))
    assert whole.shape == (3, 10, 12)
    at = vectors.at(field, torch.tensor([[7.0, 3.0]], dtype=torch.float64))
    torch.testing.assert_close(whole[:, 7, 3], at[0])


def test_the_most_alike_pixel_is_that_of_the_largest_inner_product():
    field = torch.from_numpy(np.random.default_rng(1).normal(size=(4, 7, 9)))
    queries = torch.from_numpy(np.random.default_rng(2).normal(size=(3, 4)))
    for query, place in zip(queries.numpy(), most_like(queries, field), strict=True):
        products = np.tensordot(query, field.numpy(), 1)
        assert place.tolist() == list(np.unravel_index(products.argmax(), products.shape))
    field[0, 2, 2] = torch.nan
    with pytest.raises(UserError, match="vectors that are not finite"):
        most_like(queries, field)


@pytest.mark.parametrize(("largest", "kind"), [(6e4, torch.float16), (7e4, torch.float32)])
def test_vectors_too_large_for_16_bits_are_kept_in_32(largest: float, kind: torch.dtype):
    found = kept(torch.tensor([1.0, -largest]))
    assert found.dtype == kind
    torch.testing.assert_close(found.float(), torch.tensor([1.0, -largest]), rtol=1e-3, atol=0)
