from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_fate.torch import EpochSampler


def indices(sampler: EpochSampler) -> list[int]:
    return [index for _, index in sampler]


def ranks_of(length: int, world_size: int, **options) -> list[EpochSampler]:
    return [EpochSampler(length, seed=5, rank=r, world_size=world_size, **options) for r in range(world_size)]


@given(length=st.integers(0, 60), world_size=st.integers(1, 7))
def test_every_sample_once_over_the_ranks(length, world_size):
    shares = [indices(sampler) for sampler in ranks_of(length, world_size)]
    assert sorted(chain(*shares)) == list(range(length))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert [len(share) for share in shares] == [len(sampler) for sampler in ranks_of(length, world_size)]


@given(length=st.integers(1, 60), world_size=st.integers(1, 7))
def test_padding_repeats_and_dropping_leaves_out_fewer_than_the_ranks(length, world_size):
    padded = [indices(sampler) for sampler in ranks_of(length, world_size, uneven="pad")]
    dropped = [indices(sampler) for sampler in ranks_of(length, world_size, uneven="drop")]
    assert (
        {len(share) for share in padded}
        == {-(-length // world_size)}
        == {len(ranks_of(length, world_size, uneven="pad")[0])}
    )
    assert {len(share) for share in dropped} == {length // world_size}
    times = Counter(chain(*padded))
    assert set(times) == set(range(length))
    assert times.total() - length < world_size
    times = Counter(chain(*dropped))
    assert set(times.values()) <= {1}
    assert length - times.total() < world_size


def test_every_epoch_is_shuffled_anew_and_the_same_each_time():
    sampler = EpochSampler(1000, seed=5)
    first, again = indices(sampler), indices(sampler)
    assert first == again
    sampler.set_epoch(1)
    second = indices(sampler)
    assert sorted(second) == sorted(first) == list(range(1000))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2
    assert abs(np.corrcoef(first, range(1000))[0, 1]) < 0.2
    assert first != indices(EpochSampler(1000, seed=6))


@given(
    length=st.integers(1, 60),
    before=st.integers(1, 5),
    after=st.integers(1, 5),
    steps=st.integers(0, 20),
)
def test_resuming_with_other_ranks_reads_the_rest_once(length, before, after, steps):
    runs = ranks_of(length, before)
    read = [index for sampler in runs for index in indices(sampler)[:steps]]
    for sampler in runs:
        sampler.advance(steps)
    assert all(sampler.state_dict() == runs[0].state_dict() for sampler in runs)
    resumed = ranks_of(length, after)
    for sampler in resumed:
        sampler.load_state_dict(runs[0].state_dict())
    rest = [index for sampler in resumed for index in indices(sampler)]
    assert sorted(read + rest) == list(range(length))


def test_a_state_of_other_data_is_refused():
    state = EpochSampler(10, seed=0).state_dict()
    with pytest.raises(ValueError, match="length was 10 and is 11"):
        EpochSampler(11, seed=0).load_state_dict(state)
    with pytest.raises(ValueError, match="seed was 0 and is 1"):
        EpochSampler(10, seed=1).load_state_dict(state)


def test_a_rank_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="rank 2 is not one of 2"):
        EpochSampler(10, seed=0, rank=2, world_size=2)
