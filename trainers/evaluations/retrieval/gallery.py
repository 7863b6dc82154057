"""A picture of queries, each a row: an image's segments, one of them, and what it found."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.pictures import Picture, Tile, contact_sheet, label_colors
from common_fate.pictures.sheet import kept
from trainers.evaluations.features import Image

PALE = 0.8  # how much of what is not the segment is white


@dataclass(frozen=True)
class Shown:
    """A segment, and what is said of it."""

    key: str
    image: Image
    inside: NDArray[np.bool_]  # (H, W)
    label: str
    distance: float | None = None  # from the query


@dataclass(frozen=True)
class Query:
    """A segment of an image that falls into segments `(H, W)`, and those that it found, the nearest first."""

    segments: NDArray[np.int64]
    of: Shown
    found: Sequence[Shown]


def gallery(title: str, queries: Sequence[Query]) -> bytes:
    """Draws a sheet, as PNG."""
    sheet = contact_sheet([_row(query) for query in queries], title)
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()


def _row(query: Query) -> list[Tile]:
    tiles: list[Tile] = [
        (kept(label_colors(query.segments + 1)), f"segments: {query.segments.max() + 1}\n{query.of.key}"),
        (_highlighted(query.of), f"query: {query.of.label}\n{query.of.key}"),
    ]
    for number, found in enumerate(query.found):
        said = "right" if found.label == query.of.label else "wrong"
        similarity = "" if found.distance is None else f", cosine {1 - found.distance**2 / 2:.2f}"
        tiles.append((_highlighted(found), f"{number + 1}: {found.label}, {said}{similarity}\n{found.key}"))
    return tiles


def _highlighted(shown: Shown) -> Picture:
    """The image, pale where it is not the segment."""
    pale = shown.image * (1 - PALE) + PALE
    picture = np.where(shown.inside[..., None], shown.image, pale)
    return kept(np.rint(255 * picture).astype(np.uint8))
