import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchmetrics.functional.classification import multiclass_jaccard_index

from trainers.metrics.segmentation import confusion_matrix, intersection_over_union

CLASSES = 4


class Painted(nn.Module):
    """Predicts the class that the first channel of the image has."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, image):
        classes = torch.arange(CLASSES).view(1, -1, 1, 1)
        return -(image[:, :1] - classes).abs()


def samples(rng, sizes, predicted, true):
    return [
        {
            "image": torch.from_numpy(rng.choice(predicted, size)).float().expand(3, *size),
            "labels": torch.from_numpy(rng.choice(true, size)),
        }
        for size in sizes
    ]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4),
    predicted=st.sets(st.integers(0, 3), min_size=1),
    true=st.sets(st.sampled_from([0, 1, 2, 3, 255]), min_size=1),
)
def test_iou_over_images_of_any_size_is_numpys(seed, sizes, predicted, true):
    images = samples(np.random.default_rng(seed), sizes, sorted(predicted), sorted(true))
    confusion = confusion_matrix(Painted(), images, CLASSES)
    p = np.concatenate([sample["image"][0].numpy().ravel() for sample in images])
    t = np.concatenate([sample["labels"].numpy().ravel() for sample in images])
    p, t = p[t != 255], t[t != 255]
    iou = intersection_over_union(confusion)
    for c in range(CLASSES):
        for d in range(CLASSES):
            assert confusion[c, d] == ((t == c) & (p == d)).sum()
        union = ((p == c) | (t == c)).sum()
        assert iou[c] == (((p == c) & (t == c)).sum() / union if union else None)


def test_the_mean_of_classes_that_occur_is_torchmetrics():
    images = samples(np.random.default_rng(0), [(9, 9)], [0, 1, 2], [0, 1, 2, 255])
    iou = intersection_over_union(confusion_matrix(Painted(), images, CLASSES))
    assert iou[3] is None
    expected = multiclass_jaccard_index(
        images[0]["image"][0][None].long(), images[0]["labels"][None], CLASSES, ignore_index=255
    )
    torch.testing.assert_close(torch.tensor(iou[:3]).mean(), expected)


def test_evaluation_leaves_the_network_as_evaluation_needs_it():
    net = nn.Sequential(nn.Conv2d(3, CLASSES, 1), nn.BatchNorm2d(CLASSES)).train()
    mean = net[1].running_mean.clone()
    confusion_matrix(net, samples(np.random.default_rng(0), [(4, 5)], [0], [1]), CLASSES)
    assert not net.training
    assert torch.equal(net[1].running_mean, mean)


def share(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    images = samples(np.random.default_rng(0), [(4, 5), (3, 3), (6, 2)], [0, 1, 2], [0, 1, 255])
    torch.save(confusion_matrix(Painted(), images, CLASSES), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_count_what_one_does(tmp_path):
    mp.spawn(share, (str(tmp_path),), nprocs=2)
    images = samples(np.random.default_rng(0), [(4, 5), (3, 3), (6, 2)], [0, 1, 2], [0, 1, 255])
    alone = confusion_matrix(Painted(), images, CLASSES)
    assert alone.sum() > 0
    for rank in range(2):
        assert torch.equal(torch.load(tmp_path / f"{rank}.pt", weights_only=True), alone)
