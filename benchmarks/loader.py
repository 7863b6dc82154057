"""The loader of CMP: from a `cmp` view to what training collates, with guidance on the crop; one process, one core."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmarks.guidance import published_points
from benchmarks.inputs import CROP, SHORTER
from benchmarks.reading import Image, encoded, pairs, write_view
from common_fate.torch import EpochSampler, Sample
from trainers.data.split import Split
from trainers.data.transforms import Joint
from trainers.data.views import open_views
from trainers.methods.cmp.guidance import guidance_map
from trainers.methods.cmp.options import CMPOptions
from trainers.methods.cmp.samples import CMPTransform

ROUNDS, PEER_SAMPLES = 7, 32


def run() -> list[dict[str, Any]]:
    """Samples a second of processor time, shuffled: read, decode, crop, key-points and grid, guidance map.

    Frames are 416 on the shorter side, crops 384x384, K=81, G=200: the default options. All is read from the page
    cache. The best of seven epochs counts. The peer is the same loader with the published sampler's steps in SciPy.
    """
    cv2.setNumThreads(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    options = CMPOptions()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_view(folder, [encoded(number, *pair) for number, pair in enumerate(pairs(resized, (SHORTER, 555)))])
        ours = _rate(folder, CMPTransform(options, train=True), ROUNDS)
        peer = _rate(folder, partial(_published, joint=Joint(options.transforms, 0, train=True)), 1, PEER_SAMPLES)
    torch.set_num_threads(threads)
    what = f"loader: {CROP}x{CROP} of {SHORTER}, guidance on the crop (samples/s)"
    return [{"what": what, "ours": round(ours), "peer": round(peer), "ratio": round(ours / peer, 1), "reach": "150/s"}]


def _rate(folder: Path, transform: Callable[[Sample], Sample], rounds: int, samples: int | None = None) -> float:
    dataset = open_views([folder], transform, Split(), "train")
    sampler = EpochSampler(len(dataset), seed=0)
    best = float("inf")
    for epoch in range(rounds):
        sampler.set_epoch(epoch)
        places = list(sampler)[:samples]
        started = time.process_time()
        told = sum(float(dataset[place]["guidance"][2].sum()) for place in places)
        best = min(best, time.process_time() - started)
        if told < len(places):
            raise RuntimeError(f"{told} points in {len(places)} samples: not what the network ought to be told")
    return len(places) / best


def _published(sample: Sample, joint: Joint) -> Sample:
    crop = joint(sample)
    flow = crop["flow"].numpy()
    return crop | {"guidance": torch.from_numpy(guidance_map(published_points(flow), flow))}


def resized(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = SHORTER / min(height, width)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=way)
