"""Pictures of vectors of pixels, on images and on the sphere, and of points. PNG is what they give."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from common_fate.pictures import Picture, Tile, contact_sheet
from common_fate.pictures.labels import PALETTE
from common_fate.pictures.sheet import kept
from trainers.evaluations.embedding.components import coloured, fit
from trainers.evaluations.named_points.samples import Pointed
from trainers.evaluations.named_points.vectors import Vectors

ENLARGED = 288
"""Pixels of the longer side of a picture, at least, so that points of small images are seen."""
GREEN, WHITE, BLACK = (0, 220, 60), (255, 255, 255), (0, 0, 0)
SPHERE = (144, 288)
"""Latitudes and longitudes of a sphere's picture."""
EMPTY = 40  # grey, where no pixel of an image is


@dataclass(frozen=True)
class Dots:
    """Points to be drawn: `(P, 2)`, y and x in pixels, and a colour for each; hollow ones are rings."""

    places: NDArray[np.float64]
    colours: Sequence[tuple[int, int, int]]
    hollow: bool = False


def colour_of(number: int) -> tuple[int, int, int]:
    """Returns the colour of a point by its number."""
    red, green, blue = PALETTE[1 + number % (len(PALETTE) - 1)].tolist()
    return red, green, blue


def picture_of(image: Tensor) -> Picture:
    """Returns an image `(3, H, W)` in [0, 1] as a picture."""
    return np.rint(255 * image.permute(1, 2, 0).cpu().numpy()).clip(0, 255).astype(np.uint8)


