"""How the learning rate falls."""

import math
from typing import Any

import pytest

from trainers.engine.options import TrainingOptions
from trainers.engine.schedules import learning_rates


def rates(iterations: int = 100, **changed: Any) -> list[float]:
    """Of all steps. Asked for backwards, because a rate is a function of the iteration alone."""
    options = TrainingOptions(**({"iterations": iterations, "learning_rate": 0.1} | changed))
    rate = learning_rates(options)
    return [rate(step) for step in reversed(range(iterations))][::-1]


def test_the_paper_drops_tenfold_at_24k_and_36k_of_42k_iterations():
    rate = learning_rates(TrainingOptions(iterations=42_000, learning_rate=0.1))
    found = [rate(step) for step in (0, 23_999, 24_000, 35_999, 36_000, 41_999)]
    assert found == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


@pytest.mark.parametrize("iterations", [1, 2, 7, 12, 100])
@pytest.mark.parametrize("milestones", [(2 / 3.5, 3 / 3.5), (0.25, 0.5, 0.75), (1 / 3,), ()])
def test_the_rate_falls_by_gamma_from_each_milestone_on(iterations: int, milestones: tuple[float, ...]):
    found = rates(iterations, milestones=milestones, gamma=0.1)
    reached = [sum(step >= share * iterations for share in milestones) for step in range(iterations)]
    assert found == [0.1 * 0.1**number for number in reached], "to the last bit: the published runs go on"
    half = rates(iterations, milestones=milestones, gamma=0.5)
    assert half == pytest.approx([0.1 * 0.5**number for number in reached])


def test_the_polynomial_falls_to_nothing():
    found = rates(schedule="polynomial", power=0.9)
    assert found == [0.1 * (1 - step / 100) ** 0.9 for step in range(100)], "to the last bit"


def test_the_cosine_falls_to_nothing():
    assert rates(schedule="cosine") == pytest.approx(
        [0.1 * (1 + math.cos(math.pi * step / 100)) / 2 for step in range(100)]
    )


def test_a_constant_rate_stays():
    assert rates(schedule="constant") == [0.1] * 100


@pytest.mark.parametrize("schedule", ["multistep", "polynomial", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [1, 10, 80, 99])
def test_the_rate_rises_linearly_before_it_falls(schedule: str, warmup: int):
    found = rates(schedule=schedule, warmup=warmup, milestones=(0.3, 0.9), power=2.0)
    assert found[:warmup] == pytest.approx([0.1 * step / warmup for step in range(warmup)])
    left = [(step - warmup) / (100 - warmup) for step in range(warmup, 100)]
    expected = {
        "multistep": [0.1 ** (1 + (step >= 30) + (step >= 90)) for step in range(warmup, 100)],
        "polynomial": [0.1 * (1 - share) ** 2 for share in left],
        "cosine": [0.1 * (1 + math.cos(math.pi * share)) / 2 for share in left],
        "constant": [0.1 for _ in left],
    }
    assert found[warmup:] == pytest.approx(expected[schedule])
