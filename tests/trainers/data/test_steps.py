"""Which samples a step has: a function of the iteration, however devices and passes share it."""

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.data.steps import StepSampler


def sampler(length: int, **changed: int) -> StepSampler:
    return StepSampler(length, **({"seed": 3, "iterations": 6, "batch_size": 4} | changed))


def steps(length: int, world_size: int, accumulation: int, **changed: int) -> list[set[tuple[int, int]]]:
    """The samples of each step, over all ranks and passes."""
    ranks = [
        list(sampler(length, world_size=world_size, rank=rank, accumulation=accumulation, **changed))
        for rank in range(world_size)
    ]
    return [
        set(
            chain.from_iterable(
                chain.from_iterable(rank[step * accumulation : (step + 1) * accumulation] for rank in ranks)
            )
        )
        for step in range(6)
    ]


@given(length=st.integers(4, 30), shares=st.sampled_from([(1, 1), (2, 1), (4, 1), (1, 4), (2, 2)]))
def test_a_step_has_the_same_samples_however_it_is_shared(length: int, shares: tuple[int, int]):
    assert steps(length, *shares) == steps(length, 1, 1)


@given(length=st.integers(4, 30))
def test_every_sample_comes_once_in_each_epoch(length: int):
    drawn = Counter(chain.from_iterable(sampler(length, iterations=30)))
    whole = 30 * 4 // length
    assert all(drawn[epoch, index] == 1 for epoch in range(whole) for index in range(length))
    assert sum(drawn.values()) == 120


@given(start=st.integers(0, 6))
def test_starting_later_gives_what_is_left(start: int):
    assert list(sampler(10, start=start)) == list(sampler(10))[start:]
    assert len(sampler(10, start=start)) == 6 - start


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [[index for epoch, index in chain.from_iterable(sampler(16, iterations=8)) if epoch == n] for n in (0, 1)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(16))
    assert list(sampler(16, seed=4)) != list(sampler(16))


def test_a_step_that_cannot_be_shared_evenly_is_refused():
    with pytest.raises(ValueError, match="batch_size 4 is not a multiple of 2 devices times 4 passes"):
        sampler(10, world_size=2, accumulation=4)
