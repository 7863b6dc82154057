"""Pictures of embeddings as colours, of rows of both kernels, and of what neurons like.

Mahendran, Thewlis and Vedaldi, ACCV 2018, figures 2, 4 and 5.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common_fate.pictures import Picture, Tile, color_wheel_legend, contact_sheet, flow_to_color, typical_maximum
from trainers.evaluations.embedding.components import COLOURS, coloured
from trainers.evaluations.features import nearest_cells
from trainers.methods.similarity.kernels import COSINE
from trainers.methods.similarity.model import STRIDE

LEGEND = 56
AT = (0.02, 0.5, 0.98)
"""Of the pixels whose rows are drawn: quantiles of how far their flow is from the image's median flow."""


@dataclass(frozen=True)
class Seen:
    """An image and what is known of each of its cells, one every `STRIDE` pixels.

    Args:
        image: `(H, W, 3)` in [0, 1], RGB.
        flow: `(2, H, W)`, pixels, with `valid (H, W)`.
        vectors: `(h, w, D)`, of length 1.
        moved: `(h, w, 2)`, normalised flow, with `known (h, w)`.
    """

    key: str
    image: NDArray[np.float32]
    flow: NDArray[np.float32]
    valid: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    moved: NDArray[np.float32]
    known: NDArray[np.bool_]


def embeddings(several: list[Seen], title: str, seed: int) -> bytes:
    """Draws images beside their embedding, by a random projection to red, green and blue, and their flow (PNG)."""
    axes = np.random.default_rng(seed).normal(size=(several[0].vectors.shape[2], COLOURS))
    tiles = []
    for one, colours in zip(several, coloured([one.vectors @ axes for one in several]), strict=True):
        picture = enlarged(colours, one)
        shown = flow_to_color(one.flow, one.valid, typical_maximum(one.flow, one.valid))
        tiles += [(_bytes(one.image), f"image\n{one.key}"), (picture, "embedding"), (shown, "flow")]
    return _png(_sheet(tiles, title, color_wheel_legend(LEGEND)))


def kernels(several: list[Seen], title: str, variance: float) -> bytes:
    """Draws for a few pixels of each image which pixels are like them, by flow and by the embedding (PNG)."""
    tiles: list[Tile] = []
    for one in several:
        for y, x in chosen(one):
            like = np.exp(-((one.moved - one.moved[y, x]) ** 2).sum(axis=2) / (2 * variance))
            near = COSINE * (one.vectors @ one.vectors[y, x])
            flow = heat(np.where(one.known, like, 0))
            tiles += [
                (_marked(one, y, x), f"pixel ({STRIDE * y}, {STRIDE * x})\n{one.key}"),
                (enlarged(flow, one), "kernel of flow\n0 to 1"),
                (enlarged(heat((near / COSINE + 1) / 2), one), "kernel of the embedding\n-1/4 to 1/4"),
            ]
    return _png(_sheet(tiles, title))


def neurons(pictures: NDArray[np.float32], channels: list[int], title: str) -> bytes:
    """Draws pictures `(N, 3, side, side)` in [0, 1] that channels like, eight in a row (PNG)."""
    tiles = [
        (_bytes(picture.transpose(1, 2, 0)), f"channel {channel}")
        for picture, channel in zip(pictures, channels, strict=True)
    ]
    return _png(_sheet(tiles, title, columns=8))


def chosen(one: Seen) -> list[tuple[int, int]]:
    """Returns cells (y, x) of an image with known flow that moves as most of it, less so, and not at all so."""
    cells = np.argwhere(one.known)
    if not len(cells):
        return []
    moved = one.moved[one.known]
    far = ((moved - np.median(moved, axis=0)) ** 2).sum(axis=1)
    order = np.argsort(far, kind="stable")
    picked = [order[min(int(share * len(order)), len(order) - 1)] for share in AT]
    return [(int(cells[i][0]), int(cells[i][1])) for i in picked]


def heat(values: NDArray[np.float32]) -> Picture:
    """Returns values in [0, 1] as colours from dark blue to yellow."""
    grey = np.rint(255 * values.clip(0, 1)).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1])


def enlarged(cells: NDArray[np.uint8], one: Seen) -> Picture:
    """Returns a picture as large as the image, each pixel of which has the colour of the cell nearest to it."""
    size = one.image.shape[:2]
    rows, columns = (nearest_cells(side, side, n, STRIDE) for side, n in zip(size, cells.shape, strict=False))
    return cells[rows[:, None], columns]


def _marked(one: Seen, y: int, x: int) -> Picture:
    picture, at = _bytes(one.image).copy(), (STRIDE * x, STRIDE * y)
    radius = max(3, max(picture.shape[:2]) // 60)
    cv2.circle(picture, at, radius + 1, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.circle(picture, at, radius, (220, 30, 40), -1, cv2.LINE_AA)
    return picture


def _bytes(image: NDArray[np.float32]) -> Picture:
    return np.ascontiguousarray(np.rint(255 * image.clip(0, 1)), np.uint8)


def _sheet(tiles: list[Tile], title: str, legend: Picture | None = None, columns: int = 6) -> Picture:
    return contact_sheet([tiles[i : i + columns] for i in range(0, len(tiles), columns)], title, legend)


def _png(sheet: Picture) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()
