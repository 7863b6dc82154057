import numpy as np
import pytest

from pipeline.scores.bsds import ContourCounts, Human, contour_counts, contour_scores

THRESHOLDS = np.array([0.25, 0.5, 0.75])


def human(boundaries: np.ndarray) -> Human:
    return Human(np.zeros(boundaries.shape, np.int64), boundaries)


def counts(found: list[int], drawn: int, right: list[int], claimed: list[int]) -> ContourCounts:
    return ContourCounts(*(np.array(values) for values in (found, [drawn] * len(found), right, claimed)))


def line(*rows: int) -> np.ndarray:
    mask = np.zeros((40, 40), bool)
    mask[list(rows)] = True
    return mask


def test_a_pixel_is_right_if_any_human_has_it_and_each_human_is_recalled():
    humans = [human(line(10)), human(line(10, 20)), human(line(30))]
    found = contour_counts([line(10, 20, 25)], humans)
    assert (found.found, found.drawn, found.right, found.claimed) == (120, 160, 80, 120)
    assert found.recall == pytest.approx(120 / 160)
    assert found.precision == pytest.approx(80 / 120)


def test_a_shifted_line_matches_within_the_tolerance_only():
    humans = [human(line(10))]
    diagonal = np.hypot(40, 40)
    for tolerance, found in ((2 / diagonal, 40), (1.99 / diagonal, 0)):
        assert contour_counts([line(12)], humans, tolerance).found == found


def test_contours_are_thinned_and_equal_maps_counted_alike():
    thick = line(9, 10, 11)
    found = contour_counts([thick, thick, line(10)], [human(line(10))])
    assert found.claimed[0] == found.claimed[1] < 50
    np.testing.assert_array_equal(found.found[:2], found.found[:1].repeat(2))
    assert found.found[2] == found.claimed[2] == 40


def test_scores_by_hand():
    # F of the first image: 8/13, 2/3, 1/3; of the second: 1/2, 4/7, 8/11.
    first = counts([8, 6, 2], 10, [8, 6, 2], [16, 8, 2])
    second = counts([10, 10, 8], 10, [10, 10, 8], [30, 25, 12])
    scores = contour_scores([first, second], THRESHOLDS)
    # Together: recalls 18/20, 16/20, 10/20; precisions 18/46, 16/33, 10/14.
    assert scores.recall == pytest.approx([0.9, 0.8, 0.5])
    assert scores.precision == pytest.approx([18 / 46, 16 / 33, 10 / 14])
    best = max(
        2 * r * p / (r + p)
        for a, b in (((0.9, 18 / 46), (0.8, 16 / 33)), ((0.8, 16 / 33), (0.5, 10 / 14)))
        for s in np.linspace(0, 1, 101)
        for r, p in [(a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1]))]
    )
    assert scores.ods == pytest.approx(best)
    assert scores.ods > 2 * 16 / (20 + 33)  # the best lies between two thresholds
    # The first at 0.5, the second at 0.75: 14 of 20 found, 14 of 20 right.
    assert scores.ois == pytest.approx(14 / 20)
    chord = np.interp(np.arange(50, 91) / 100, [0.5, 0.8, 0.9], [10 / 14, 16 / 33, 18 / 46])
    assert scores.ap == pytest.approx(chord.sum() / 100)


def test_nothing_claimed_and_nothing_drawn_is_no_crash():
    blank = counts([0, 0, 0], 0, [0, 0, 0], [5, 0, 0])
    scores = contour_scores([blank], THRESHOLDS)
    assert (scores.ods, scores.ois, scores.ap) == (0, 0, 0)


def test_a_perfect_map_scores_one():
    humans = [human(line(10, 20))]
    scores = contour_scores([contour_counts([line(10, 20)] * 3, humans)], THRESHOLDS)
    assert scores.ods == scores.ois == 1
