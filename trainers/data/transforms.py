"""Joint transforms: an image and all that lies on it are resized, cropped and varied together, by one draw."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common_fate.errors import ShardError
from common_fate.shards.flow_coding import LIMIT
from common_fate.shards.limits import MAX_PIXELS
from common_fate.shards.members import Geometry, entry
from common_fate.torch.sample import Sample
from trainers.data.window import Plane, Window
from trainers.engine.options import TransformOptions

IGNORED = 255
"""The label of padding in maps of classes and objects: no class."""
NOWHERE = -1
"""The label of padding in maps of regions and superpixels, where any label from 0 up may be one."""

OURS: dict[str, Geometry] = {
    "labels": "labels",
    "points": "points",
    "landmarks": "points",
    "landmarks_valid": "facts",
    "backward_valid": "mask",
}
"""What evaluations and transforms call theirs; what is in shards is in the table of members."""
_PLANES: dict[Geometry, tuple[int, ...]] = {"image": (3,), "flow": (2,), "mask": (), "labels": ()}
"""Of what lies on the image pixel by pixel, what stands before height and width."""


def generator(seed: int, epoch: int, key: str, purpose: str) -> np.random.Generator:
    """Returns what draws for one sample: the same in any worker, and for each purpose another."""
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
    flip_vertical: bool = False
    box: tuple[float, float] | None = None  # share of the area, width over height


def _drawn(rng: np.random.Generator, options: TransformOptions) -> _Draws:
    # Each is drawn whatever the options, so that switching one on leaves the others as they were.
    scale, down, right, flip = float(rng.uniform(*options.scale)), rng.random(), rng.random(), rng.random() < 0.5
    brightness, contrast, saturation = (float(1 + options.jitter * rng.uniform(-1, 1)) for _ in range(3))
    vertical = rng.random() < 0.5
    jitter = brightness, contrast, saturation
    share, aspect = rng.uniform(*(options.area or (1, 1))), math.exp(rng.uniform(*np.log(options.aspect)))
    box = (float(share), aspect) if options.area else None
    return _Draws(scale, down, right, flip and options.flip, jitter, vertical and options.flip_vertical, box)


class Joint:
    """Resizes, crops and varies a sample, all its members together, in the order of `TransformOptions`.

    Takes a sample with `key`, `epoch`, `image (3, H, W)` and any of the members below; those of other frames have a
    prefix (`next.image`, `previous.superpixels`, `truth.flow`). Gives the same members with the crop's sides.

    - `image` is averaged over pixels where it shrinks and interpolated cubically where it grows. All frames are varied
      by the same draw: it takes a colour to the same colour in each. Beyond a smaller image is its mean colour.
    - `flow` and `backward`, `(2, H, W)`, are interpolated bilinearly, u scaled by the ratio of widths and v by that of
      heights. A flip negates u, a vertical flip v. They are 0 where they are not valid.
    - `valid (H, W)`, bool, is always given: where the image is and `flow`, if there is one, is valid. So is
      `backward_valid` with `backward`. Flow is not valid beyond the image, where it is not finite, at the limit that
      the flow codec clips to or beyond it, where a mask that came with it says so, and interpolated from such.
    - `occlusion (H, W)`, bool, is the nearest pixel's, and False beyond the image.
    - `labels` and `objects`, `(H, W)` int64, are the nearest ones, and `IGNORED` beyond the image. In a mirror image
      the left and the right one of `swaps` are each other's `labels`, as with `landmarks`.
    - `regions` and `superpixels`, `(H, W)` int64, are the nearest ones, and `NOWHERE` beyond the image. They keep their
      labels, so that `tree` stays as it is: the leaves that the crop has lost are in it all the same.
    - `points (N, 2+)`, rows of y, x and what else, become `(n, 2)` int64: the pixels of those that lie in the crop.
    - `guidance (N, 3)`, rows of y, x and distance, become `(n, 3)` float32: the pixels of those that lie in the crop,
      and their distances in pixels of the resized image.
    - `landmarks (K, 2+)`, rows of y, x and what else, stay K, float32: their places, between pixels, too, and what else
      as it was. `landmarks_valid (K,)`, bool, says which lie in the crop. A mirror image, which either flip makes and
      both together do not, has the left one and the right one of `pairs` in each other's rows.
    - `json` stays as it is: these are facts of the stored frame, and so are the width and the height in it.
    - Of members with other names `more` says how they lie on the image; maps are `NOWHERE` beyond it.

    In training a smaller image lies anywhere in the crop, otherwise in its centre. With `area` the crop of training is
    a random resized crop (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015): a box of a drawn share and
    aspect, no longer than the image in either direction.

    Args:
        train: choices are drawn from `(seed, epoch, key)`; otherwise scale 1, the centre crop, nothing varied.
        pairs: rows of `landmarks`: the left and the right one of the same thing, as the data set has them.
        more: the geometry of members by name, as the table of members (`common_fate.shards.members`) has it of others.
        purpose: of the draws: with another one, the same sample has another crop.
        swaps: of `labels`: those of the left and of the right one of the same thing, such as arms.

    Raises:
        ShardError: nothing is known of a member, or it lies on the image and has another size; points are no rows of
            y and x; or the resized image would be larger than any has reason to be.
    """

    def __init__(
        self,
        options: TransformOptions,
        seed: int,
        train: bool,
        pairs: Sequence[tuple[int, int]] = (),
        more: Mapping[str, Geometry] | None = None,
        purpose: str = "transform",
        swaps: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.options, self.seed, self.train, self.purpose = options, seed, train, purpose
        self.pairs, self.more, self.swaps = tuple(pairs), dict(more or {}), tuple(swaps)

    def window(self, sample: Sample) -> Window:
        """Returns where the crop lies that a call with this sample gives."""
        return self._window(sample, self._draws(sample))

    def __call__(self, sample: Sample) -> Sample:
        key, epoch = sample["key"], sample["epoch"]
        draws = self._draws(sample)
        kinds = self._kinds(sample)
        window = self._window(sample, draws)
        made: dict[str, Any] = {"image": None, "valid": None}
        for name, kind in kinds.items():
            made.update(self._made(name, kind, sample, window))
        if made["valid"] is None:  # the sample has neither that nor flow
            made["valid"] = window.valid(np.ones(window.old, np.bool_))
        if draws.jitter != _Draws.jitter:
            images = [name for name in made if kinds.get(name) == "image"]
            made.update(zip(images, jittered([made[name] for name in images], *draws.jitter), strict=True))
        tensors = {name: torch.from_numpy(x) if isinstance(x, np.ndarray) else x for name, x in made.items()}
        return {"key": key, "epoch": epoch} | tensors

    def _draws(self, sample: Sample) -> _Draws:
        if not self.train:
            return _Draws()
        return _drawn(generator(self.seed, sample["epoch"], sample["key"], self.purpose), self.options)

    def _kinds(self, sample: Sample) -> dict[str, Geometry]:
        """How each member lies on the image, by name, after a look at whether it does."""
        if "image" not in sample:
            raise ShardError(f"{sample['key']}: has no image, and only {', '.join(sample)}")
        kinds: dict[str, Geometry] = {}
        for name, value in sample.items():
            if name in ("key", "epoch"):
                continue
            member = entry(name)
            kind = member.geometry if member else self.more.get(name) or OURS.get(_base(name))
            if kind is None:
                raise ShardError(
                    f"{sample['key']}: nothing is known of its {name}, so it cannot be moved with the image: leave it "
                    "out, or say in `more` how it lies on it"
                )
            kinds[name] = kind
            if kind in _PLANES:
                _check_planes(sample["key"], name, value, (*_PLANES[kind], *sample["image"].shape[1:]))
            elif kind == "points":
                _check_rows(sample["key"], name, value, self.pairs)
        return kinds

    def _made(self, name: str, kind: Geometry, sample: Sample, window: Window) -> Mapping[str, Any]:
        """Returns what becomes of a member, and beside it what says where that is valid."""
        value = sample[name].numpy() if isinstance(sample[name], torch.Tensor) else sample[name]
        base, valid_name = _base(name), _valid_name(name)
        known = sample[valid_name].numpy() != 0 if valid_name in sample else None
        if kind == "image":
            return {name: window.image(value)}
        if kind == "flow":
            flow, valid = window.flow(value, _valid(value, known))
            return {name: flow, valid_name: valid}
        if base.endswith("valid") and any(_valid_name(other) == name for other in sample):
            return {}  # made with what it is of
        if kind == "mask":
            return {name: window.valid(value != 0) if base.endswith("valid") else window.nearest(value != 0, False)}
        if kind == "labels":
            labels = value.astype(np.int64, copy=False)
            if base == "labels" and window.mirrored:
                labels = _swapped(labels, self.swaps)
            return {name: window.nearest(labels, IGNORED if base in ("labels", "objects") else NOWHERE)}
        if base == "landmarks":
            places, inside = _landmarks(value, known, self.pairs, window)
            return {name: places, valid_name: inside}
        if kind == "points":
            return {name: _guidance(value, window) if base == "guidance" else window.pixels(value[:, :2])[0]}
        return {name: value.copy()}

    def _window(self, sample: Sample, draws: _Draws) -> Window:
        height, width = sample["image"].shape[1:]
        side = self.options.crop
        if draws.box:
            share, aspect = draws.box
            root = math.sqrt(share * height * width)
            box = min(root / math.sqrt(aspect), height), min(root * math.sqrt(aspect), width)
            new = round(height * side / box[0]), round(width * side / box[1])
        else:
            shorter = self.options.shorter_side or min(height, width)
            factor = shorter / min(height, width) * draws.scale
            new = max(round(height * factor), 1), max(round(width * factor), 1)
        if new[0] * new[1] > MAX_PIXELS:  # a long strip, whose shorter side would have to grow
            raise ShardError(f"{sample['key']}: resized from {height}x{width}, it would be {new[0]}x{new[1]} pixels")
        top, left = _start(new[0] - side, draws.down), _start(new[1] - side, draws.right)
        return Window((height, width), new, top, left, side, draws.flip, draws.flip_vertical)


def _start(slack: int, share: float) -> int:
    """The crop's first line, from 0 to `slack`, all of them; below 0, where the image is smaller and lies within it."""
    start = int(share * (abs(slack) + 1))
    return start if slack >= 0 else -start


