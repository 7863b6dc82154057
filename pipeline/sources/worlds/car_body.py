"""A car's mesh, made of lofts, boxes and what a lathe turns: metres, x forward, y to the left, z up.

It is its own mirror image: everything is made of the left half, y from 0 up, and of that half mirrored.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from pipeline.sources.worlds.meshes import (
    Mesh,
    box,
    cylinder,
    ellipsoid,
    grid_faces,
    joined,
    mirrored,
    painted,
    placed,
    surface,
    turned,
    with_area,
)
from pipeline.sources.worlds.vectors import Vectors, rotation

Colour = tuple[int, int, int]

LEFT = 1  # the axis y
BODIES = ((52, 104, 196), (40, 150, 140), (232, 178, 40), (236, 236, 232), (70, 150, 70), (120, 92, 180))
REAR, GLASS, TYRE, RIM = (196, 32, 36), (38, 48, 60), (30, 30, 32), (200, 204, 208)
DARK, LAMP, TAIL, PLATE = (34, 34, 36), (255, 246, 214), (255, 150, 40), (246, 240, 190)
REAR_ENDS = -0.72  # the rear is what is behind
AXLES, RADIUS = (1.32, -1.30), 0.35

# The lower body: x, lowest, highest, half its width.
_BODY = np.array(
    [
        [-2.12, 0.42, 0.80, 0.62],
        [-2.09, 0.33, 0.88, 0.72],
        [-1.98, 0.26, 0.95, 0.80],
        [-1.70, 0.23, 0.98, 0.85],
        [-1.20, 0.21, 0.97, 0.88],
        [0.00, 0.20, 0.93, 0.90],
        [0.80, 0.20, 0.91, 0.89],
        [1.30, 0.21, 0.86, 0.87],
        [1.75, 0.23, 0.78, 0.83],
        [2.00, 0.27, 0.70, 0.76],
        [2.10, 0.33, 0.62, 0.67],
        [2.13, 0.40, 0.55, 0.58],
    ]
)
# The cabin above it: z, its rearmost and its foremost x, half its width.
_CABIN = np.array(
    [
        [0.80, -1.72, 0.98, 0.82],
        [0.92, -1.66, 0.86, 0.80],
        [1.00, -1.58, 0.70, 0.77],
        [1.25, -1.30, 0.22, 0.68],
        [1.36, -1.10, -0.02, 0.62],
        [1.42, -0.86, -0.22, 0.50],
        [1.44, -0.70, -0.38, 0.30],
    ]
)


@dataclass(frozen=True)
class Car:
    """A car, and its named points: `places (N, 3)`, each a vertex of the mesh."""

    mesh: Mesh
    names: tuple[str, ...]
    places: Vectors


@lru_cache(maxsize=2)
def build_car(seed: int) -> Car:
    """Builds the car of a seed: its body's colour is its own."""
    body = BODIES[seed % len(BODIES)]
    wheels = [placed(_wheel(), (x, 0.80, RADIUS)) for x in AXLES]
    front, rear = _front_lamp(), _rear_lamp()
    mirror = placed(painted(ellipsoid((0.09, 0.16, 0.085), 16), body, 0.5), (0.62, 0.90, 0.98))
    handle = placed(painted(ellipsoid((0.11, 0.03, 0.025), 12), RIM, 0.5), (-0.38, 0.902, 0.74))
    sides = [*wheels, *(_arch(x) for x in AXLES), front, rear, mirror, handle]
    skin, cabin = _painted_body(body), _painted_cabin(body)
    badge = placed(painted(ellipsoid((0.02, 0.09, 0.05), 12), RIM, 0.6), (2.13, 0, 0.52))
    plate = placed(painted(box((0.015, 0.26, 0.07)), PLATE), (-2.155, 0, 0.60))
    grille = placed(painted(box((0.05, 0.44, 0.055), 0.02), DARK, 0.3), (2.09, 0, 0.385))
    middle = [skin, cabin, *(_symmetric(part, part.centroids()[:, LEFT] > 0) for part in (badge, plate, grille))]
    lefts = {
        "headlamp": front.nearest_vertex((2.3, 0.6, 0.62)),
        "taillamp": rear.nearest_vertex((-2.4, 0.62, 0.8)),
        "front_wheel": wheels[0].nearest_vertex((AXLES[0], 1.2, RADIUS)),
        "rear_wheel": wheels[1].nearest_vertex((AXLES[1], 1.2, RADIUS)),
        "mirror": mirror.nearest_vertex((0.7, 1.4, 1.0)),
        "handle": handle.nearest_vertex((-0.38, 1.2, 0.74)),
    }
    points = {f"left_{name}": place for name, place in lefts.items()}
    points |= {f"right_{name}": place * [1, -1, 1] for name, place in lefts.items()}
    points |= {
        "badge": badge.nearest_vertex((2.4, 0, 0.52)),
        "windscreen": cabin.nearest_vertex((0.55, 0, 1.1)),
        "roof": cabin.nearest_vertex((-0.5, 0, 1.6)),
        "rear_window": cabin.nearest_vertex((-1.5, 0, 1.1)),
    }
    mesh = joined([*middle, *sides, *(mirrored(side, LEFT) for side in sides)])
    return Car(mesh, tuple(points), np.array(list(points.values())))


