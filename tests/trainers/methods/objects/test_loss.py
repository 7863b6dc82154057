"""The loss against the equations of chapters 5 to 7 in plain loops; and that blocks equal the whole."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.methods.objects import correlation
from trainers.methods.objects.auxiliary import following
from trainers.methods.objects.correlation import blocks
from trainers.methods.objects.geometry import Grid, Matches
from trainers.methods.objects.loss import match_loss, reconstructed, reflected
from trainers.methods.objects.options import LossOptions

GRID = Grid(3, 4, 2, 0.5)
BATCH, DIMENSIONS = 3, 3
CASES = [
    LossOptions(kind="log"),
    LossOptions(gamma=1.0),
    LossOptions(gamma=0.5),
    LossOptions(gamma=2.0),
    LossOptions(gamma=0.7),
    LossOptions(symmetry="rotational", order=3),
    LossOptions(kind="log", symmetry="rotational", order=5),
    LossOptions(auxiliary=2),
    LossOptions(kind="log", auxiliary=1),
]
IDS = ["log", "1", "0.5", "2", "0.7", "3 turns", "5 turns, log", "two auxiliary", "one auxiliary, log"]


def scene(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, Matches]:
    rng = np.random.default_rng(seed)
    first, second = (torch.from_numpy(rng.normal(0, 1.5, (BATCH, GRID.cells, DIMENSIONS))) for _ in range(2))
    targets = torch.from_numpy(rng.uniform(-0.5, [5.5, 7.5], (BATCH, GRID.cells, 2)))
    counted = torch.from_numpy(rng.random((BATCH, GRID.cells)) < 0.6)
    counted[1] = False
    return first, second, Matches(targets, counted)


def places() -> list[tuple[float, float]]:
    return [(0.5 + 2 * row, 0.5 + 2 * column) for row in range(3) for column in range(4)]


def shares(vector: np.ndarray, others: np.ndarray) -> list[float]:
    """Equation 3 of chapter 5."""
    powers = [math.exp(sum(a * b for a, b in zip(vector, other, strict=True))) for other in others]
    return [power / sum(powers) for power in powers]


def of_pair(
    first: np.ndarray, second: np.ndarray, targets: np.ndarray, counted: np.ndarray, options: LossOptions
) -> float:
    """Equations 4 and 5 of chapter 5, as sums over the pixels that count."""
    total = 0.0
    for vector, (y, x), counts in zip(first, targets, counted, strict=True):
        if not counts:
            continue
        share = shares(vector, second)
        apart = [math.hypot(row - y, column - x) for row, column in places()]
        if options.kind == "log":
            total -= math.log(share[int(np.argmin(apart))])
        else:
            total += sum(distance**options.gamma * p for distance, p in zip(apart, share, strict=True))
    return total


def by_loops(first: np.ndarray, second: np.ndarray, found: Matches, options: LossOptions) -> list[float]:
    sums = []
    for image in range(BATCH):
        vectors = first[image]
        if options.auxiliary:  # equation 3 of chapter 7, over a set of images
            others = np.concatenate([first[(image + step) % BATCH] for step in range(1, options.auxiliary + 1)])
            vectors = np.array([sum(p * z for p, z in zip(shares(v, others), others, strict=True)) for v in vectors])
        turned = [vectors]
        if options.symmetry == "rotational":  # equation 6 of chapter 6
            angles = [2 * math.pi * k / options.order for k in range(options.order)]
            turns = [
                np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]]) for a in angles
            ]
            turned = [np.array([turn @ v for v in vectors]) for turn in turns]
        targets, counted = found.targets[image].numpy(), found.counted[image].numpy()
        sums.append(min(of_pair(v, second[image], targets, counted, options) for v in turned))
    return sums


def computed(first: torch.Tensor, second: torch.Tensor, found: Matches, options: LossOptions) -> Any:
    auxiliary = following(first, options.auxiliary) if options.auxiliary else None
    return match_loss(first, second, found, GRID, options, auxiliary)


@pytest.mark.parametrize("memory", ["blocks", "whole"])
@pytest.mark.parametrize("options", CASES, ids=IDS)
def test_the_loss_is_that_of_the_equations(options: LossOptions, memory: str):
    first, second, found = scene()
    sums, counted = computed(first, second, found, replace(options, memory=memory))
    np.testing.assert_allclose(sums, by_loops(first.numpy(), second.numpy(), found, options), rtol=1e-9)
    assert counted.tolist() == found.counted.sum(1).tolist()
    assert sums[1] == 0


@pytest.mark.parametrize("options", CASES, ids=IDS)
@pytest.mark.parametrize("block", [1, 30, 10**6])
def test_blocks_equal_the_whole(options: LossOptions, block: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(correlation, "BLOCK", block)
    made = []
    for memory in ("blocks", "whole"):
        first, second, found = scene(1)
        first.requires_grad_()
        second.requires_grad_()
        sums, _ = computed(first, second, found, replace(options, memory=memory))
        (sums * torch.tensor([0.3, 1.0, 2.0])).sum().backward()
        made.append((sums.detach(), first.grad, second.grad))
    for ours, theirs in zip(*made, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert made[0][1].abs().sum() > 0
    assert (made[0][1][1] == 0).all() or options.auxiliary


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 40), st.integers(1, 40), st.sampled_from([1, 17, 64, 10**4]))
def test_blocks_have_every_row_once(images: int, rows: int, cells: int, block: int):
    seen = np.zeros((images, rows), int)
    before, correlation.BLOCK = correlation.BLOCK, block
    try:
        for some, part in blocks(images, rows, cells, torch.device("cpu")):
            seen[some, part] += 1
            assert seen[some, part].size * cells <= max(block, cells)
    finally:
        correlation.BLOCK = before
    assert (seen == 1).all()


def test_a_mirrored_images_embedding_is_that_of_the_mirror():
    """An embedding whose first axis a mirror changes has the same loss with both images as they are and mirrored."""
    first, second, found = scene(2)
    options = LossOptions()
    mirrored = torch.tensor([True, False, True])
    across = torch.arange(GRID.cells).reshape(3, 4).flip(1).flatten()
    flipped = torch.where(mirrored[:, None, None], (second * torch.tensor([-1, 1, 1]))[:, across], second)
    width = 8
    x = torch.where(mirrored[:, None], width - 1 - found.targets[..., 1], found.targets[..., 1])
    there = Matches(torch.stack([found.targets[..., 0], x], -1), found.counted)
    plain, _ = match_loss(first, second, found, GRID, options)
    sums, _ = match_loss(first, reflected(flipped, mirrored), there, GRID, options)
    torch.testing.assert_close(sums, plain)
    assert not torch.allclose(match_loss(first, flipped, there, GRID, options)[0], plain)


def test_a_vector_of_length_0_has_an_even_match():
    """Its loss is the mean distance, and a set of vectors that are alike reconstructs itself."""
    _, second, found = scene(3)
    zeros = torch.zeros(BATCH, GRID.cells, DIMENSIONS, dtype=torch.float64)
    sums, _ = match_loss(zeros, second, found, GRID, LossOptions(gamma=1.0))
    apart = torch.cdist(found.targets, torch.tensor(places(), dtype=torch.float64).expand(BATCH, -1, -1)).mean(2)
    torch.testing.assert_close(sums, (apart * found.counted).sum(1))
    torch.testing.assert_close(reconstructed(zeros, second, "blocks"), second.mean(1, keepdim=True).expand_as(zeros))
