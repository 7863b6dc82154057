"""What the task makes of samples, its network and its recipes."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from trainers.engine.options import build
from trainers.methods.landmarks.loss import cell_places
from trainers.methods.landmarks.options import LandmarksOptions
from trainers.methods.landmarks.recipes import RECIPES
from trainers.methods.landmarks.task import Landmarks, led_to


def options(**changed: Any) -> LandmarksOptions:
    given = {
        "model": {"landmarks": 4},
        "warp": {"margin": 4},
        "transforms": {"shorter_side": None, "crop": 40},
        "training": {"iterations": 4, "batch_size": 2},
    }
    return build(LandmarksOptions, given | changed)


def sample(number: int, epoch: int = 0) -> dict[str, Any]:
    image = torch.from_numpy(np.random.default_rng(number).random((3, 40, 48), np.float32))
    return {"key": f"a{number}-000000", "epoch": epoch, "image": image}


def test_a_sample_is_drawn_by_seed_epoch_and_key():
    task = Landmarks(options())
    varied, stays = task.samples(train=True), task.samples(train=False)
    assert torch.equal(varied(sample(0, 3))["first"], varied(sample(0, 3))["first"])
    assert not torch.equal(varied(sample(0, 3))["first"], varied(sample(0, 4))["first"])
    assert torch.equal(stays(sample(0, 3))["first"], stays(sample(0, 4))["first"])
    made = varied(sample(0))
    assert made["first"].shape == made["second"].shape == (3, 32, 32)
    assert made["flow"].shape == (2, 32, 32)


def test_losses_fall_where_a_few_steps_are_made():
    torch.manual_seed(0)
    task = Landmarks(options(loss={"diversity": 10.0}))
    batch = default_collate([task.samples(train=True)(sample(number)) for number in range(2)])
    optimizer = torch.optim.Adam(task.net.parameters(), lr=3e-3)
    totals = []
    for _ in range(8):
        losses = task(batch)
        assert set(losses) == {"alignment", "diversity"}
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.9 * totals[0]


class Bright(torch.nn.Module):
    """Has one sharp landmark at the brightest cell, and another just so."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        cells = torch.nn.functional.avg_pool2d(images.mean(dim=1, keepdim=True), 2)
        return 1000 * cells.repeat(1, 2, 1, 1)


def test_what_is_measured_of_landmarks_that_move_with_a_dot():
    """Two landmarks on a dot that warps carry: aligned up to a cell, and not diverse at all."""
    image = torch.zeros(3, 40, 48)
    image[:, 19:23, 21:25] = 1
    task = Landmarks(options())
    batch = default_collate(
        [task.samples(train=True)({"key": f"k{n}-0", "epoch": 0, "image": image}) for n in range(4)]
    )
    metrics = task.metrics()
    task.measure(Bright(), batch, metrics)
    measured = {name: metric.compute().item() for name, metric in metrics.items()}
    assert measured["alignment"] < 2
    assert measured["diversity"] == pytest.approx(1, abs=1e-3)
    assert 0 <= measured["folded"] <= 1


def test_flow_leads_from_places_between_pixels():
    flow = torch.zeros(1, 2, 6, 8)
    flow[0, 0] = torch.arange(8.0)  # u grows to the right
    flow[0, 1] = -1
    places = cell_places((3, 4), flow)
    led = led_to(places, flow)
    expected = torch.stack([places[0] - 1, 2 * places[1]])
    assert torch.allclose(led[0], expected, atol=1e-5)


def test_the_network_is_the_papers():
    """Filters of 5, 5, 3, 3, 3 and 1 pixels with their biases and normalisations; a map of half the size for each."""
    task = Landmarks(build(LandmarksOptions, RECIPES["thesis"]))
    widths, sides = (3, 20, 48, 64, 80, 256, 50), (5, 5, 3, 3, 3, 1)
    expected = sum(
        before * after * side**2 + after + 2 * after
        for before, after, side in zip(widths, widths[1:], sides, strict=False)
    )
    assert sum(parameter.numel() for parameter in task.net.parameters()) == expected
    images = torch.rand(2, 3, 33, 40)
    assert task.net(images).shape == (2, 50, 17, 20)
    assert task.net.points(images).shape == (2, 50, 2)


def test_a_margin_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match=r"warp.margin is 14, and transforms.crop 40: 12 pixels are left"):
        options(warp={"margin": 14})
