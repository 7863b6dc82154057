"""Joint transforms: an image and all that lies on it are resized, cropped and varied together, by one draw."""

import hashlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from common_fate.errors import ShardError
from common_fate.shards.flow_coding import LIMIT
from common_fate.shards.limits import MAX_PIXELS
from common_fate.torch.sample import Sample
from trainers.engine.options import TransformOptions

IGNORED = 255
"""The label of padding: no class."""

Plane = NDArray[np.float32]


def generator(seed: int, epoch: int, key: str, purpose: str) -> np.random.Generator:
    """What draws for one sample: the same in any worker, and for each purpose another."""
    digest = hashlib.sha256(f"{purpose}/{key}".encode()).digest()
    return np.random.default_rng((seed, epoch, int.from_bytes(digest[:8])))


@dataclass(frozen=True)
class _Draws:
    """One sample's choices. As it stands: the centre crop of the image, unvaried."""

    scale: float = 1.0
    down: float = 0.5  # of the way that the crop can go, or a smaller image within it
    right: float = 0.5
    flip: bool = False
    jitter: tuple[float, float, float] = (1.0, 1.0, 1.0)  # brightness, contrast, saturation


def _drawn(rng: np.random.Generator, options: TransformOptions) -> _Draws:
    # Each is drawn whatever the options, so that switching one on leaves the others as they were.
    scale, down, right, flip = float(rng.uniform(*options.scale)), rng.random(), rng.random(), rng.random() < 0.5
    brightness, contrast, saturation = (float(1 + options.jitter * rng.uniform(-1, 1)) for _ in range(3))
    return _Draws(scale, down, right, flip and options.flip, (brightness, contrast, saturation))


@dataclass(frozen=True)
class _Window:
    """Where the crop lies: an image of `old` (height, width) becomes `new`, and the crop starts at `top`, `left`."""

    old: tuple[int, int]
    new: tuple[int, int]
    top: int
    left: int
    side: int
    flip: bool

    def cut(self, array: NDArray[Any], fill: Any) -> NDArray[Any]:
        """The crop of `(..., *new)`, contiguous and not `array` itself; `fill`, where the array has nothing."""
        (height, width), top, left, side = self.new, self.top, self.left, self.side
        rows, columns = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
        part = array[..., rows, columns]
        if part.shape[-2:] != (side, side):
            padded = np.empty((*array.shape[:-2], side, side), array.dtype)
            padded[...] = fill
            inside = slice(max(-top, 0), height - top), slice(max(-left, 0), width - left)
            padded[(..., *inside)] = part
            part = padded
        return np.array(part[..., ::-1] if self.flip else part, order="C")

    def points(self, points: NDArray[Any]) -> NDArray[np.int64]:
        """`(N, 2)` y and x on the old image as pixels of the crop, those outside left out."""
        ratio = np.divide(self.new, self.old)
        points = points[np.isfinite(points).all(axis=1)].astype(np.float64)
        moved = np.rint((points + 0.5) * ratio - 0.5)
        moved = moved[((moved >= 0) & (moved < self.new)).all(axis=1)].astype(np.int64) - (self.top, self.left)
        if self.flip:
            moved[:, 1] = self.side - 1 - moved[:, 1]
        return moved[((moved >= 0) & (moved < self.side)).all(axis=1)]


class Joint:
    """Resizes, crops and varies a sample, in the order of `TransformOptions`.

    Takes a sample with `key`, `epoch`, `image (3, H, W)` and any of `flow (2, H, W)`, `valid (H, W)`, `labels (H, W)`
    and `points (N, 2+)`, rows of y, x and what else. Gives `key`, `epoch`, and with the crop's sides `image`, `valid`
    bool, and what there was of `flow`, `labels` and `points` `(n, 2)` int64. No other entry would still fit the image,
    so none is kept.

    - The image is averaged over pixels where it shrinks and interpolated cubically where it grows. Flow is
      interpolated bilinearly, u scaled by the ratio of widths and v by that of heights. Labels are the nearest ones.
    - Beyond a smaller image, `image` is its mean colour, `flow` 0, `valid` False and `labels` `IGNORED`. In training it
      lies anywhere in the crop, otherwise in its centre.
    - `valid` is also False where flow is not finite, at the limit that the flow codec clips to or beyond it, or
      interpolated from such; flow is 0 there.
    - Points outside the crop are left out.

    Args:
        train: choices are drawn from `(seed, epoch, key)`; otherwise scale 1, the centre crop, nothing varied.

    Raises:
        ShardError: what lies on the image has another size, points are no rows of y and x, or the resized image would
            be larger than any has reason to be.
    """

    def __init__(self, options: TransformOptions, seed: int, train: bool) -> None:
        self.options, self.seed, self.train = options, seed, train

    def __call__(self, sample: Sample) -> Sample:
        key, epoch = sample["key"], sample["epoch"]
        draws = _drawn(generator(self.seed, epoch, key, "transform"), self.options) if self.train else _Draws()
        _check(sample)
        window = self._window(sample, draws)
        valid = _valid(sample)
        made: dict[str, NDArray[Any]] = {
            "image": _image(sample["image"].numpy(), window),
            "valid": _valid_crop(valid, window),
        }
        if draws.jitter != _Draws.jitter:
            made["image"] = _jittered(made["image"], *draws.jitter)
        if "flow" in sample:
            made["flow"] = _flow(sample["flow"].numpy(), valid, window)
            if not made["valid"].all():
                made["flow"][:, ~made["valid"]] = 0
        if "labels" in sample:
            made["labels"] = _labels(sample["labels"].numpy(), window)
        if "points" in sample:
            made["points"] = window.points(sample["points"].numpy()[:, :2])
        return {"key": key, "epoch": epoch} | {name: torch.from_numpy(array) for name, array in made.items()}

    def _window(self, sample: Sample, draws: _Draws) -> _Window:
        height, width = sample["image"].shape[1:]
        shorter = self.options.shorter_side or min(height, width)
        factor = shorter / min(height, width) * draws.scale
        new = max(round(height * factor), 1), max(round(width * factor), 1)
        if new[0] * new[1] > MAX_PIXELS:  # a long strip, whose shorter side would have to grow
            raise ShardError(f"{sample['key']}: resized from {height}x{width}, it would be {new[0]}x{new[1]} pixels")
        side = self.options.crop
        top, left = _start(new[0] - side, draws.down), _start(new[1] - side, draws.right)
        return _Window((height, width), new, top, left, side, draws.flip)