def enlarged(picture: Picture) -> tuple[Picture, int]:
    """Returns a picture some whole times as large, as its pixels are, so that it is seen, and how many times."""
    times = max(1, -(-ENLARGED // max(picture.shape[:2])))
    return np.ascontiguousarray(picture.repeat(times, axis=0).repeat(times, axis=1)), times


def with_dots(picture: Picture, *several: Dots) -> Picture:
    """Draws points over an enlarged picture."""
    canvas, times = enlarged(picture)
    radius = max(3, max(canvas.shape[:2]) // 72)
    for dots in several:
        for (y, x), colour in zip(dots.places, dots.colours, strict=True):
            at = (round((x + 0.5) * times), round((y + 0.5) * times))
            wide, thickness = (radius + 3, 1) if dots.hollow else (radius, -1)
            cv2.circle(canvas, at, wide + 1, BLACK, thickness, cv2.LINE_AA)
            cv2.circle(canvas, at, wide, colour, thickness, cv2.LINE_AA)
    return canvas


def with_plane(picture: Picture, axis: NDArray[np.floating]) -> Picture:
    """Draws over an enlarged picture in green where an axis of its vectors, `(H, W)`, changes sign.

    Thewlis et al., "Modelling and unsupervised learning of symmetric deformable object categories", NeurIPS 2018,
    equation 5: there lies the plane of symmetry.
    """
    canvas = enlarged(picture)[0]
    size = (canvas.shape[1], canvas.shape[0])
    fine = cv2.resize(axis.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    positive = (fine > 0).astype(np.uint8)
    border = cv2.morphologyEx(positive, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    canvas[border] = GREEN
    return canvas


def label_colours(several: Sequence[NDArray[np.floating]]) -> list[Picture]:
    """Returns vectors `(H, W, L)` of several images as colours that mean the same in all of them.

    Of three dimensions, their direction: each axis from -1 to 1 is a channel; else their first three principal
    components.
    """
    if several[0].shape[2] == 3:
        return [np.rint(127.5 * (1 + _directions(one))).astype(np.uint8) for one in several]
    images = [np.asarray(one, np.float32) for one in several]
    components = fit(images)
    return coloured([components.projected(one) for one in images])


def on_sphere(picture: Picture, vectors: NDArray[np.floating]) -> Picture:
    """Draws the pixels of a picture at the directions of their vectors `(H, W, 3)`: its sphere, unfolded.

    Longitude, the angle in the plane of the first two axes, goes from left to right, latitude from top to bottom; where
    several pixels have one direction, their mean colour.
    """
    x, y, z = np.moveaxis(_directions(vectors).astype(np.float64).reshape(-1, 3), 1, 0)
    rows = ((0.5 - np.arcsin(z.clip(-1, 1)) / np.pi) * SPHERE[0]).astype(np.int64).clip(0, SPHERE[0] - 1)
    columns = ((0.5 + np.arctan2(y, x) / (2 * np.pi)) * SPHERE[1]).astype(np.int64).clip(0, SPHERE[1] - 1)
    cells = rows * SPHERE[1] + columns
    count = np.bincount(cells, minlength=SPHERE[0] * SPHERE[1])
    sums = [np.bincount(cells, picture[..., channel].ravel(), len(count)) for channel in range(3)]
    means = np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]
    return np.where(count[:, None] > 0, np.rint(means), EMPTY).astype(np.uint8).reshape(*SPHERE, 3)


def labels_sheet(title: str, shown: Sequence[Pointed], vectors: Vectors, plane: bool = False) -> bytes:
    """Draws images, their vectors as colours, and, of three dimensions, their spheres.

    Args:
        plane: draw where the first axis of the vectors is 0 as well, on images and spheres.
    """
    fields = [everywhere(one.image, vectors) for one in shown]
    rows: list[list[Tile]] = []
    for one, field, colours in zip(shown, fields, label_colours(fields), strict=True):
        picture = picture_of(one.image)
        seen = with_plane(picture, field[..., 0]) if plane else enlarged(picture)[0]
        row: list[Tile] = [(kept(seen), f"image\n{one.key}"), (kept(enlarged(colours)[0]), "vectors")]
        if field.shape[2] == 3:
            sphere = on_sphere(picture, field)
            if plane:  # a quarter of a turn to either side of the first axis
                sphere[:, [SPHERE[1] // 4, 3 * SPHERE[1] // 4]] = GREEN
            row.append((kept(sphere), "on the sphere"))
        rows.append(row)
    return sheet(title, rows)


def matches_sheet(title: str, first: Pointed, others: Sequence[tuple[str, Tensor, Tensor]]) -> bytes:
    """Draws the points of an image, and in others, each with a key, `(3, H, W)` and `(P, 2)`, where these are found."""
    visible = first.visible.numpy()
    colours = [colour_of(int(number)) for number in np.flatnonzero(visible)]
    tiles = [_tile(f"points\n{first.key}", first.image, first.places.numpy()[visible], colours)]
    tiles += [_tile(f"found\n{key}", image, places.numpy()[visible], colours) for key, image, places in others]
    return sheet(title, rows_of_tiles(tiles, 4))


def everywhere(image: Tensor, vectors: Vectors) -> NDArray[np.float32]:
    """Returns the vectors of all pixels of an image `(3, H, W)`: `(H, W, L)`."""
    found = vectors.everywhere(vectors.of(image), (image.shape[1], image.shape[2]))
    return found.permute(1, 2, 0).cpu().numpy()


def rows_of_tiles(tiles: Sequence[Tile], columns: int) -> list[list[Tile]]:
    """Returns tiles in rows."""
    return [list(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]


def sheet(title: str, rows: Sequence[Sequence[Tile]]) -> bytes:
    """Draws a sheet, as PNG."""
    drawn = contact_sheet(rows, title)
    return cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))[1].tobytes()


def _tile(caption: str, image: Tensor, places: NDArray[np.float64], colours: Sequence[tuple[int, int, int]]) -> Tile:
    return kept(with_dots(picture_of(image), Dots(places, colours))), caption


def _directions(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """At length 1; 0 where there is no direction."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    directions: NDArray[np.floating] = vectors / np.maximum(lengths, 1e-12)
    return directions
