"""Vectors and rotations in space."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vectors = NDArray[np.float64]


def normalised(vectors: ArrayLike) -> Vectors:
    """Returns vectors `(..., 3)` of length 1 in the same directions; those without a direction stay 0."""
    given = np.asarray(vectors, np.float64)
    length = np.sqrt((given**2).sum(axis=-1, keepdims=True))
    return given / np.where(length > 0, length, 1)


def rotation(axis: ArrayLike, angle: float) -> Vectors:
    """Returns the rotation `(3, 3)` about an axis by an angle in radians (Rodrigues)."""
    x, y, z = normalised(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def looking(eye: ArrayLike, target: ArrayLike) -> tuple[Vectors, Vectors]:
    """Returns the rotation and the shift from a world whose z points upwards to a camera that looks at a target.

    Camera coordinates are x to the right, y down and z forward.
    """
    forward = normalised(np.asarray(target, np.float64) - np.asarray(eye, np.float64))
    right = normalised(np.cross(forward, [0, 0, 1]))
    turn = np.stack([right, np.cross(forward, right), forward])
    return turn, -turn @ np.asarray(eye, np.float64)
