"""Deep matching: seconds a pair, beside the recursive search of the same matches, and memory."""

import resource
import subprocess
import sys
import time
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.columns.flow.networks.matching.deep_matching import DeepMatching, create
from pipeline.columns.flow.networks.matching.levels import coarsen
from pipeline.columns.flow.networks.matching.pyramid import correlate, padded

HEIGHT, WIDTH = 218, 512
SMALL_HEIGHT, SMALL_WIDTH, SMALL_RADIUS = 64, 96, 24


def run() -> list[dict[str, Any]]:
    """A pair of 512x218 with the thesis' parameters, in one thread; and of 96x64 beside a plain recursion.

    No package of the published C++ is to be had. The recursion has the scores of all levels already, remembers what it
    has found, and is as NumPy and Python have it, so that it is given a small image.
    """
    seconds, megabytes = _measured()
    ours, peer = _small()
    big, small = f"deep matching: {WIDTH}x{HEIGHT}", f"deep matching, decoding: {SMALL_WIDTH}x{SMALL_HEIGHT}"
    return [
        {"what": f"{big} (s)", "ours": round(seconds, 2), "peer": "-", "ratio": "-", "reach": "-"},
        {"what": f"{big} (MB at the most)", "ours": round(megabytes), "peer": "-", "ratio": "-", "reach": "-"},
        {
            "what": f"{small}, radius {SMALL_RADIUS} (s)",
            **{"ours": round(ours, 3), "peer": round(peer, 2), "ratio": round(peer / ours, 1), "reach": "> 10"},
        },
    ]


def _measured() -> tuple[float, float]:
    code = "from benchmarks.matching import pair; print(*pair())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def pair() -> tuple[float, float]:
    """Returns seconds of processor time that a pair takes, and the most memory of the process, MB."""
    torch.set_num_threads(1)
    net, images = create({}), _images(HEIGHT, WIDTH)
    taken = []
    for _ in range(3):
        began = time.process_time()
        net.match(*images)
        taken.append(time.process_time() - began)
    return min(taken[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _small() -> tuple[float, float]:
    torch.set_num_threads(1)
    net, images = create({"levels": 3, "radius": SMALL_RADIUS}), _images(SMALL_HEIGHT, SMALL_WIDTH)
    began = time.process_time()
    ours = net.match(*images)
    took = time.process_time() - began
    scores, switches = _coarse(net, *images)
    began = time.process_time()
    theirs = recursive(scores, switches, net)
    slow = time.process_time() - began
    reach = net.grid.reach(0)
    found = np.stack([theirs % (2 * reach + 1) - reach, theirs // (2 * reach + 1) - reach])
    assert (found == ours.flow).all(), "the recursive search finds other matches"
    return took, slow


def _coarse(net: DeepMatching, this: torch.Tensor, following: torch.Tensor) -> tuple[list[Any], list[Any]]:
    grid = net.grid
    reference = net.descriptor(this[None])[:, :, grid.beta :: grid.alpha, grid.beta :: grid.alpha]
    windows = padded(net.descriptor(following[None]), grid, (reference.shape[2], reference.shape[3]))
    with torch.no_grad():
        levels = coarsen(correlate(reference, windows, grid), grid, tuple(net.exponents))
    return [one[0].numpy() for one in levels.scores], [one[0].numpy() for one in levels.switches]


def recursive(scores: list[Any], switches: list[Any], net: DeepMatching) -> NDArray[np.int64]:
    """Returns each point's best match, an index, as the original finds it: paths from above, the best sum of each."""
    top = len(switches)

    @lru_cache(None)
    def above(level: int, row: int, column: int, index: int) -> float:
        """The best sum of scores of a path that ends in a match of a level."""
        total = float(scores[level][row, column].flat[index])
        if level == top:
            return total
        best = -np.inf
        for cell in np.flatnonzero(switches[level][row, column] == index):
            for down in net.grid.shifts(level):
                for right in net.grid.shifts(level):
                    y, x = row - down, column - right
                    if 0 <= y < scores[level + 1].shape[0] and 0 <= x < scores[level + 1].shape[1]:
                        best = max(best, above(level + 1, y, x, int(cell)))
        return total + best

    rows, columns = scores[0].shape[:2]
    cells = scores[0].shape[2] ** 2
    return np.array(
        [
            [max(range(cells), key=lambda at: above(0, row, column, at)) for column in range(columns)]
            for row in range(rows)
        ]
    )


def _images(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(0)
    layers = [cv2.GaussianBlur(generator.normal(size=(height, width, 3)), (0, 0), size) * size for size in (1.5, 4, 9)]
    image = cv2.normalize(sum(layers), None, 0, 1, cv2.NORM_MINMAX).astype(np.float32)
    moved = np.roll(image, (3, 7), (0, 1)) + generator.normal(0, 0.01, image.shape).astype(np.float32)
    this, following = (torch.from_numpy(np.ascontiguousarray(one.transpose(2, 0, 1))) for one in (image, moved))
    return this, following.clamp(0, 1)
