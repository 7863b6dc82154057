"""Random thin-plate splines: where each pixel of a warped image is from.

Thewlis, "Objects from Motion", chapter 4, section 4; the values are those of the later release of chapter 7.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trainers.methods.objects.options import WarpOptions

SOFTENING = 1e-5
"""In the spline's logarithm."""
SMALLEST = 0.2
"""The least factor of scale: one of 0 or below has no image."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Warp:
    """From places in the warped image to places in the image, both (x, y) from -1 to 1, centres of the outer pixels.

    A place p is from `linear @ p + shift` and, of each control point c, its weight times U(|p - c|), where
    U(r) = r^2 log(r^2 + 1e-5).

    Args:
        linear: `(2, 2)`.
        shift: `(2,)`.
        weights: `(points ** 2, 2)`, of control points from -1 to 1, row by row.
    """

    linear: Array
    shift: Array
    weights: Array

    def __call__(self, places: Array) -> Array:
        """Returns where places `(..., 2)` are from."""
        points = control_points(round(len(self.weights) ** 0.5))
        return self._from(places, basis(places, points))

    def dense(self, side: int) -> Array:
        """Returns where the pixels of a square image are from, `(side, side, 2)`."""
        places, values = _pixels(side, round(len(self.weights) ** 0.5))
        return self._from(places, values)

    def _from(self, places: Array, values: Array) -> Array:
        made: Array = places @ self.linear.T + self.shift + values @ self.weights
        return made


def basis(places: Array, points: Array) -> Array:
    """Returns U of the distance of places `(..., 2)` from each of the points `(P, 2)`: `(..., P)`."""
    squares = np.square(places[..., None, :] - points).sum(axis=-1)
    values: Array = squares * np.log(squares + SOFTENING)
    return values


def control_points(count: int) -> Array:
    """Returns so many by so many points, (x, y) from -1 to 1, row by row: `(count ** 2, 2)`."""
    line = np.linspace(-1, 1, count)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


@lru_cache(maxsize=4)
def _pixels(side: int, count: int) -> tuple[Array, Array]:
    """The pixels of a square image, and their spline basis: the same for every warp."""
    line = np.linspace(-1, 1, side)
    places = np.stack(np.meshgrid(line, line), axis=-1)
    return places, basis(places, control_points(count))


def draw_warp(rng: np.random.Generator, options: WarpOptions, side: int, factor: float = 1.0) -> Warp:
    """Returns a random warp of a square image that does not fold.

    One that folds (`folds`) is drawn anew, at most `redraws` times; the last one's weights are then halved until it
    does not.

    Args:
        factor: of the standard deviations of the weights.
    """
    for _ in range(options.redraws + 1):
        warp = _drawn(rng, options, factor)
        if not folds(warp.dense(side)):
            return warp
    while folds(warp.dense(side)):
        warp = Warp(warp.linear, warp.shift, warp.weights / 2)
    return warp


def folds(dense: Array) -> bool:
    """Returns whether neighbouring pixels change sides: a determinant of the Jacobian that is not positive.

    Args:
        dense: `(H, W, 2)`, where pixels are from, x and y; the Jacobian is that of differences from pixel to pixel.
    """
    right, down = dense[:-1, 1:] - dense[:-1, :-1], dense[1:, :-1] - dense[:-1, :-1]
    determinants = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    return not bool((determinants > 0).all())


def _drawn(rng: np.random.Generator, options: WarpOptions, factor: float) -> Warp:
    shape = (options.points**2, 2)
    strong = rng.random(shape) < 0.5
    weights = factor * rng.standard_normal(shape) * np.where(strong, options.strong, options.spline)
    angle = np.deg2rad(options.rotation * rng.standard_normal())
    scale = max(1 + options.scale * rng.standard_normal(), SMALLEST)
    shift = options.translation * rng.standard_normal(2)
    cosine, sine = np.cos(angle), np.sin(angle)
    return Warp(scale * np.array([[cosine, -sine], [sine, cosine]]), shift, weights)
