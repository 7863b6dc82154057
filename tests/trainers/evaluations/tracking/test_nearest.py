"""Averaged labels against their definition, pixel by pixel."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trainers.evaluations.tracking.nearest import averaged_labels, embedded


def by_definition(
    query: np.ndarray, memory: np.ndarray, labels: np.ndarray, neighbours: int, window: int | None
) -> np.ndarray:
    frames, kinds, height, width = labels.shape
    found = np.zeros((kinds, height, width))
    for y, x in np.ndindex(height, width):
        seen = []
        for frame, v, u in np.ndindex(frames, height, width):
            if window is None or max(abs(v - y), abs(u - x)) <= window:
                distance = ((query[:, y, x] - memory[frame, :, v, u]) ** 2).sum()
                seen.append((distance, labels[frame, :, v, u]))
        nearest = sorted(seen, key=lambda one: one[0])[:neighbours]
        weights = np.array([max(1 - distance / 2, 1e-6) for distance, _ in nearest])
        found[:, y, x] = (weights[:, None] * np.array([shares for _, shares in nearest])).sum(0) / weights.sum()
    return found


@pytest.mark.parametrize(
    ("size", "frames", "neighbours", "window"),
    [((18, 7), 2, 10, None), ((5, 19), 2, 10, 3), ((6, 17), 1, 4, 40), ((2, 3), 1, 10, None), ((5, 4), 3, 10, 1)],
)
def test_labels_are_those_of_the_nearest(size: tuple[int, int], frames: int, neighbours: int, window: int | None):
    random = torch.Generator().manual_seed(sum(size))
    query, *memory = (embedded(torch.randn(5, *size, generator=random), 0.7) for _ in range(frames + 1))
    labels = torch.rand(frames, 3, *size, generator=random)
    labels /= labels.sum(1, keepdim=True)
    found = averaged_labels(query, torch.stack(memory), labels, neighbours, window)
    expected = by_definition(
        query.double().numpy(), torch.stack(memory).double().numpy(), labels.double().numpy(), neighbours, window
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)


def test_features_have_length_one_and_places_the_longer_side():
    made = embedded(torch.full((3, 4, 8), 7.0), 2.0)
    assert torch.linalg.vector_norm(made[:3], dim=0).allclose(torch.ones(4, 8))
    assert made[3:, 2, 6].tolist() == [2 * 2 / 8, 2 * 6 / 8]


def test_a_label_follows_its_feature():
    ids = F.one_hot(torch.arange(60).view(6, 10), 60).permute(2, 0, 1).float()
    labels = F.one_hot((torch.arange(60).view(6, 10) % 3), 3).permute(2, 0, 1).float()
    moved = ids.roll((1, 4), (1, 2))
    found = averaged_labels(embedded(moved, 0.1), embedded(ids, 0.1)[None], labels[None], 1, None)
    assert found.equal(labels.roll((1, 4), (1, 2)))
