"""Physics in the plane under a gravity that changes: what moves the arms and the triskelion.

Lengths are in 90ths of the picture's side, x to the right and y down, so that films of any size move alike.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import pymunk
from numpy.typing import NDArray

from pipeline.sources.worlds.world import WorldOptions

UNITS = 90
SECONDS = 1 / 60  # a step
PULL = 15.0  # the deviation of each element of gravity, units per square second (thesis, section 4.1)
HELD = 100  # steps from a draw of gravity to the next
SETTLING = 100  # steps before the first frame: it is not the pose that the bodies were made in


def seeded(options: WorldOptions, index: int) -> np.random.Generator:
    """Returns the random numbers of a video, which depend on the seed, the world and the index alone."""
    return np.random.default_rng([options.seed, zlib.crc32(options.world.encode()), index])


def new_space() -> pymunk.Space:
    """Returns an empty space in which motion slows down."""
    space = pymunk.Space()
    space.iterations = 20
    space.damping = 0.7  # of its velocity is left after a second
    return space


def simulate(
    space: pymunk.Space, bodies: Sequence[pymunk.Body], frames: int, steps: int, rng: np.random.Generator
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Runs the physics and returns the poses of bodies at each frame: turns and shifts, each `(frames, bodies)`.

    A point z of a body, a complex number x + iy, is at `turn * z + shift`; shifts are in units.

    Args:
        steps: of the physics from a frame to the next.
    """
    poses = np.empty((frames, len(bodies), 3))
    wanted = {SETTLING + frame * steps: frame for frame in range(frames)}
    for step in range(SETTLING + (frames - 1) * steps + 1):
        if step in wanted:
            poses[wanted[step]] = [(*body.position, body.angle) for body in bodies]
        if step % HELD == 0:
            space.gravity = tuple(rng.normal(0, PULL, 2).tolist())
        space.step(SECONDS)
    return np.exp(1j * poses[..., 2]), poses[..., 0] + 1j * poses[..., 1]


def in_pixels(places: NDArray[np.complex128], size: int) -> NDArray[np.complex128]:
    """Returns where units from the picture's upper left corner are in pixels, whose centres are at whole numbers."""
    return places * (size / UNITS) - (0.5 + 0.5j)
