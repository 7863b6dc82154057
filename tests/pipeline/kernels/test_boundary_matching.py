import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pipeline.kernels.boundary_matching import matched_pixels

SHAPE = (11, 13)


def most_pairs(machine: np.ndarray, human: np.ndarray, radius: float) -> int:
    """The number of pairs by an assignment in which every pair that is too far costs 1."""
    near = cdist(np.argwhere(machine), np.argwhere(human)) <= radius
    return int(near[linear_sum_assignment(~near)].sum()) if near.size else 0


@settings(deadline=None)  # the first call compiles
@given(
    seed=st.integers(0, 2**32 - 1),
    shares=st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0])] * 2),
    radius=st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.3, 20.0]),
)
def test_no_assignment_has_more_pairs(seed: int, shares: tuple[float, float], radius: float):
    random = np.random.default_rng(seed)
    machine, human = (random.random(SHAPE) < share for share in shares)
    ours, theirs = matched_pixels(machine, human, radius)
    assert ours.sum() == theirs.sum() == most_pairs(machine, human, radius)
    assert not (ours & ~machine).any()
    assert not (theirs & ~human).any()
    # Those that are said to be matched can be matched among themselves.
    assert most_pairs(ours, theirs, radius) == ours.sum()


def test_pairs_that_are_taken_give_way_to_a_larger_matching():
    machine, human = np.zeros((1, 9), bool), np.zeros((1, 9), bool)
    machine[0, [2, 3]] = human[0, [0, 2]] = True
    # 2 is nearest to 2; with that pair alone, 3 would stay without a partner.
    ours, theirs = matched_pixels(machine, human, 2)
    assert ours.sum() == theirs.sum() == 2


def test_a_pair_exactly_as_far_as_the_radius_counts():
    machine, human = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    machine[0, 0] = human[3, 4] = True
    assert matched_pixels(machine, human, 5.0)[0].sum() == 1
    assert matched_pixels(machine, human, 4.99)[0].sum() == 0


def test_masks_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="differ in size"):
        matched_pixels(np.zeros((3, 4), bool), np.zeros((4, 3), bool), 1)