def _valid_name(name: str) -> str:
    """What says where a member is valid."""
    prefix, dot, base = name.rpartition(".")
    return f"{prefix}{dot}valid" if base == "flow" else f"{name}_valid"


def _base(name: str) -> str:
    """A member's name without the prefix of its frame."""
    return name.rpartition(".")[2]


def _check_planes(key: str, name: str, value: torch.Tensor, shape: tuple[int, ...]) -> None:
    if value.shape[:-2] != shape[:-2]:
        raise ShardError(f"{key}: its {name} is {tuple(value.shape)}, and not {shape}")
    if value.shape[-2:] != shape[-2:]:
        (height, width), size = value.shape[-2:], shape[-2:]
        raise ShardError(f"{key}: its {name} is {height}x{width} and its image {size[0]}x{size[1]}")


def _check_rows(key: str, name: str, rows: torch.Tensor, pairs: Sequence[tuple[int, int]]) -> None:
    if rows.ndim != 2 or rows.shape[1] < (3 if _base(name) == "guidance" else 2):
        raise ShardError(f"{key}: its {name} are {tuple(rows.shape)}, and not rows of y and x")
    if _base(name) == "landmarks" and len(rows) <= max(map(max, pairs), default=-1):
        raise ShardError(f"{key}: has {len(rows)} {name}, too few for the pairs {list(pairs)}")


