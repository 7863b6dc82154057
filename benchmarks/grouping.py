"""Training grouping: samples a second, and which share of the time it takes to choose the pixels that are compared."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import default_collate

from trainers.engine.options import build
from trainers.engine.train import create_task
from trainers.methods.grouping.method import METHOD
from trainers.methods.grouping.options import GroupingOptions, SamplingOptions
from trainers.methods.grouping.sampling import (
    Floats,
    leaf_distances,
    negative_probabilities,
    positive_probabilities,
    sample_pixels,
)

BATCH, REPEATS, REGIONS = 16, 3, 40
HEIGHT, WIDTH = 375, 500


def run() -> list[dict[str, Any]]:
    """A step of the recipe `small` from decoded images: its transform and its gradients, in one thread.

    Images are noise, with 40 regions that are the cells of as many random points. The peer of the sampling draws the
    same pixels with loops over anchors and `Generator.choice`.
    """
    cv2.setNumThreads(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    options = build(GroupingOptions, METHOD.recipes["small"])
    task = create_task(METHOD, options).train()
    task.to(memory_format=torch.channels_last)
    transform = task.samples(train=True)
    samples = [_sample(number) for number in range(BATCH)]

    def step() -> None:
        batch = default_collate([transform(sample) for sample in samples])
        with torch.autocast("cpu", torch.bfloat16, enabled=options.training.precision == "bf16-mixed"):
            loss = task(batch)["contrastive"]
        loss.backward()

    def choose(sampler: Callable[..., Any]) -> Callable[[], None]:
        step = WIDTH // options.transforms.crop
        crops = [(sample["regions"].numpy()[::step, ::step].copy(), sample["tree"]) for sample in samples]

        def chosen() -> None:
            for number, (labels, tree) in enumerate(crops):
                sampler(labels, leaf_distances(tree.numpy()), options.sampling, np.random.default_rng(number))

        return chosen

    whole, ours, peer = (_seconds(what) / BATCH for what in (step, choose(sample_pixels), choose(_with_loops)))
    torch.set_num_threads(threads)
    return [
        {
            "what": f"grouping: ResNet-18, {options.transforms.crop}x{options.transforms.crop}, two views (samples/s)",
            **{"ours": round(1 / whole, 1), "peer": "", "ratio": "", "reach": ""},
        },
        {
            "what": "grouping: share of the time to choose pixels (%)",
            "ours": round(100 * ours / whole, 2),
            "peer": round(100 * peer / (whole - ours + peer), 2),
            "ratio": round(peer / ours, 1),
            "reach": "< 10 %",
        },
    ]


def _sample(number: int) -> Mapping[str, Any]:
    rng = np.random.default_rng(number)
    points = rng.random((REGIONS, 2)) * [HEIGHT, WIDTH]
    places = np.stack(np.mgrid[:HEIGHT, :WIDTH], -1)[:, :, None]
    regions = ((places - points) ** 2).sum(-1).argmin(-1)
    heights = np.sort(rng.random(REGIONS - 1))
    left = np.r_[0, REGIONS + np.arange(REGIONS - 2)]  # each region joins what has joined so far
    tree = np.stack([left, np.arange(1, REGIONS), heights, np.arange(2, REGIONS + 1)], 1).astype(np.float32)
    image = torch.from_numpy(rng.random((3, HEIGHT, WIDTH), np.float32))
    given = {"image": image, "regions": torch.from_numpy(regions), "tree": torch.from_numpy(tree)}
    return {"key": f"noise{number}-000000", "epoch": 0} | given


def _with_loops(labels: Any, distances: Floats, options: SamplingOptions, rng: np.random.Generator) -> None:
    there = np.unique(labels)
    scaled = distances[np.ix_(there, there)] * (options.distance_scale / 0.8)
    positive, negative = positive_probabilities(scaled), negative_probabilities(scaled)
    for anchor in rng.choice(len(there), options.anchors, replace=False):
        rng.choice(np.flatnonzero(labels == there[anchor]))
        for weights, count in ((positive[anchor], options.positives), (negative[anchor], options.negatives)):
            for region in rng.choice(len(there), count, p=weights):
                rng.choice(np.flatnonzero(labels == there[region]))


def _seconds(call: Callable[[], None]) -> float:
    """Processor time of one call, the least of some; a first one warms up."""
    call()
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return min(taken)
