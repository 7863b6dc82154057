"""Textures that are functions of place: noise of several octaves, in space or in the plane."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def noise(points: NDArray[np.float64], rng: np.random.Generator, octaves: int = 4) -> NDArray[np.float64]:
    """Computes smooth noise at points `(N, 3)`, `(N,)`, about from -1 to 1; its coarsest waves are some 2 units long.

    Each octave is a sum of plane waves in random directions, half as long and half as strong as those before.
    """
    total = np.zeros(len(points))
    for octave in range(octaves):
        waves = rng.standard_normal((16, 3)) * 2.0**octave * 1.8
        phases = rng.uniform(0, 2 * np.pi, 16)
        total += 0.5**octave * np.sin(points @ waves.T + phases).mean(axis=1)
    return total * 2.8


def blended(share: ArrayLike, first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Returns colours `(..., 3)` from the first where the share `(...)` is 0 or less to the second where it is 1."""
    amount = np.clip(np.asarray(share, np.float64), 0, 1)[..., None]
    return (1 - amount) * np.asarray(first, np.float64) + amount * np.asarray(second, np.float64)
