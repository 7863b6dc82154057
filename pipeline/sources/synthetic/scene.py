"""What a synthetic video shows: photographs cut into a background and objects, and how each of them moves."""

from functools import lru_cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.errors import SampleError
from pipeline.sources.synthetic.bodies import body
from pipeline.sources.synthetic.layers import Film, Layer, Scene, Shape
from pipeline.sources.synthetic.motion import Chain, rectangle, retimed, swaying, top_speed

LICENSE = "CC0 or public domain: photographs shipped with scikit-image, see the notes in skimage.data"

# Only photographs that scikit-image's notes call CC0 or public domain. Grey ones get a colour.
TINTS = {
    "coffee.png": None,
    "grass.png": (0.95, 1.2, 0.6),
    "astronaut.png": None,
    "brick.png": (1.3, 0.85, 0.7),
    "chelsea.png": None,
    "gravel.png": (1.15, 1.0, 0.85),
    "rocket.jpg": None,
    "camera.png": None,
}
PHOTOS = tuple(TINTS)

CAMERA_REACH = (0.1, 0.1, 0.05, 0.05)  # of the width, of the height, log scale, radians
CAMERA_PACES = (0.12, 0.04, 0.0, 0.08)  # of the speed, in turn: one video in four stands still
VARIED_PACES = (0.0, 0.6)  # of the speed, from and to: a varied video's camera
LIMBS, VARIED_LIMBS = (0.35, 0.5), (0.06, 0.5)  # half their width beside half their length
ZOOMS = (0.5, 3.0)  # of a varied texture, from and to: finer, and blurred
PEAK_BEFORE = 24  # frames: every object is at its fastest once before that
SPREAD = (0.7548776662, 0.5698402910)  # steps that spread points evenly over a square (inverse plastic numbers)
MARGIN = 1.4  # the background's size beside the picture's, so that the camera seldom sees beyond it


def compose(
    height: int,
    width: int,
    objects: int,
    speed: float,
    seed: int,
    index: int,
    varied: bool = False,
    bodies: bool = False,
) -> Scene:
    """Composes the scene of a dataset's video `index`; raises `SampleError` where scikit-image lacks a photograph."""
    rng = np.random.default_rng([seed, index])
    variety = np.random.default_rng([seed, index, 1]) if varied else None
    anatomy = np.random.default_rng([seed, index, 3]) if bodies else None
    background = PHOTOS[(seed + index) % len(PHOTOS)]
    zoom = _zoom(variety)
    texture = _crop(
        rng, _photo(background), round(MARGIN * width), round(MARGIN * height), zoom=0 if zoom == 1 else zoom
    )
    texture = _recoloured(variety, texture)
    reach = np.multiply(CAMERA_REACH, (width, height, 1, 1))
    camera: Chain = (swaying(rng, ((width - 1) / 2, (height - 1) / 2, 0, 0), reach),)
    paces_of = CAMERA_PACES[index % len(CAMERA_PACES)] if variety is None else variety.uniform(*VARIED_PACES)
    pace = speed * paces_of
    camera = retimed(camera, pace / top_speed(camera, rectangle(MARGIN * width / 2, MARGIN * height / 2))[0], 0)
    layers = [Layer(texture, _middle(texture), None, camera, 0)]

    # The camera magnifies an object's own motion and adds its own: together they stay within the speed.
    paces = rng.permutation(np.linspace(1, 0, objects) ** 0.75) * (speed - pace) / np.exp(CAMERA_REACH[2])
    photos = rng.permutation([name for name in PHOTOS if name != background])
    spots = (rng.random(2) + np.outer(np.arange(objects), SPREAD)) % 1 * 2 - 1
    for number in range(objects):
        unit = np.sqrt(height * width / max(objects, 4))
        limbs = VARIED_LIMBS if varied else LIMBS
        parts = _object(rng, 1 + number % 3, unit, spots[number], np.array([width, height]) * 0.45, limbs)
        if anatomy is not None and number % 2 == 0:
            parts = body(anatomy, unit, parts[0][1])
        fastest, peak = max(top_speed(chain, shape.outline()) for shape, chain in parts)
        tempo = paces[number] / fastest
        start = peak - tempo * rng.uniform(0, PEAK_BEFORE)
        photo = _photo(str(photos[number % len(photos)]))
        for shape, chain in parts:
            corner = shape.corners()[0]
            size = 2 * (shape.centre - corner)
            zoom = rng.uniform(0.6, 1) * _zoom(variety)
            texture = _recoloured(variety, _crop(rng, photo, int(size.real) + 3, int(size.imag) + 3, zoom=zoom))
            layers.append(Layer(texture, 1 + 1j - corner, shape, camera + retimed(chain, tempo, start), number + 1))
    return Scene(height, width, tuple(layers), _film(variety, speed, (seed, index, 2)))