def _valid(flow: Plane, known: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Where a whole field has motion to be told, as far as it is known."""
    valid = np.ones(flow.shape[1:], np.bool_) if known is None else known
    if not (flow.min() > -LIMIT and flow.max() < LIMIT):  # which NaN is not, either
        valid = valid & (np.abs(flow[0]) < LIMIT) & (np.abs(flow[1]) < LIMIT)
    return np.asarray(valid)


def _guidance(points: NDArray[Any], window: Window) -> NDArray[np.float32]:
    """Distances grow as areas do: by the root of both ratios, which rounding alone tells apart."""
    pixels, inside = window.pixels(points[:, :2])
    distances = points[inside, 2:] * np.sqrt(np.prod(np.divide(window.new, window.old)))
    return np.concatenate([pixels, distances], axis=1, dtype=np.float32)


def _landmarks(
    landmarks: NDArray[Any], known: NDArray[np.bool_] | None, pairs: Sequence[tuple[int, int]], window: Window
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    places, inside = window.places(landmarks[:, :2])
    rows = np.arange(len(landmarks))
    if window.mirrored:
        for left, right in pairs:
            rows[[left, right]] = right, left
    moved = np.concatenate([places, landmarks[:, 2:]], axis=1, dtype=np.float32)
    return moved[rows], (inside if known is None else inside & known)[rows]


def _swapped(labels: NDArray[np.int64], swaps: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    made = labels.copy() if swaps else labels
    for left, right in swaps:
        made[labels == left], made[labels == right] = right, left
    return made


def jittered(images: Sequence[Plane], brightness: float, contrast: float, saturation: float) -> list[Plane]:
    """Returns images `(3, H, W)`, all varied alike.

    Each is a blend of the image with another: black, a mean grey, and its grey; clipped to [0, 1] each time.

    The mean grey is the first image's for all, so that what looks alike in two frames still does.
    """
    images = [np.clip(image * np.float32(brightness), 0, 1) for image in images]
    mean = np.float32((1 - contrast) * _grey(images[0]).mean())
    images = [np.clip(np.float32(contrast) * image + mean, 0, 1) for image in images]
    return [np.clip(np.float32(saturation) * i + np.float32(1 - saturation) * _grey(i), 0, 1) for i in images]


def _grey(image: Plane) -> Plane:
    """Luma of ITU-R BT.601."""
    return np.float32(0.299) * image[0] + np.float32(0.587) * image[1] + np.float32(0.114) * image[2]
