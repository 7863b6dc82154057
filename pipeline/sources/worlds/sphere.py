"""The world `sphere`: a textured sphere that turns through full circles.

Thewlis et al., "Unsupervised object learning from video and images" (chapter 5: "Unsupervised learning of object frames
by dense equivariant image labelling", NIPS 2017, section 4.2). Its sides differ, so that each point can be told from
all others.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.worlds.meshes import Mesh, cube, cube_texels, on_texels
from pipeline.sources.worlds.raster import Camera, Landmarks, Shot, SolidFilm
from pipeline.sources.worlds.textures import blended, noise
from pipeline.sources.worlds.vectors import Vectors, normalised, rotation
from pipeline.sources.worlds.world import WorldOptions

TICKS_A_TURN = 1200  # 60 frames, where a frame is 20 ticks
DISTANCE = 4.0  # from the camera to the middle of the way, in radii of the sphere
TEXELS = 96  # along a side of the cube that the texture lies on
CELLS = 28  # squares of the mesh, likewise

BLUE, NIGHT, ORANGE, SAND = (70, 150, 236), (18, 44, 128), (226, 106, 28), (250, 214, 150)
GREEN, PINK, WHITE = (60, 168, 96), (208, 72, 128), (240, 240, 236)


def film(options: WorldOptions, index: int) -> SolidFilm:
    """Composes video `index`: its own axis, tempo and way before the camera; the sphere is that of the seed."""
    mesh, texture = _sphere(options.seed)
    points = icosahedron()
    names = tuple(f"point_{number:02d}" for number in range(1, len(points) + 1))
    none = np.full((len(points), 1), -1, np.int32)
    camera = Camera(options.size, 1.55 * options.size)
    return SolidFilm(
        mesh=mesh,
        camera=camera,
        shot=_Motion(np.random.default_rng([options.seed, index, 1]), options.steps).shot,
        landmarks=Landmarks(names, points, np.zeros(len(points), np.int32), none),
        labels=np.array([1], np.uint8),
        backdrop=np.full((options.size, options.size, 3), 40, np.uint8),
        texture=texture,
        ambient=0.7,
    )


def icosahedron() -> Vectors:
    """Returns the corners of an icosahedron on the unit sphere, `(12, 3)`."""
    golden = (1 + np.sqrt(5)) / 2
    plane = [(0.0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    return normalised([np.roll(corner, axis) for axis in range(3) for corner in plane])


class _Motion:
    """How the sphere of a video turns: once around its axis in `TICKS_A_TURN`, while the axis nods and it drifts."""

    def __init__(self, rng: np.random.Generator, ticks: int) -> None:
        self._ticks = ticks
        self._start = rotation(rng.standard_normal(3), rng.uniform(0, np.pi))
        lean, depth = rng.uniform(-np.pi, np.pi), rng.uniform(-0.3, 0.3)  # about across the view: all sides come round
        self._axis = normalised([np.cos(lean), np.sin(lean), depth])
        self._across = normalised(rng.standard_normal(3))
        self._nod = rng.uniform(0.1, 0.4)
        self._phases = rng.uniform(0, 2 * np.pi, 4)
        self._periods = TICKS_A_TURN * rng.uniform(1.3, 2.9, 4)
        self._reach = np.array([0.16, 0.16, 0.3])

    def shot(self, number: int) -> Shot:
        """Returns where the sphere is in a frame."""
        time = number * self._ticks
        swing = np.sin(self._phases + 2 * np.pi * time / self._periods)
        nod = rotation(self._across, self._nod * float(swing[3]))
        turn = nod @ rotation(self._axis, 2 * np.pi * time / TICKS_A_TURN) @ self._start
        shift = np.array([0, 0, DISTANCE]) + self._reach * swing[:3]
        return Shot(turn[None], shift[None], normalised([-0.5, -0.6, -0.8]))


@lru_cache(maxsize=2)
def _sphere(seed: int) -> tuple[Mesh, NDArray[np.uint8]]:
    """The sides of a cube, blown up: its lines turn evenly, and texels at a side's end are those of its neighbour."""
    ball = cube(np.tan(np.linspace(-np.pi / 4, np.pi / 4, CELLS + 1)))
    round_off = normalised(ball.vertices)
    mesh = replace(ball, vertices=round_off, normals=round_off, colours=np.full_like(ball.colours, 255))
    places = normalised(cube_texels(np.tan(np.linspace(-np.pi / 4, np.pi / 4, TEXELS))))
    colours = _colours(places.reshape(-1, 3), np.random.default_rng([seed, 0]))
    return on_texels(mesh, TEXELS), np.rint(colours).clip(0, 255).astype(np.uint8).reshape(places.shape)


def _colours(points: Vectors, rng: np.random.Generator) -> NDArray[np.float64]:
    """Colours from 0 to 255 at points `(N, 3)` of the sphere: a blue and an orange half, marbled, with patches."""
    warped = points + 0.35 * np.stack([noise(points, rng) for _ in range(3)], 1)
    cold = blended(0.5 + 1.1 * noise(1.5 * warped, rng), NIGHT, BLUE)
    warm = blended(0.5 + 1.1 * noise(1.5 * warped, rng), ORANGE, SAND)
    colours = blended(0.5 + 6 * warped[:, 2], cold, warm)
    for colour in (GREEN, PINK):
        colours = blended(8 * (noise(warped, rng, 3) - 0.55), colours, colour)
    veins = np.abs(noise(1.6 * warped, rng, 3))
    return blended(0.75 - 9 * veins, colours, WHITE) * (1 + 0.12 * noise(5 * points, rng, 2))[:, None].clip(0, 1.05)