def _symmetric(mesh: Mesh, kept: NDArray[np.bool_]) -> Mesh:
    """The faces that are kept, `(F,)`, and their mirror image."""
    chosen = {name: getattr(mesh, name)[kept] for name in ("faces", "colours", "gloss", "parts")}
    half = replace(mesh, **chosen)
    return joined([half, mirrored(half, LEFT)])


def _rounded(angle: NDArray[np.float64], power: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points in the directions of angles on a superellipse of half axes 1: a circle with power 2, then squarer."""
    cosine, sine = np.cos(angle), np.sin(angle)
    radius = (np.abs(cosine) ** power + np.abs(sine) ** power) ** (-1 / power)
    return radius * cosine, radius * sine


def _half_loft(sections: NDArray[np.float64]) -> Mesh:
    """The skin over the left halves of cross-sections `(S, C, 3)`, closed by fans at both ends."""
    caps = [np.broadcast_to(section.mean(axis=0) * [1, 0, 1], section.shape) for section in sections[[0, -1]]]
    grid = np.concatenate([caps[:1], sections, caps[1:]])
    return surface(grid.reshape(-1, 3), None, grid_faces(*grid.shape[:2]))


def _painted_quads(mesh: Mesh, colour: Colour, gloss: float, where: Callable[[Vectors], NDArray[np.bool_]]) -> Mesh:
    """Paints a loft where its squares' middles are, so that no edge of a colour has teeth."""

    def chosen(at: Vectors) -> NDArray[np.bool_]:
        lower, upper = np.split(at, 2)  # as `grid_faces` has the two triangles of each square
        return np.tile(where((lower + upper) / 2), 2)

    return painted(mesh, colour, gloss, chosen)


def _mirror_joined(half: Mesh) -> Mesh:
    """A half without its faces of no area, and its mirror image, smooth where they meet."""
    whole = _symmetric(half, with_area(half.vertices, half.faces))
    return replace(whole, normals=surface(whole.vertices, None, whole.faces).normals)


def _painted_body(colour: Colour) -> Mesh:
    x = np.concatenate([np.linspace(-2.12, -1.9, 7)[:-1], np.linspace(-1.9, 1.9, 27)[:-1], np.linspace(1.9, 2.13, 8)])
    low, high, wide = (PchipInterpolator(_BODY[:, 0], _BODY[:, k])(x)[:, None] for k in (1, 2, 3))
    across, up = _rounded(np.linspace(-np.pi / 2, np.pi / 2, 25), 4.0)
    across[[0, -1]] = 0
    sections = np.stack(np.broadcast_arrays(x[:, None], wide * across, (low + high) / 2 + (high - low) / 2 * up), -1)
    half = painted(_half_loft(sections), colour, 0.35)
    half = _painted_quads(half, REAR, 0.35, lambda at: at[:, 0] < REAR_ENDS)
    half = _painted_quads(half, DARK, 0.1, lambda at: at[:, 2] < 0.30)
    return _mirror_joined(half)


def _painted_cabin(colour: Colour) -> Mesh:
    z = np.concatenate([np.linspace(0.80, 1.28, 13)[:-1], np.linspace(1.28, 1.44, 9)])
    rear, front, wide = (PchipInterpolator(_CABIN[:, 0], _CABIN[:, k])(z)[:, None] for k in (1, 2, 3))
    # From the front over the left to the rear: a plan that is nearly a rectangle.
    along, across = _rounded(np.linspace(0, np.pi, 61), 7.0)
    across[[0, -1]] = 0
    sections = np.stack(
        np.broadcast_arrays((rear + front) / 2 + (front - rear) / 2 * along, wide * across, z[:, None]), -1
    )
    half = painted(_half_loft(sections), colour, 0.35)
    half = _painted_quads(half, REAR, 0.35, lambda at: at[:, 0] < REAR_ENDS)
    half = _painted_quads(half, GLASS, 0.7, _is_glass)
    return _mirror_joined(half)


def _is_glass(at: Vectors) -> NDArray[np.bool_]:
    """The windows of the cabin: between its lower edge and the roof, and between its pillars."""
    rear, front, wide = (PchipInterpolator(_CABIN[:, 0], _CABIN[:, k])(at[:, 2]) for k in (1, 2, 3))
    along = (at[:, 0] - rear) / (front - rear)
    beside = np.abs(at[:, 1]) / wide
    height = (at[:, 2] > 0.97) & (at[:, 2] < 1.30)
    ends = (beside < 0.84) & ((along > 0.9) | (along < 0.1))
    post = np.abs(along - 0.47) < 0.05
    sides = (beside > 0.9) & (along > 0.13) & (along < 0.87) & ~post
    return height & (ends | sides)


def _wheel() -> Mesh:
    """A wheel about the y axis, its outside to the left."""
    outside = [(RADIUS, 0.07), (0.31, 0.11), (0.22, 0.11), (0.22, 0.06), (0, 0.06)]
    tyre = [(0, -0.11), (0.31, -0.11), (RADIUS, -0.07), *outside]
    spoke = placed(box((0.035, 0.10, 0.02), 0.008, 1), (0, 0.11, 0.08))
    rim = [placed(spoke, turn=rotation([0, 0, 1], 2 * np.pi * k / 5)) for k in range(5)]
    hub = placed(turned([(0, -0.03), (0.07, -0.03), (0.06, 0.03), (0, 0.04)], 16), (0, 0, 0.085))
    rubber = painted(painted(turned(tyre, 32), TYRE, 0.05), (64, 66, 70), 0.1, lambda at: np.hypot(*at.T[:2]) < 0.225)
    made = joined([rubber, *(painted(part, RIM, 0.5) for part in (*rim, hub))])
    return placed(made, turn=rotation([1, 0, 0], -np.pi / 2))


def _arch(x: float) -> Mesh:
    """The dark opening that a wheel is in, a little outside the body."""
    opening = painted(cylinder(0.39, 0.11, 32), DARK, 0.05)
    return placed(opening, (x, 0.775, RADIUS + 0.01), rotation([1, 0, 0], -np.pi / 2))


def _front_lamp() -> Mesh:
    lamp = painted(ellipsoid((0.17, 0.19, 0.095), 20), LAMP, 0.8)
    return placed(lamp, (1.95, 0.55, 0.60), rotation([0, 0, 1], 0.35))


def _rear_lamp() -> Mesh:
    lamp = painted(ellipsoid((0.08, 0.10, 0.14), 20), TAIL, 0.6)
    return placed(lamp, (-2.045, 0.64, 0.74), rotation([0, 0, 1], -0.3))
