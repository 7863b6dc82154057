"""Meshes of triangles that worlds in space are built of: rounded boxes, what a lathe turns, and mirror images.

Everything is right-handed, and the corners of a triangle run counter-clockwise when seen from outside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.sources.worlds.vectors import Vectors, normalised

# The sides of a cube: the axes that run along it, and outwards.
SIDES = np.array(
    [
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
        [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 1, 0], [1, 0, 0], [0, 0, -1]],
    ],
    np.float64,
)


@dataclass(frozen=True)
class Mesh:
    """Triangles in space.

    Attributes:
        vertices, normals: `(V, 3)`.
        faces: `(F, 3)` int32.
        colours: `(F, 3)` float32, grey levels of 255.
        gloss: `(F,)` float32, the share of light that is mirrored.
        parts: `(F,)` int32; the corners of a face are of one part, which moves as a whole.
        coords: `(V, 2)`, column and row in a texture; -1 where there is none.
    """

    vertices: Vectors
    normals: Vectors
    faces: NDArray[np.int32]
    colours: NDArray[np.float32]
    gloss: NDArray[np.float32]
    parts: NDArray[np.int32]
    coords: NDArray[np.float64]

    def centroids(self) -> Vectors:
        """Returns the middle of each face, `(F, 3)`."""
        return self.vertices[self.faces].mean(axis=1)

    def vertex_parts(self) -> NDArray[np.int32]:
        """Returns the part of each vertex, `(V,)`."""
        made = np.zeros(len(self.vertices), np.int32)
        made[self.faces] = self.parts[:, None]
        return made

    def nearest_vertex(self, place: ArrayLike) -> Vectors:
        """Finds the vertex nearest to a place, `(3,)`."""
        distance = ((self.vertices - np.asarray(place)) ** 2).sum(axis=1)
        return self.vertices[int(distance.argmin())]


def surface(vertices: Vectors, normals: Vectors | None, faces: ArrayLike) -> Mesh:
    """Makes a grey mesh of part 0; without normals, they are the faces' own, averaged where vertices coincide."""
    corners = np.asarray(faces, np.int32)
    return Mesh(
        vertices=vertices,
        normals=_smooth_normals(vertices, corners) if normals is None else normals,
        faces=corners,
        colours=np.full((len(corners), 3), 180, np.float32),
        gloss=np.zeros(len(corners), np.float32),
        parts=np.zeros(len(corners), np.int32),
        coords=np.full((len(vertices), 2), -1.0),
    )