def _film(variety: np.random.Generator | None, speed: float, seed: tuple[int, ...]) -> Film | None:
    """Draws a film; half of the videos are not blurred by motion, and half not at all."""
    if variety is None:
        return None
    shutter = float(variety.uniform(0, 0.6)) * bool(variety.random() < 0.5)
    exposures = 1 + int(min(np.ceil(speed * shutter / 2), 8))
    blur = float(variety.uniform(0.3, 1.2)) * bool(variety.random() < 0.5)
    light = (float(variety.uniform(0, 0.15)), float(variety.uniform(0, 2 * np.pi)), float(variety.uniform(0, 1)))
    return Film(shutter, exposures, blur, light, float(variety.uniform(0, 4)), seed)


def _zoom(variety: np.random.Generator | None) -> float:
    return 1.0 if variety is None else float(np.exp(variety.uniform(*np.log(ZOOMS))))


def _recoloured(variety: np.random.Generator | None, texture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The texture in other colours: channels in another order, each with its own gamma and gain, at times inverted."""
    if variety is None:
        return texture
    order, gamma, gain = variety.permutation(3), np.exp(variety.uniform(-0.5, 0.5, 3)), variety.uniform(0.5, 1.2, 3)
    levels = np.linspace(0, 1, 256)[:, None]
    if variety.random() < 0.25:
        levels = levels[::-1]
    table = np.rint(255 * np.minimum(gain * levels**gamma, 1)).astype(np.uint8)
    return np.ascontiguousarray(table[texture[..., order], np.arange(3)])


def _object(
    rng: np.random.Generator,
    parts: int,
    unit: float,
    spot: NDArray[np.float64],
    room: NDArray[np.float64],
    limbs: tuple[float, float],
) -> list[tuple[Shape, Chain]]:
    """A body and, for more than one part, a limb of one or two links, each swinging about its joint."""
    length = unit * rng.uniform(0.25, 0.42) * (1 if parts == 1 else 0.8)
    body = Shape(0, (length, length * rng.uniform(0.55, 1)), int(rng.choice([2, 4])), _waves(rng, 0.12))
    reach = room * rng.uniform(0.15, 0.6, 2)
    rest = (room - reach) * spot
    sway = (*reach, rng.uniform(0, 0.15), rng.uniform(0.2, 0.9))
    made: list[tuple[Shape, Chain]] = [(body, (swaying(rng, (*rest, 0, rng.uniform(-np.pi, np.pi)), sway),))]

    joint = 0.85 * body.outline()[rng.integers(64)]
    heading = float(np.angle(joint))
    for _ in range(parts - 1):
        length = unit * rng.uniform(0.2, 0.28)
        # The limb's own origin is its joint: it swings about it.
        limb = Shape(0.75 * length, (length, length * rng.uniform(*limbs)), 4, _waves(rng, 0.04))
        swing = swaying(rng, (joint.real, joint.imag, 0, heading), (0, 0, 0, rng.uniform(0.4, 0.9)))
        made.append((limb, (*made[-1][1], swing)))
        joint, heading = 1.5 * length + 0j, rng.uniform(-0.6, 0.6)
    return made


def _waves(rng: np.random.Generator, size: float) -> tuple[complex, complex]:
    two, three = size * np.exp(1j * rng.uniform(0, 2 * np.pi, 2))
    return complex(two), complex(three)


@lru_cache(maxsize=len(PHOTOS))
def _photo(name: str) -> NDArray[np.uint8]:
    """A photograph of scikit-image as `(h, w, 3)` uint8, RGB."""
    image = cv2.imread(str(resources.files("skimage") / "data" / name), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise SampleError(f"the installed scikit-image does not ship the photograph {name}")
    tint = TINTS[name]
    return np.asarray(image if tint is None else np.rint(np.minimum(image * tint, 255)).astype(np.uint8))


def _crop(
    rng: np.random.Generator, photo: NDArray[np.uint8], width: int, height: int, zoom: float
) -> NDArray[np.uint8]:
    """A piece of a photograph at `(height, width)`: of some places, the one with most texture.

    `zoom` is the size it gets beside its size in the photograph, raised where the photograph is too small for it.
    """
    zoom = max(zoom, width / photo.shape[1], height / photo.shape[0])
    w, h = min(round(width / zoom), photo.shape[1]), min(round(height / zoom), photo.shape[0])
    corners = rng.integers(0, (photo.shape[0] - h + 1, photo.shape[1] - w + 1), (6, 2))
    piece = max((photo[y : y + h, x : x + w] for y, x in corners), key=_texture)
    return np.asarray(cv2.resize(piece, (width, height), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC))


def _texture(piece: NDArray[np.uint8]) -> float:
    return sum(float(np.abs(np.diff(piece.astype(np.int16), axis=axis)).mean()) for axis in (0, 1))


def _middle(texture: NDArray[np.uint8]) -> complex:
    return complex((texture.shape[1] - 1) / 2, (texture.shape[0] - 1) / 2)
