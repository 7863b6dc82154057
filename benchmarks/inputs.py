"""What the benchmarks of flow and guidance run on, and how they take the time."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DAVIS = Path(__file__).resolve().parents[2] / "shared" / "data" / "davis2016" / "JPEGImages" / "480p"
SHORTER, CROP = 416, 384  # as the `cmp` recipe trains


def dis_flows() -> tuple[str, list[NDArray[np.float32]]]:
    """DIS flow `(2, 384, 384)` from the first frame to the second of each DAVIS video that is here.

    Where there is none: of scikit-image's photographs and the same moved smoothly.
    """
    cv2.setNumThreads(1)
    videos = sorted(DAVIS.glob("*/"))
    pairs = [_first_frames(video) for video in videos] if videos else list(_moved_photographs())
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = [np.ascontiguousarray(search.calc(_crop(a), _crop(b), None).transpose(2, 0, 1)) for a, b in pairs]
    return ("DAVIS" if videos else "photographs"), flows


def milliseconds(run: Callable[[Any], object], inputs: list[Any], repeats: int) -> float:
    """The median processor time of one call, averaged over the inputs; a first call, which may compile, is not timed.

    Processor time, so that a busy machine does not favour the side whose calls are short.
    """
    run(inputs[0])
    return statistics.mean(_median_ms(run, value, repeats) for value in inputs)


def _median_ms(run: Callable[[Any], object], value: Any, repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        run(value)
        seconds.append(time.process_time() - started)
    return 1e3 * statistics.median(seconds)


def _first_frames(video: Path) -> tuple[NDArray[np.uint8], ...]:
    return tuple(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(video.glob("*.jpg"))[:2])


def _moved_photographs() -> Iterator[tuple[NDArray[np.uint8], ...]]:
    from skimage import data

    for seed, photograph in enumerate((data.astronaut(), data.chelsea(), data.coffee())):
        first = cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY)
        height, width = first.shape
        noise = np.random.default_rng(seed).normal(size=(2, height, width))
        shift = np.stack([cv2.GaussianBlur(channel, (0, 0), 40) for channel in noise])
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        dx, dy = 8 * shift / np.abs(shift).max()
        yield first, cv2.remap(first, (x + dx).astype(np.float32), (y + dy).astype(np.float32), cv2.INTER_LINEAR)


def _crop(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The centre of the image at the recipe's size."""
    scale = SHORTER / min(image.shape)
    resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    y, x = ((side - CROP) // 2 for side in resized.shape)
    return np.ascontiguousarray(resized[y : y + CROP, x : x + CROP])
