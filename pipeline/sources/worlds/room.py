"""A room seen from within: tiles on its floor, pictures on its walls, so that the motion of a camera shows."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.worlds.meshes import Mesh, cube, cube_texels, on_texels, placed
from pipeline.sources.worlds.textures import blended, noise
from pipeline.sources.worlds.vectors import Vectors

HALF = np.array([4.6, 4.6, 2.0])  # metres
CELLS = 24  # along a side; what is nearer to the camera's plane than a cell may be left out, and is not seen
TEXELS = 240
TILE = 0.575  # metres
PICTURES = 4  # on each wall

STONE, CLAY, GROUT = (206, 196, 178), (150, 112, 88), (96, 88, 80)
WALL, SHADE, PANEL, CEILING = (214, 210, 196), (168, 178, 184), (112, 122, 116), (228, 228, 222)


@lru_cache(maxsize=2)
def build_room(seed: int) -> tuple[Mesh, NDArray[np.uint8]]:
    """Builds the room of a seed, its floor at z = 0 and its middle above the origin, and its texture."""
    lines = np.linspace(-1, 1, CELLS + 1)
    inside = on_texels(cube(lines), TEXELS)
    mesh = replace(
        inside,
        vertices=inside.vertices * HALF,
        normals=-inside.normals,
        faces=np.ascontiguousarray(inside.faces[:, ::-1]),
        colours=np.full_like(inside.colours, 255),
    )
    places = cube_texels(np.linspace(-1, 1, TEXELS)) * HALF
    sides = np.split(places.reshape(-1, 3), 6)
    rng = np.random.default_rng([seed, 0])
    walls = [_wall(at, along, rng) for at, along in zip(sides[:4], (1, 1, 0, 0), strict=True)]
    colours = np.concatenate([*walls, _ceiling(sides[4], rng), _floor(sides[5], rng)])
    texture = np.rint(colours).clip(0, 255).astype(np.uint8).reshape(places.shape)
    return placed(mesh, (0, 0, HALF[2])), texture


def _floor(at: Vectors, rng: np.random.Generator) -> NDArray[np.float64]:
    row, column = (np.floor(at[:, k] / TILE).astype(int) for k in (0, 1))
    tints = rng.uniform(-22, 22, (64, 64))[row % 64, column % 64]
    colours = np.where(((row + column) % 2 == 0)[:, None], STONE, CLAY) + tints[:, None]
    within = np.abs(at[:, :2] / TILE - np.round(at[:, :2] / TILE)).min(axis=1) * TILE
    return blended((within - 0.012) / 0.02, GROUT, colours + 14 * noise(4 * at, rng, 2)[:, None])


def _wall(at: Vectors, along: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A wall that runs along an axis: panels below, a wash of colour above, and pictures; z 0 is half its height."""
    colours = blended(0.5 + 0.9 * noise(0.6 * at, rng, 4), WALL, SHADE)
    stripe = np.abs(at[:, along] / 0.46 % 1 - 0.5) < 0.46
    colours = np.where((at[:, 2] < -1.1)[:, None], np.where(stripe, 1.0, 0.75)[:, None] * PANEL, colours)
    for middle in (np.arange(PICTURES) - (PICTURES - 1) / 2) * 2.15:
        half = rng.uniform([0.4, 0.35], [0.85, 0.65])
        offset = (at[:, [along, 2]] - [middle + rng.uniform(-0.25, 0.25), rng.uniform(0.0, 0.4)]) / half
        first, second, third = rng.uniform(20, 245, (3, 3))
        disc = np.hypot(*(offset - rng.uniform(-0.4, 0.4, 2)).T) - rng.uniform(0.3, 0.6)
        drawn = blended(0.5 + 8 * (offset @ rng.standard_normal(2)), first, second)
        drawn = blended(0.5 - 12 * disc, drawn, third)
        rim = np.abs(offset).max(axis=1)
        colours = np.where((rim < 1.1)[:, None], np.where((rim < 1)[:, None], drawn, 50.0), colours)
    return colours


def _ceiling(at: Vectors, rng: np.random.Generator) -> NDArray[np.float64]:
    beam = np.abs(at[:, 0] / 1.3 % 1 - 0.5) < 0.1
    return np.where(beam[:, None], CLAY, np.array(CEILING) + 10 * noise(at, rng, 3)[:, None])
