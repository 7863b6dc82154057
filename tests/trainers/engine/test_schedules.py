"""How the learning rate falls."""

import pytest

from trainers.engine.options import TrainingOptions
from trainers.engine.schedules import rate_at


def test_the_paper_drops_tenfold_at_24k_and_36k_of_42k_iterations():
    options = TrainingOptions(iterations=42_000, learning_rate=0.1)
    rates = [rate_at(step, options) for step in (0, 23_999, 24_000, 35_999, 36_000, 41_999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_polynomial_falls_to_nothing():
    options = TrainingOptions(iterations=100, learning_rate=0.01, schedule="polynomial", power=0.9)
    assert [rate_at(step, options) for step in (0, 50, 100)] == pytest.approx([0.01, 0.01 * 0.5**0.9, 0])