def with_area(vertices: Vectors, faces: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Finds the faces that have an area, `(F,)`: where a grid's line is drawn together to a point, half have none."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-9)


def _smooth_normals(vertices: Vectors, faces: NDArray[np.int32]) -> Vectors:
    _, same = np.unique(np.round(vertices, 6) + 0.0, axis=0, return_inverse=True)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    summed = np.zeros((same.max() + 1, 3))
    for k in range(3):
        np.add.at(summed, same.ravel()[faces[:, k]], np.cross(b - a, c - a))  # as long as twice the face's area
    return normalised(summed)[same.ravel()]


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Joins meshes into one; their parts keep their numbers."""
    first = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    rows = {
        name: np.concatenate([getattr(mesh, name) for mesh in meshes])
        for name in ("vertices", "normals", "colours", "gloss", "parts", "coords")
    }
    faces = [mesh.faces + np.int32(start) for mesh, start in zip(meshes, first, strict=False)]
    return Mesh(faces=np.concatenate(faces), **rows)


def painted(
    mesh: Mesh, colour: ArrayLike, gloss: float | None = None, where: Callable[[Vectors], ArrayLike] | None = None
) -> Mesh:
    """Paints the faces whose centroids `where` takes, `(F, 3)` to `(F,)` bool; all of them without it."""
    chosen = np.ones(len(mesh.faces), bool) if where is None else np.asarray(where(mesh.centroids()))
    colours = np.where(chosen[:, None], np.asarray(colour, np.float32), mesh.colours)
    shine = mesh.gloss if gloss is None else np.where(chosen, np.float32(gloss), mesh.gloss)
    return replace(mesh, colours=colours, gloss=shine)


def placed(mesh: Mesh, shift: ArrayLike = (0, 0, 0), turn: ArrayLike | None = None, part: int | None = None) -> Mesh:
    """Moves a mesh, by a rotation `(3, 3)` first, then by a shift; it becomes the part that is given."""
    rotation = np.eye(3) if turn is None else np.asarray(turn, np.float64)
    return replace(
        mesh,
        vertices=mesh.vertices @ rotation.T + np.asarray(shift, np.float64),
        normals=mesh.normals @ rotation.T,
        parts=mesh.parts if part is None else np.full_like(mesh.parts, part),
    )


def mirrored(mesh: Mesh, axis: int) -> Mesh:
    """Returns the mirror image of a mesh at the plane where the coordinate `axis` is 0."""
    flip = np.where(np.arange(3) == axis, -1.0, 1.0)
    return replace(
        mesh,
        vertices=mesh.vertices * flip + 0.0,
        normals=mesh.normals * flip + 0.0,
        faces=np.ascontiguousarray(mesh.faces[:, ::-1]),
    )


def grid_faces(rows: int, columns: int) -> NDArray[np.int32]:
    """Returns the triangles of a grid of vertices, row by row, `(2 (rows - 1) (columns - 1), 3)`.

    They face the side from which columns run to the right and rows upwards.
    """
    corner = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = (corner[i : rows - 1 + i, j : columns - 1 + j].ravel() for i, j in ((0, 0), (0, 1), (1, 1), (1, 0)))
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def box(half: ArrayLike, bevel: float = 0.0, steps: int = 2) -> Mesh:
    """Makes a box about the origin of half its sides `(3,)`, whose edges are rounded with radius `bevel`."""
    extent = np.asarray(half, np.float64)
    core = extent - bevel
    # Where the lines of a side's grid are, beyond its flat middle: a rounding as even steps of its angle.
    beyond = bevel * np.tan(np.linspace(0, np.pi / 4, steps + 1)) if bevel else np.zeros(1)
    sides: list[Mesh] = []
    for along, up, out in SIDES:
        ends = [axis @ core + beyond for axis in (along, up)]
        u, v = np.meshgrid(*(np.concatenate([-end[::-1], end]) for end in ends))
        flat = u.ravel()[:, None] * along + v.ravel()[:, None] * up + out * extent
        normal = normalised(flat - np.clip(flat, -core, core)) if bevel else np.broadcast_to(out, flat.shape)
        sides.append(surface(np.clip(flat, -core, core) + bevel * normal, normal, grid_faces(*u.shape)))
    return joined(sides)


def cube(lines: ArrayLike) -> Mesh:
    """Makes a cube of sides from -1 to 1, with lines `(n,)` at the same places along each.

    Its `coords` run from 0 to 1 as the lines do, and the rows of its sides lie one above the other: 0 to 1 those of the
    first, 1 to 2 those of the second, and so on.
    """
    at = np.asarray(lines, np.float64)
    u, v = (grid.ravel()[:, None] for grid in np.meshgrid(at, at))
    column, row = (grid.ravel() for grid in np.meshgrid(*[np.linspace(0, 1, len(at))] * 2))
    made = surface(
        np.concatenate([u * along + v * up + out for along, up, out in SIDES]),
        np.repeat(SIDES[:, 2], len(at) ** 2, axis=0),
        np.concatenate([grid_faces(len(at), len(at)) + side * len(at) ** 2 for side in range(6)]),
    )
    return replace(made, coords=np.concatenate([np.stack([column, side + row], 1) for side in range(6)]))


def cube_texels(lines: ArrayLike) -> Vectors:
    """Returns the places on the sides of such a cube of the texels of its texture, `(6 n, n, 3)`."""
    at = np.asarray(lines, np.float64)
    u, v = (grid[..., None] for grid in np.meshgrid(at, at))
    return np.concatenate([u * along + v * up + out for along, up, out in SIDES])


def on_texels(mesh: Mesh, texels: int) -> Mesh:
    """Makes the `coords` of a cube places in a texture `(6 texels, texels, 3)`, whose outermost texels lie on edges."""
    side = np.repeat(np.arange(6), len(mesh.vertices) // 6)
    rows = (mesh.coords[:, 1] - side) * (texels - 1) + side * texels
    return replace(mesh, coords=np.stack([mesh.coords[:, 0] * (texels - 1), rows], 1))


def turned(outline: Sequence[tuple[float, float]], around: int = 24, smooth: bool = False) -> Mesh:
    """Makes what an outline passes as it turns about the z axis, as on a lathe.

    Args:
        outline: radius and height of its corners, upwards on the outside.
        around: corners of a circle.
        smooth: whether the outline's corners are those of a curve, rather than edges.
    """
    profile = np.asarray(outline, np.float64)
    if not smooth:
        profile = np.repeat(profile, 2, axis=0)[1:-1]
    angle = 2 * np.pi * np.arange(around + 1) / around
    angle[-1] = 0
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    vertices = np.concatenate([profile[:, None, :1] * ring, np.repeat(profile[:, None, 1:], around + 1, 1)], axis=2)
    if smooth:
        grid = grid_faces(len(profile), around + 1)
        return surface(vertices.reshape(-1, 3), None, grid[with_area(vertices.reshape(-1, 3), grid)])
    bands = []
    for k in range(0, len(profile), 2):
        rise, out = profile[k + 1, 1] - profile[k, 1], profile[k + 1, 0] - profile[k, 0]
        slope = normalised(np.array([rise, -out]))
        normal = np.concatenate([slope[0] * ring, np.full((around + 1, 1), slope[1])], 1)
        band = vertices[k : k + 2].reshape(-1, 3)
        grid = grid_faces(2, around + 1)
        bands.append(surface(band, np.tile(normal, (2, 1)), grid[with_area(band, grid)]))
    return joined(bands)


def ellipsoid(half: ArrayLike, around: int = 24) -> Mesh:
    """Makes an ellipsoid about the origin of half its axes `(3,)`."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, around // 2 + 1)
    extent = np.asarray(half, np.float64)
    ball = turned(list(zip(np.cos(angle), np.sin(angle), strict=True)), around, smooth=True)
    return replace(ball, vertices=ball.vertices * extent, normals=normalised(ball.vertices / extent))


def cylinder(radius: float, half_length: float, around: int = 24, bevel: float = 0.0) -> Mesh:
    """Makes a cylinder about the z axis; `bevel` is cut off its edges."""
    r, h = radius, half_length
    if not bevel:
        return turned([(0, -h), (r, -h), (r, h), (0, h)], around)
    return turned([(0, -h), (r - bevel, -h), (r, bevel - h), (r, h - bevel), (r - bevel, h), (0, h)], around)


def capsule(radius: float, half_length: float, around: int = 24) -> Mesh:
    """Makes a cylinder about the z axis, of half the length that is given, with a hemisphere on either end."""
    angle = np.linspace(-np.pi / 2, 0, around // 4 + 1)
    below = np.stack([radius * np.cos(angle), radius * np.sin(angle) - half_length], 1)
    above = np.stack([below[::-1, 0], -below[::-1, 1]], 1)
    made = turned([(r, z) for r, z in np.concatenate([below, above])], around, smooth=True)
    axis = np.clip(made.vertices[:, 2], -half_length, half_length)
    return replace(made, normals=(made.vertices - axis[:, None] * np.array([0, 0, 1])) / radius)
