from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns.frames.selection import check_pairs, check_select, select

NUMBERS = st.lists(st.integers(0, 300), unique=True, max_size=60).map(sorted)
HOW = st.one_of(
    st.just("all"),
    st.integers(1, 12).map(lambda n: {"every": n}),
    st.integers(1, 40).map(lambda n: {"random": n}),
    st.lists(st.integers(0, 300), min_size=1, max_size=20).map(lambda numbers: {"list": numbers}),
)


def chosen(numbers, how="all", pairs="none", triplets=False, seed=0, video="v"):
    return select(numbers, how, pairs, triplets, seed, video)


def test_pairs_of_the_paper():
    """Zhan et al. pair consecutive frames fewer than 10 apart."""
    taken = chosen(range(100), {"list": [1, 4, 10, 21, 28]}, {"max_gap": 9})
    assert taken.next == {1: 4, 4: 10, 21: 28}
    assert taken.frames == (1, 4, 10, 21, 28)


def test_a_gap_of_ten_is_no_pair_and_of_nine_is():
    assert chosen([0, 9, 19], pairs={"max_gap": 9}).next == {0: 9}


def test_every_counts_places():
    assert chosen([3, 4, 8, 9, 20], {"every": 2}).frames == (3, 8, 20)


def test_a_listed_frame_that_the_video_lacks_is_kept_to_be_told():
    assert chosen(range(3), {"list": [7, 1, 1]}).frames == (1, 7)


def test_a_frame_that_the_video_lacks_stands_between_no_pair():
    assert chosen([1, 8], {"list": [1, 5, 8]}, {"max_gap": 9}).next == {1: 8}


def test_an_offset_extracts_the_partners():
    taken = chosen(range(10), {"list": [0, 3, 7]}, {"offset": 5})
    assert taken.frames == (0, 3, 5, 7, 8)
    assert taken.next == {0: 5, 3: 8}


def test_a_triplet_by_gap_needs_both_neighbours():
    taken = chosen([0, 4, 8, 30, 33], pairs={"max_gap": 9}, triplets=True)
    assert (taken.next, taken.previous) == ({4: 8}, {4: 0})


def test_a_triplet_by_offset_extracts_both_neighbours():
    taken = chosen(range(12), {"list": [1, 5, 10]}, {"offset": 3}, triplets=True)
    assert (taken.next, taken.previous) == ({5: 8}, {5: 2})
    assert taken.frames == (1, 2, 5, 8, 10)


def test_a_draw_follows_from_seed_and_video_alone():
    draw = chosen(range(1000), {"random": 8})
    assert draw == chosen(range(1000), {"random": 8})
    assert draw != chosen(range(1000), {"random": 8}, seed=1)
    assert draw != chosen(range(1000), {"random": 8}, video="w")


def test_draws_fall_everywhere():
    """8 of 40 in 200 videos: each frame is expected 40 times."""
    counts = [0] * 40
    for video in range(200):
        for number in chosen(range(40), {"random": 8}, video=str(video)).frames:
            counts[number] += 1
    assert min(counts) > 15
    assert max(counts) < 75


@given(st.integers(0, 1000))
def test_a_draw_prefers_frames_with_a_partner(seed: int):
    assert len(chosen(range(20), {"random": 8}, {"offset": 5}, seed=seed).next) == 8
    assert len(chosen(range(20), {"random": 8}, {"offset": 5}, triplets=True, seed=seed).next) == 8
    assert len(chosen(range(10), {"random": 8}, {"offset": 5}, seed=seed).next) == 5


@given(NUMBERS, HOW, st.integers(1, 20), st.booleans(), st.integers(0, 9))
def test_gap_pairs_are_exactly_the_near_neighbours(numbers, how, gap, triplets, seed):
    alone = chosen(numbers, how, seed=seed).frames
    taken = chosen(numbers, how, {"max_gap": gap}, triplets, seed)
    near = {(a, b) for a, b in pairwise(sorted(set(alone) & set(numbers))) if b - a <= gap}
    assert taken.frames == alone
    if triplets:
        assert {(taken.previous[n], n, taken.next[n]) for n in taken.next} == {
            (a, b, d) for a, b in near for c, d in near if b == c
        }
        assert taken.previous.keys() == taken.next.keys()
    else:
        assert set(taken.next.items()) == near
        assert taken.previous == {}


@given(NUMBERS, HOW.filter(lambda how: "list" not in how), st.integers(1, 20), st.booleans(), st.integers(0, 9))
def test_offset_pairs_are_exactly_that_far_apart_and_extracted(numbers, how, offset, triplets, seed):
    taken = chosen(numbers, how, {"offset": offset}, triplets, seed)
    assert list(taken.frames) == sorted(set(taken.frames))
    assert set(taken.frames) <= set(numbers)
    assert all(other - n == offset for n, other in taken.next.items())
    assert all(n - other == offset for n, other in taken.previous.items())
    neighbours = {*taken.next, *taken.next.values(), *taken.previous.values()}
    assert neighbours <= set(taken.frames)


@given(NUMBERS, st.integers(1, 40), st.integers(0, 9))
def test_a_draw_has_the_asked_number_of_frames(numbers, count, seed):
    frames = chosen(numbers, {"random": count}, seed=seed).frames
    assert len(frames) == min(count, len(numbers))
    assert list(frames) == sorted(set(frames))


WRONG = (
    *("some", {}, 5, None, {"last": 1}, {"every": 1, "random": 2}),
    *({"every": 0}, {"every": 1.5}, {"every": True}, {"random": -1}),
    *({"list": []}, {"list": [-1]}, {"list": ["1"]}, {"list": [10**6]}),
)


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_selection_is_refused(how):
    with pytest.raises(ValueError, match="select"):
        check_select(how)


@pytest.mark.parametrize(
    "pairs", ["all", {}, {"max_gap": 0}, {"offset": "5"}, {"max_gap": 9, "offset": 5}, {"gap": 9}, None]
)
def test_wrong_pairs_are_refused(pairs):
    with pytest.raises(ValueError, match="pairs"):
        check_pairs(pairs)
