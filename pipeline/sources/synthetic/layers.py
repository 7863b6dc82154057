"""A scene of textured layers: its image at a time, and the exact truth between two times.

A layer's outline is a formula in the layer's own coordinates, so that what covers what is decided at sub-pixel points,
without a raster in between. The images sample the textures at steps of 1/32 pixel (OpenCV's interpolation tables).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.sources.source import Truth
from pipeline.sources.synthetic.motion import Chain, Points, Similarity, pose, rectangle


@dataclass(frozen=True)
class Shape:
    """A wavy ellipse (`power` 2) or rounded box (`power` 4) about `centre`.

    `half` is half its width and height before the waves; `waves` are the complex amplitudes of two and of three bumps
    around it, as a share of the radius.
    """

    centre: complex
    half: tuple[float, float]
    power: int
    waves: tuple[complex, complex]

    def depth(self, points: Points) -> NDArray[np.float64]:
        """Measures how far inside the outline the points are along the ray from the centre, in pixels.

        It is negative outside.
        """
        offset = points - self.centre
        u, v = offset.real / self.half[0], offset.imag / self.half[1]
        uu, vv = u * u, v * v
        norm = np.sqrt(uu + vv) + 1e-9  # the centre has no direction
        radius = norm if self.power == 2 else np.sqrt(np.sqrt(uu * uu + vv * vv)) + 1e-9
        return (self._rim(np.asarray((u + 1j * v) / norm, np.complex128)) - radius) * (np.abs(offset) + 1e-9) / radius

    def outline(self) -> Points:
        """Returns 64 points on the outline."""
        ray: Points = np.exp(2j * np.pi * np.arange(64) / 64)
        radius = self._rim(ray) / (np.abs(ray.real) ** self.power + np.abs(ray.imag) ** self.power) ** (1 / self.power)
        return self.centre + np.asarray(radius * (ray.real * self.half[0] + 1j * ray.imag * self.half[1]))

    def corners(self) -> Points:
        """Returns the corners of a rectangle that holds the shape."""
        grown = 1 + sum(map(abs, self.waves))
        return self.centre + rectangle(grown * self.half[0], grown * self.half[1])

    def _rim(self, ray: Points) -> NDArray[np.float64]:
        return 1 + (ray * ray * (self.waves[0] + ray * self.waves[1])).real


@dataclass(frozen=True)
class Layer:
    """A textured shape that moves; without a shape, the background, whose texture repeats mirrored.

    `texture (h, w, 3)` uint8, RGB; `origin` is the layer's point 0 in the texture; `object` is 0 for the background,
    and the same for all parts of an object.
    """

    texture: NDArray[np.uint8]
    origin: complex
    shape: Shape | None
    chain: Chain
    object: int


@dataclass(frozen=True)
class Film:
    """What a camera makes of a scene; none of it moves anything.

    Attributes:
        shutter: how long it is open, frames, half of it before and half after the frame's time: motion blurs.
        exposures: pictures that are averaged over that time.
        blur: deviation of a Gaussian, pixels; 0 is none.
        light: by how much the light swings, as a share, and at which phase and radians a frame.
        noise: deviation, grey levels of 255.
        seed: of the noise.
    """

    shutter: float
    exposures: int
    blur: float
    light: tuple[float, float, float]
    noise: float
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """A scene of `height` by `width` pixels: its layers from the farthest, the background, to the nearest."""

    height: int
    width: int
    layers: tuple[Layer, ...]
    film: Film | None = None


def image_at(scene: Scene, time: float) -> NDArray[np.uint8]:
    """Draws the scene at a time in frames, `(H, W, 3)` uint8, RGB, as its film shows it; edges blend over one pixel."""
    film = scene.film
    if film is None:
        return _drawn(scene, time)
    opened = film.shutter * ((np.arange(film.exposures) + 0.5) / film.exposures - 0.5)
    image = np.mean([_drawn(scene, time + after) for after in opened], axis=0, dtype=np.float32)
    if film.blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), film.blur, borderType=cv2.BORDER_REFLECT_101))
    swing, phase, tempo = film.light
    # The noise of a frame is its own: seeded by the time in ticks of 1/1000 frame, so that negative ones do, too.
    grains = np.random.default_rng((*film.seed, round(1000 * time) % 2**32)).standard_normal(image.shape, np.float32)
    lit = image * (1 + swing * np.sin(phase + tempo * time)) + film.noise * grains
    return np.rint(np.clip(lit, 0, 255)).astype(np.uint8)


def _drawn(scene: Scene, time: float) -> NDArray[np.uint8]:
    image = np.empty((scene.height, scene.width, 3), np.uint8)
    for layer in scene.layers:
        here = pose(layer.chain, time)
        box, points = _box(scene, layer, here)
        if not points.size:
            continue
        texture = _textured(layer, here, points)
        if layer.shape is None:
            image[box] = texture
        else:
            depth = layer.shape.depth(here.inverse()(points)) * abs(here.turn)
            alpha = np.clip(depth + 0.5, 0, 1).astype(np.float32)[..., None]
            image[box] = np.rint(image[box] * (1 - alpha) + texture * alpha)
    return image


def flow_between(scene: Scene, first: float, second: float) -> Truth:
    """Returns the exact truth from one time to another, either way round.

    A pixel belongs to the nearest layer that covers its centre, and moves as that layer does. It is occluded where it
    leaves the picture (whose border is half a pixel around the outermost pixel centres) or where a nearer layer covers
    the very point that it moves to.
    """
    poses = [(pose(layer.chain, first), pose(layer.chain, second)) for layer in scene.layers]
    visible = _visible(scene, [here for here, _ in poses])
    points = _grid(slice(0, scene.height), slice(0, scene.width))
    # The difference of the poses, not of the points: what stands still has a flow of exactly zero.
    moved = [Similarity(b.turn - a.turn, b.shift - a.shift) @ a.inverse() for a, b in poses]
    flow = Similarity(*(np.array([getattr(m, name) for m in moved])[visible] for name in ("turn", "shift")))(points)
    target = points + flow
    x, y = target.real, target.imag
    occlusion = (x < -0.5) | (x > scene.width - 0.5) | (y < -0.5) | (y > scene.height - 0.5)
    for index, (layer, (_, there)) in enumerate(zip(scene.layers, poses, strict=True)):
        if layer.shape is None:
            continue
        corners = there(layer.shape.corners())
        near = (x >= corners.real.min()) & (x <= corners.real.max()) & (y >= corners.imag.min())
        near &= (y <= corners.imag.max()) & (visible < index) & ~occlusion
        occlusion[near] = layer.shape.depth(there.inverse()(target[near])) >= 0
    objects = np.array([layer.object for layer in scene.layers], np.uint8)[visible]
    return Truth(np.stack([flow.real, flow.imag]).astype(np.float32), np.ones_like(occlusion), occlusion, objects)


def _visible(scene: Scene, poses: list[Similarity]) -> NDArray[np.intp]:
    """The index of the nearest layer at every pixel centre."""
    visible = np.zeros((scene.height, scene.width), np.intp)
    for index, (layer, here) in enumerate(zip(scene.layers, poses, strict=True)):
        if layer.shape is not None:
            box, points = _box(scene, layer, here)
            visible[box][layer.shape.depth(here.inverse()(points)) >= 0] = index
    return visible


def _box(scene: Scene, layer: Layer, here: Similarity) -> tuple[tuple[slice, slice], Points]:
    """The part of the picture that the layer can reach, and its pixel centres; empty where the layer is out of view."""
    if layer.shape is None:
        rows, columns = slice(0, scene.height), slice(0, scene.width)
    else:
        corners = here(layer.shape.corners())
        rows, columns = _span(corners.imag, scene.height), _span(corners.real, scene.width)
    return (rows, columns), _grid(rows, columns)


def _span(values: NDArray[np.float64], size: int) -> slice:
    start = min(max(int(values.min()) - 1, 0), size)
    return slice(start, max(min(int(values.max()) + 3, size), start))


def _grid(rows: slice, columns: slice) -> Points:
    return np.arange(columns.start, columns.stop) + 1j * np.arange(rows.start, rows.stop)[:, None]


def _textured(layer: Layer, here: Similarity, points: Points) -> NDArray[np.uint8]:
    """The layer's texture as it appears at a box of pixel centres."""
    back = here.inverse()
    origin = back(points[0, 0]) + layer.origin
    matrix = np.array([[back.turn.real, -back.turn.imag, origin.real], [back.turn.imag, back.turn.real, origin.imag]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = points.shape[1], points.shape[0]
    return np.asarray(cv2.warpAffine(layer.texture, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101))
