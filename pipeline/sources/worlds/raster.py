"""A film of rigid parts in space: its pictures, and the exact truth between any two of them.

A picture is drawn of triangles, by z-buffer, with several samples a pixel. The truth is of pixel centres: the point of
the surface that is seen at one is followed into the other frame, and whether anything covers it there is asked of the
triangles themselves, so that neither depends on a raster of the other frame.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.kernels.triangles import covered, material_motion, moved, nearest_faces, projected, shaded
from pipeline.sources.source import Points, Truth
from pipeline.sources.worlds.meshes import Mesh
from pipeline.sources.worlds.vectors import Vectors

SAMPLES = 4  # along a pixel's side: what a picture's edges are smoothed with


@dataclass(frozen=True)
class Camera:
    """A pinhole camera whose frames are `size` pixels square; `focal` is its focal length in pixels."""

    size: int
    focal: float

    @property
    def centre(self) -> float:
        """Column and row of the optical axis, where a pixel's centre is at whole numbers."""
        return (self.size - 1) / 2


@dataclass(frozen=True)
class Shot:
    """Where everything is in a frame, in camera coordinates: x to the right, y down, z forward.

    `turns (P, 3, 3)` and `shifts (P, 3)` bring each part there; `light (3,)`, of length 1, points to the light.
    """

    turns: Vectors
    shifts: Vectors
    light: Vectors


@dataclass(frozen=True)
class Landmarks:
    """Named points on parts.

    Attributes:
        names: N of them.
        places: `(N, 3)`, in the coordinates of their parts.
        parts: `(N,)`, the part that each moves with.
        within: `(N, K)`, the parts that do not hide a point: those that it is inside of. -1 is none.
    """

    names: tuple[str, ...]
    places: Vectors
    parts: NDArray[np.int32]
    within: NDArray[np.int32]


@dataclass(frozen=True)
class SolidFilm:
    """A film of a mesh whose parts move.

    Attributes:
        mesh: its faces' parts are rows of a shot's turns and shifts.
        camera: what sees it.
        shot: where the parts are in a frame.
        landmarks: its named points.
        labels: `(P,)` uint8, the object that each part is; 0 is the background.
        backdrop: `(size, size, 3)`, what is behind everything, and never moves.
        texture: `(h, w, 3)`, what the mesh's `coords` are places in.
        ambient: the share of the light that comes from everywhere.
    """

    mesh: Mesh
    camera: Camera
    shot: Callable[[int], Shot]
    landmarks: Landmarks
    labels: NDArray[np.uint8]
    backdrop: NDArray[np.uint8]
    texture: NDArray[np.uint8]
    ambient: float = 0.5

    def image(self, number: int) -> NDArray[np.uint8]:
        """Draws a frame `(size, size, 3)`, RGB, with smooth edges."""
        shot, size, mesh = self.shot(number), self.camera.size, self.mesh
        places = self._projected(self._vertices(shot))
        normals = moved(mesh.normals, self._vertex_parts, shot.turns, np.zeros_like(shot.shifts))
        seen = nearest_faces(places, mesh.faces, size, size, SAMPLES)
        looks = (mesh.colours, mesh.gloss, mesh.coords, self.texture, self.backdrop)
        return shaded(seen, places, normals, mesh.faces, *looks, shot.light, self.ambient, self.camera.focal)

    def truth(self, first: int, second: int) -> Truth:
        """Returns the motion from one frame to any other; `objects` are the labels of the parts, 0 the background.

        A pixel is occluded where the point that is seen at its centre leaves the picture (whose border is half a pixel
        around the outermost centres), comes to be behind the camera, or has anything before it. The backdrop is as far
        as can be, and stands still. Where a point comes to be behind the camera, its flow is not valid.
        """
        size, mesh = self.camera.size, self.mesh
        before, after = (self._vertices(self.shot(number)) for number in (first, second))
        places = self._projected(before)
        seen = nearest_faces(places, mesh.faces, size, size, 1)
        flow, near = material_motion(
            seen, places, mesh.faces, before, after, float(self.camera.focal), self.camera.centre
        )
        y, x = np.indices((size, size)) + flow[::-1]
        targets = np.stack([x.ravel(), y.ravel(), near.ravel()], 1)
        own = seen.reshape(-1, 1)
        numbers = np.arange(len(mesh.faces), dtype=np.int32)
        hidden = covered(targets, own, self._projected(after), mesh.faces, numbers, size, size).reshape(size, size)
        outside = (x < -0.5) | (x > size - 0.5) | (y < -0.5) | (y > size - 0.5) | (near < 0)
        objects = np.where(seen < 0, np.uint8(0), self.labels[mesh.parts[seen]])
        return Truth(flow.astype(np.float32), near >= 0, hidden | outside, objects)

    def points(self, number: int) -> Points:
        """Returns the named points of a frame; a point outside it or behind anything is hidden."""
        shot, size, marks = self.shot(number), self.camera.size, self.landmarks
        places = self._projected(moved(marks.places, marks.parts, shot.turns, shot.shifts))
        before = places[:, 2] > 0
        inside = before & ((places[:, :2] >= -0.5) & (places[:, :2] <= size - 0.5)).all(axis=1)
        vertices = self._projected(self._vertices(shot))
        hidden = covered(places, marks.within, vertices, self.mesh.faces, self.mesh.parts, size, size)
        rows = np.stack([places[:, 1], places[:, 0], inside & ~hidden], 1).astype(np.float32)
        return Points((size, size), marks.names, rows)

    @cached_property
    def _vertex_parts(self) -> NDArray[np.int32]:
        return self.mesh.vertex_parts()

    def _vertices(self, shot: Shot) -> Vectors:
        return moved(self.mesh.vertices, self._vertex_parts, shot.turns, shot.shifts)

    def _projected(self, points: Vectors) -> Vectors:
        return projected(points, float(self.camera.focal), self.camera.centre)
