"""Smooth motion of rigid things in the plane.

Points are complex numbers, x + iy in pixels. A similarity (rotation, scale and shift) is then a product and a sum.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.complex128]

HARMONICS = np.arange(1, 4)


def rectangle(half_width: float, half_height: float) -> Points:
    """Returns the corners of a rectangle about 0, the upper left one first."""
    return np.array([complex(x, y) for y in (-half_height, half_height) for x in (-half_width, half_width)])


@dataclass(frozen=True)
class Similarity:
    """`z -> turn * z + shift`: the modulus of `turn` is the scale, its argument the angle. Arrays of them broadcast."""

    turn: Any
    shift: Any

    def __call__(self, points: Any) -> Any:
        return self.turn * points + self.shift

    def __matmul__(self, other: "Similarity") -> "Similarity":
        return Similarity(self.turn * other.turn, self(other.shift))

    def inverse(self) -> "Similarity":
        return Similarity(1 / self.turn, -self.shift / self.turn)


@dataclass(frozen=True)
class Motion:
    """A similarity that sways periodically about its rest, accelerating and slowing down as it goes.

    `rest (4,)` is x, y, log scale and angle; `sway (4, 3)` and `phase (4, 3)` are the amplitudes and phases of the
    harmonics of each; `tempo` is in radians of the period a frame.
    """

    rest: NDArray[np.float64]
    sway: NDArray[np.float64]
    phase: NDArray[np.float64]
    tempo: float = 1.0

    def at(self, time: ArrayLike) -> Similarity:
        """Returns the similarity at a time in frames, or one for each of an array of times."""
        angles = np.asarray(time)[..., None, None] * self.tempo * HARMONICS + self.phase
        x, y, scale, angle = np.moveaxis(self.rest + (self.sway * np.sin(angles)).sum(-1), -1, 0)
        return Similarity(np.exp(scale + 1j * angle), x + 1j * y)


def swaying(rng: np.random.Generator, rest: ArrayLike, reach: ArrayLike) -> Motion:
    """Draws a random motion whose x, y, log scale and angle stay within `reach (4,)` of `rest (4,)`."""
    share = rng.uniform(0.2, 1, (4, len(HARMONICS))) / HARMONICS**3
    share /= share.sum(-1, keepdims=True)
    phase = rng.uniform(0, 2 * np.pi, share.shape)
    return Motion(np.asarray(rest, float), np.asarray(reach, float)[:, None] * share, phase)


Chain = tuple[Motion, ...]
"""The motions from the camera or the object's body out to a part, each relative to the one before."""


def pose(chain: Chain, time: ArrayLike) -> Similarity:
    """Returns the similarity that takes the part's own points to where they are at a time in frames."""
    return reduce(Similarity.__matmul__, (motion.at(time) for motion in chain))


def top_speed(chain: Chain, points: Points) -> tuple[float, float]:
    """Returns the largest speed that any of the points reaches at tempo 1, and when.

    The speed is in pixels a radian of the period.
    """
    times = np.linspace(0, 2 * np.pi, 257)
    paths = pose(chain, times[:, None])(points)
    steps = np.abs(np.diff(paths, axis=0)).max(1)
    return float(steps.max() / times[1]), float(times[steps.argmax()])


def retimed(chain: Chain, tempo: float, start: float) -> Chain:
    """Returns the same motions at another tempo, from `start` radians into the period."""
    return tuple(replace(motion, tempo=tempo, phase=motion.phase + HARMONICS * start) for motion in chain)
