"""Pairs of images from one: thin-plate splines drawn at random, one after the other, and what moves where by them.

Bookstein, "Principal Warps: Thin-Plate Splines and the Decomposition of Deformations", TPAMI 1989; two warps in a chain
as in Thewlis et al., "Unsupervised learning of object landmarks by factorized spatial embeddings", ICCV 2017, section
4.1. The spreads are those of the code published with Thewlis et al., ICCV 2019. Nothing here imports torch.

Splines act on places whose y and x run from -1, the centre of the first pixel, to 1, that of the last.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.option import option

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]

TINY = 1e-5  # of the radial function, which has no logarithm of 0
LARGEST = 1000.0  # of any option: what is far larger has no digits left to tell the places of two pixels apart
LEAST_SCALE = 0.1  # a scale further below 1 is drawn once in 10^18 times
AT_ONCE = 2**14  # places whose distances from all control points are in memory
STEPS, NEAR = 30, 1e-7  # of Newton's method, and the error at which it has arrived


@dataclass(frozen=True)
class WarpOptions:
    """How far warps go: standard deviations of normal distributions, in halves of the image's sides."""

    control_points: int = option(10, "of a thin-plate spline, along each side")
    bend: float = option(0.001, "of the spline's weights")
    strong_bend: float = option(0.01, "of those weights that are drawn to be stronger, each with even odds")
    translation: float = option(0.1, "along each axis")
    scale: float = option(0.1, "around a scale of 1")
    rotation: float = option(5.0, "in degrees")
    first_bend: float = option(0.5, "a factor: how much less the first warp, which both images have, bends")
    strength: float = option(1.0, "a factor of all of these")
    margin: int = option(0, "pixels at each side of the crop that are cut off after warping: what is beyond it shows")

    def __post_init__(self) -> None:
        if not 2 <= self.control_points <= 32:
            raise ValueError(f"control_points is {self.control_points}: along each side, from 2 to 32")
        for name in ("bend", "strong_bend", "translation", "scale", "rotation", "first_bend", "strength", "margin"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: from 0 up")
            if name != "margin" and getattr(self, name) > LARGEST:
                raise ValueError(f"{name} is {getattr(self, name)}: at most {LARGEST:g}")


@dataclass(frozen=True)
class Warp:
    """A thin-plate spline: from a place of the warped image to where that is from.

    Args:
        matrix: `(2, 2)`, and `shift (2,)`, its affine part, of y and x.
        centres: `(N, 2)`, the control points.
        weights: `(N, 2)`, of each for y and for x.
        halvings: how often the weights were halved so that nothing folds.
    """

    matrix: Floats
    shift: Floats
    centres: Floats
    weights: Floats
    halvings: int = 0

    def __call__(self, places: Floats) -> Floats:
        """Returns where places `(..., 2)` are from."""
        flat = places.reshape(-1, 2)
        moved = flat @ self.matrix.T + self.shift
        for start in range(0, len(flat), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            moved[rows] += _radial(_squared(flat[rows], self.centres)) @ self.weights
        return moved.reshape(places.shape)

    def on_grid(self, size: tuple[int, int]) -> Floats:
        """Returns where all pixels of an image of `size` are from, `(H, W, 2)`."""
        bent = (_radial_on_grid(size, round(len(self.centres) ** 0.5)) @ self.weights.astype(np.float32)).reshape(
            *size, 2
        )
        from_there: Floats = grid(size) @ self.matrix.T + self.shift + bent
        return from_there

    def inverse(self, origins: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Returns the places `(N, 2)` that are from some origins, by Newton's method, and which of them were found."""
        places = (origins - self.shift) @ np.linalg.inv(self.matrix).T
        for _ in range(STEPS):
            error = self(places) - origins
            if np.abs(error).max(initial=0) < NEAR:
                break
            slopes = self._slopes(places)
            turns = np.abs(np.linalg.det(slopes)) > TINY  # beyond the image it may fold
            step = np.linalg.solve(np.where(turns[:, None, None], slopes, np.eye(2)), error[..., None])[..., 0]
            places = places - np.clip(step, -0.5, 0.5)
        return places, np.abs(self(places) - origins).max(axis=1, initial=0) < 1e-4

    def _slopes(self, places: Floats) -> Floats:
        """The derivatives `(N, 2, 2)` of where places are from: of y and x, by y and x."""
        apart = places[:, None] - self.centres
        squared = (apart**2).sum(axis=2)
        slope = 2 * (np.log(squared + TINY) + squared / (squared + TINY))
        return self.matrix + np.einsum("ni,nid,ik->nkd", slope, apart, self.weights)


def draw_warp(options: WarpOptions, rng: np.random.Generator, size: tuple[int, int], bend: float = 1.0) -> Warp:
    """Returns a random warp that folds nowhere on an image of `size`, H and W.

    Where the drawn one does, so that two pixels next to each other would change sides, its weights are halved until it
    does not.

    Args:
        bend: a factor of the spline's weights.
    """
    centres = _centres(options.control_points)
    strength = options.strength
    spread = np.where(rng.random(centres.shape) < 0.5, options.strong_bend, options.bend)
    weights = rng.standard_normal(centres.shape) * spread * (bend * strength)
    shift = rng.standard_normal(2) * (options.translation * strength)
    scale = max(1 + rng.standard_normal() * options.scale * strength, LEAST_SCALE)
    angle = np.deg2rad(rng.standard_normal() * options.rotation * strength)
    matrix = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    halvings = 0
    while folds((warp := Warp(matrix, shift, centres, weights / 2**halvings, halvings)).on_grid(size)):
        halvings += 1
    return warp


def folds(places: Floats) -> bool:
    """Returns whether any pixel `(H, W, 2)`, with the next one and the one below, lies the other way round."""
    down, right = np.diff(places[:, :-1], axis=0), np.diff(places[:-1], axis=1)
    return bool((down[..., 0] * right[..., 1] - down[..., 1] * right[..., 0] <= 0).any())


@dataclass(frozen=True)
class Pair:
    """Two warped images of one, and what moves where between them.

    Args:
        first: `(3, S, S)`, warped by both.
        second: `(3, S, S)`, warped by the first warp alone.
        flow: `(2, S, S)`, pixels: u and v from `first` to `second`.
        valid: `(S, S)`: where that leads to a pixel of `second`, and the image itself has something there.
        to_second, to_first: the warps: from `second` to the image, and from `first` to `second`.
        size: H and W of the image, of which `margin` pixels were cut off at each side.
    """

    first: Plane
    second: Plane
    flow: Plane
    valid: NDArray[np.bool_]
    to_second: Warp
    to_first: Warp
    size: tuple[int, int]
    margin: int

    @property
    def folded(self) -> bool:
        """Whether a warp was drawn that folds, and was then weakened."""
        return self.to_second.halvings + self.to_first.halvings > 0

    def places(self, points: NDArray[np.floating]) -> tuple[Plane, Plane, NDArray[np.bool_]]:
        """Returns where points of the image lie in `first` and in `second`, and which of them in both.

        Args:
            points: `(N, 2)`, y and x, pixels.
        """
        second, found = self.to_second.inverse(_unit(points.astype(np.float64), self.size))
        first, again = self.to_first.inverse(second)
        in_first, in_second = (_pixels(of, self.size) - self.margin for of in (first, second))
        sides = self.first.shape[1:]
        inside = found & again & _within(in_first, sides) & _within(in_second, sides)
        return in_first.astype(np.float32), in_second.astype(np.float32), inside


def warped_pair(
    image: Plane, options: WarpOptions, rng: np.random.Generator, known: NDArray[np.bool_] | None = None
) -> Pair:
    """Returns a pair from an image `(3, H, W)`; beyond it is its mean colour.

    The images are sampled once each, bilinearly: the second warp's places go through the first warp.

    Args:
        known: `(H, W)`: where the image has something, if not everywhere: nothing else is valid.

    Raises:
        ValueError: `options.margin` leaves nothing of the image.
    """
    size = (image.shape[1], image.shape[2])
    if min(size) - 2 * options.margin < 2:
        raise ValueError(f"margin is {options.margin}: nothing is left of an image of {size[0]}x{size[1]}")
    to_second = draw_warp(options, rng, size, options.first_bend)
    to_first = draw_warp(options, rng, size)
    between = to_first.on_grid(size)
    from_first, from_second = to_second(between), to_second.on_grid(size)
    first, second = (_sampled(image, _pixels(places, size)) for places in (from_first, from_second))
    led = _pixels(between, size)
    flow = (np.moveaxis(led, -1, 0) - np.indices(size))[::-1]
    there = _within(_pixels(from_first, size).reshape(-1, 2), size)
    if known is not None:
        there &= _whole(known, _pixels(from_first, size)).reshape(-1)
    inner = np.array(size) - 2 * options.margin
    valid = _within((led - options.margin).reshape(-1, 2), inner) & there

    def cut(array: NDArray) -> NDArray:  # type: ignore[type-arg]
        kept = slice(options.margin, size[0] - options.margin), slice(options.margin, size[1] - options.margin)
        return np.ascontiguousarray(array[(..., *kept)])

    return Pair(
        cut(first),
        cut(second),
        cut(flow).astype(np.float32),
        cut(valid.reshape(size)),
        to_second,
        to_first,
        size,
        options.margin,
    )


def grid(size: tuple[int, int]) -> Floats:
    """Returns the places of all pixels of an image of `size`, `(H, W, 2)`."""
    rows, columns = (np.linspace(-1, 1, side) for side in size)
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)


@lru_cache(maxsize=2)
def _radial_on_grid(size: tuple[int, int], control_points: int) -> Plane:
    """Of each pixel `(H * W, N)`: the same for all warps."""
    centres = _centres(control_points)
    rows = [_radial(_squared(row, centres)).astype(np.float32) for row in grid(size)]
    return np.concatenate(rows)


@lru_cache
def _centres(control_points: int) -> Floats:
    return grid((control_points, control_points)).reshape(-1, 2)


def _unit(pixels: Floats, size: tuple[int, int]) -> Floats:
    unit: Floats = 2 * pixels / (np.array(size) - 1) - 1
    return unit


def _pixels(places: Floats, size: tuple[int, int]) -> Floats:
    pixels: Floats = (places + 1) / 2 * (np.array(size) - 1)
    return pixels


def _within(pixels: Floats, size: tuple[int, ...] | NDArray[np.integer]) -> NDArray[np.bool_]:
    inside = (pixels >= -0.5) & (pixels < np.subtract(size, 0.5))
    return np.logical_and(inside[:, 0], inside[:, 1])


def _sampled(image: Plane, pixels: Floats) -> Plane:
    """The image `(3, H, W)` at places `(H, W, 2)` in pixels, bilinearly."""
    y, x = np.moveaxis(pixels.astype(np.float32), -1, 0)
    colour = [float(plane.mean()) for plane in image]
    planes = [
        cv2.remap(np.ascontiguousarray(plane), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=mean)
        for plane, mean in zip(image, colour, strict=True)
    ]
    return np.stack(planes).astype(np.float32)


def _whole(mask: NDArray[np.bool_], pixels: Floats) -> NDArray[np.bool_]:
    """Whether all that is interpolated at places `(H, W, 2)` in pixels lies in a mask."""
    last = np.array(mask.shape) - 1
    (y, x), (below, right) = (
        np.moveaxis(np.clip(side(pixels), 0, last).astype(np.intp), -1, 0) for side in (np.floor, np.ceil)
    )
    whole: NDArray[np.bool_] = mask[y, x] & mask[y, right] & mask[below, x] & mask[below, right]
    return whole


def _squared(places: Floats, centres: Floats) -> Floats:
    apart = [np.subtract.outer(places[:, axis], centres[:, axis]) for axis in (0, 1)]
    squared: Floats = apart[0] ** 2 + apart[1] ** 2
    return squared


def _radial(squared: Floats) -> Floats:
    radial: Floats = squared * np.log(squared + TINY)
    return radial
