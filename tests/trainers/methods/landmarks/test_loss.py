"""Losses against the paper's sums over all pairs of cells."""

import numpy as np
import pytest
import torch

from trainers.methods.landmarks.loss import (
    alignment_loss,
    cell_places,
    diversity_loss,
    expected_places,
    probabilities,
)


def maps(seed: int, size: tuple[int, int] = (5, 7), sharp: float = 2.0) -> torch.Tensor:
    scores = torch.from_numpy(np.random.default_rng(seed).normal(0, sharp, (2, 3, *size)))
    return probabilities(scores)


def test_alignment_in_linear_time_is_the_sum_over_all_pairs_of_cells():
    one, other = maps(0), maps(1)
    places = cell_places((5, 7), one)
    warped = places + torch.from_numpy(np.random.default_rng(2).normal(0, 5, (2, 2, 5, 7)))
    total = 0.0
    for image in range(2):
        u, v = places.flatten(1).T.numpy(), warped[image].flatten(1).T.numpy()
        squares = ((u[:, None] - v[None]) ** 2).sum(axis=2)
        for landmark in range(3):
            p, q = (of[image, landmark].flatten().numpy() for of in (one, other))
            total += p @ squares @ q
    assert alignment_loss(one, places, other, warped).item() == pytest.approx(total / 6, rel=1e-9)


def test_alignment_is_0_where_sharp_maps_agree_and_loses_no_digits_in_32_bits():
    sharp = torch.zeros(1, 1, 60, 60)
    sharp[0, 0, 57, 40] = 1
    places = cell_places((60, 60), sharp)
    assert alignment_loss(sharp, places, sharp, places[None]).item() == pytest.approx(0, abs=1e-2)


@pytest.mark.parametrize("pooling", [1, 2, 4])
def test_diversity_is_what_the_best_landmark_of_each_square_leaves(pooling: int):
    chosen = maps(3)
    total = 0.0
    for image in chosen.numpy():
        rest = 3.0
        for top in range(0, 5, pooling):
            for left in range(0, 7, pooling):
                square = image[:, top : top + pooling, left : left + pooling]
                rest -= square.sum(axis=(1, 2)).max()
        total += rest
    assert diversity_loss(chosen, pooling).item() == pytest.approx(total / 2, rel=1e-9)


def test_diversity_is_0_where_landmarks_are_apart_and_largest_where_they_are_one():
    apart = torch.zeros(1, 3, 4, 4)
    for landmark, (y, x) in enumerate([(0, 0), (0, 3), (3, 1)]):
        apart[0, landmark, y, x] = 1
    assert diversity_loss(apart, 2).item() == 0
    assert diversity_loss(apart[:, :1].expand(1, 3, 4, 4), 2).item() == 2


def test_a_sharp_map_is_at_the_middle_of_its_cell():
    """A cell is two pixels by two."""
    sharp = torch.zeros(1, 1, 4, 6)
    sharp[0, 0, 2, 5] = 1
    assert expected_places(sharp, cell_places((4, 6), sharp)).tolist() == [[[4.5, 10.5]]]