def _start(slack: int, share: float) -> int:
    """The crop's first line, from 0 to `slack`, all of them; below 0, where the image is smaller and lies within it."""
    start = int(share * (abs(slack) + 1))
    return start if slack >= 0 else -start


def _check(sample: Sample) -> None:
    size = tuple(sample["image"].shape[1:])
    for name in ("flow", "valid", "labels"):
        if name in sample and tuple(sample[name].shape[-2:]) != size:
            height, width = sample[name].shape[-2:]
            raise ShardError(f"{sample['key']}: its {name} is {height}x{width} and its image {size[0]}x{size[1]}")
    if "points" in sample and (sample["points"].ndim != 2 or sample["points"].shape[1] < 2):
        raise ShardError(f"{sample['key']}: its points are {tuple(sample['points'].shape)}, and not rows of y and x")


def _image(image: Plane, window: _Window) -> Plane:
    if window.new != window.old:
        shrinks = window.new[0] < window.old[0]
        image = _resized(image, window, cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        if not shrinks:
            np.clip(image, 0, 1, out=image)  # cubic interpolation overshoots
    padded = min(window.new) < window.side
    return window.cut(image, image.mean(axis=(1, 2), keepdims=True) if padded else 0)


def _valid(sample: Sample) -> NDArray[np.bool_]:
    """Where the whole image has motion to be told, as far as the sample says."""
    height, width = sample["image"].shape[1:]
    valid = sample["valid"].numpy() != 0 if "valid" in sample else np.ones((height, width), np.bool_)
    if "flow" in sample:
        flow = sample["flow"].numpy()
        if not (flow.min() > -LIMIT and flow.max() < LIMIT):  # which NaN is not, either
            valid = valid & (np.abs(flow[0]) < LIMIT) & (np.abs(flow[1]) < LIMIT)
    return np.asarray(valid)


def _valid_crop(valid: NDArray[np.bool_], window: _Window) -> NDArray[np.bool_]:
    """Valid is what comes from valid pixels alone."""
    if valid.all():
        valid = np.ones(window.new, np.bool_)
    elif window.new != window.old:
        valid = _resized(valid[None].astype(np.float32), window, cv2.INTER_LINEAR)[0] > np.float32(1 - 1e-4)
    return window.cut(valid, False)


def _flow(flow: Plane, valid: NDArray[np.bool_], window: _Window) -> Plane:
    if not valid.all():
        flow = np.where(valid, flow, np.float32(0))  # NaN would spread further than the pixels that are not valid
    if window.new != window.old:
        flow = _resized(flow, window, cv2.INTER_LINEAR)
        flow[0] *= window.new[1] / window.old[1]
        flow[1] *= window.new[0] / window.old[0]
    flow = window.cut(flow, 0)
    if window.flip:
        np.negative(flow[0], out=flow[0])
    return flow


def _labels(labels: NDArray[np.int64], window: _Window) -> NDArray[np.int64]:
    if window.new != window.old:
        y, x = ((2 * np.arange(n) + 1) * o // (2 * n) for n, o in zip(window.new, window.old, strict=True))
        labels = labels[y[:, None], x]
    return window.cut(labels, IGNORED)


def _resized(planes: Plane, window: _Window, way: int) -> Plane:
    """Plane by plane: OpenCV wants channels last, and bringing them there takes longer than resizing."""
    height, width = window.new
    made = np.empty((len(planes), height, width), np.float32)
    for plane, to in zip(planes, made, strict=True):
        cv2.resize(np.ascontiguousarray(plane), (width, height), dst=to, interpolation=way)
    return made


def _jittered(image: Plane, brightness: float, contrast: float, saturation: float) -> Plane:
    """Each is a blend of the image with another: black, its mean grey, and its grey; clipped to [0, 1] each time."""
    image = np.clip(image * np.float32(brightness), 0, 1)
    image = np.clip(np.float32(contrast) * image + np.float32((1 - contrast) * _grey(image).mean()), 0, 1)
    return np.clip(np.float32(saturation) * image + np.float32(1 - saturation) * _grey(image), 0, 1)


def _grey(image: Plane) -> Plane:
    """Luma of ITU-R BT.601."""
    return np.float32(0.299) * image[0] + np.float32(0.587) * image[1] + np.float32(0.114) * image[2]
