"""Moving an image along its flow, and filling what that uncovers."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from common_fate.compiled import njit
from common_fate.pictures import Picture

TEAR = 5.0
"""Pixels by which neighbours may part before what lies between them is a hole and no longer stretched: less than sharp
flow has at an object's edge, more than flow predicted at stride 8 mostly has, whose slopes are too wide to cut well."""
_INPAINT_RADIUS = 4  # pixels


class Warped(NamedTuple):
    """What is seen after the motion."""

    image: Picture  # (H, W, 3); black in holes
    holes: NDArray[np.bool_]  # (H, W): nothing moved there
    speed: NDArray[np.float32]  # (H, W): how far what is seen there came, pixels; -1 in holes


def forward_warp(image: Picture, flow: NDArray[np.float32], tear: float = TEAR) -> Warped:
    """Moves each pixel to where its flow points; where several arrive, the one that moved farthest is seen.

    The image is a sheet of triangles between neighbouring pixels, so that it has no pinholes where it grows, and each
    place is sampled once, cubically, from where it came. The sheet is torn where neighbours part by more than `tear`
    pixels, and shreds move with what is nearest to them: a steep slope of predicted flow, between an object and what is
    behind it, becomes a cut in its middle. Pixels at a tear or at the image's border fill the place nearest to where
    they arrive.

    Args:
        image: `(H, W, 3)`.
        flow: `(2, H, W)`, finite, pixels; it starts at the pixels of `image`.

    Raises:
        ValueError: image and flow differ in size.
    """
    if flow.shape != (2, *image.shape[:2]):
        raise ValueError(f"flow {flow.shape} does not lie on an image of {image.shape}")
    whole = _whole(flow, tear)
    held = whole[1:, 1:] | whole[1:, :-1] | whole[:-1, 1:] | whole[:-1, :-1]
    if held.any() and not held.all():
        y, x = ndimage.distance_transform_edt(~held, return_distances=False, return_indices=True)
        flow = flow[:, y, x]
        whole = _whole(flow, tear)
    source, speed = _splat(np.ascontiguousarray(flow, np.float32), whole)
    holes = speed < 0
    moved = cv2.remap(image, source[0], source[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Warped(np.where(holes[..., None], np.uint8(0), moved), holes, speed)


def fill_holes(warped: Warped) -> Picture:
    """Paints over the holes of the image from around them, `(H, W, 3)`; all else stays.

    A hole shows what lay behind something that moved away: where slow and fast pixels surround the holes, they are
    painted from the slow ones alone. An image that is all hole stays black.

    Source: A. Telea, "An image inpainting technique based on the fast marching method", JGT 2004.
    """
    image, holes, speed = warped
    if not holes.any() or holes.all():
        return image
    unknown = holes
    reach = np.ones((2 * _INPAINT_RADIUS + 1, 2 * _INPAINT_RADIUS + 1), np.uint8)
    around = speed[(cv2.dilate(holes.astype(np.uint8), reach) > 0) & ~holes]
    slow, fast = float(around.min()), float(around.max())
    if fast - slow > 1:
        unknown = holes | (speed > (slow + fast) / 2)
    painted = cv2.inpaint(image, unknown.astype(np.uint8), _INPAINT_RADIUS, cv2.INPAINT_TELEA)
    filled: Picture = np.where(holes[..., None], painted, image)
    return filled


def _whole(flow: NDArray[np.float32], tear: float) -> NDArray[np.bool_]:
    """Whether the square of four pixels whose last is (y, x) holds together, `(H + 1, W + 1)`.

    Beyond the border, pixels move as those on it.
    """
    wide = np.pad(flow, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across, down = (np.hypot(*np.diff(wide, axis=axis)) <= tear for axis in (2, 1))
    return np.asarray(across[1:] & across[:-1] & down[:, 1:] & down[:, :-1])


@njit(cache=True)
def _splat(flow: NDArray[np.float32], whole: NDArray[np.bool_]) -> Any:
    """Where what is seen at each place came from, x and y `(2, H, W)`, and how far it moved `(H, W)`, -1 in holes."""
    height, width = flow.shape[1:]
    source = np.zeros((2, height, width), np.float32)
    speed = np.full((height, width), np.float32(-1))
    for y in range(1, height):
        for x in range(1, width):
            if whole[y, x]:
                _draw(source, speed, flow, (y - 1, x - 1), (y - 1, x), (y, x - 1))
                _draw(source, speed, flow, (y, x), (y - 1, x), (y, x - 1))
    for y in range(height):
        for x in range(width):
            inner = 0 < y < height - 1 and 0 < x < width - 1
            if inner and whole[y, x] and whole[y, x + 1] and whole[y + 1, x] and whole[y + 1, x + 1]:
                continue
            u, v = flow[0, y, x], flow[1, y, x]
            to_y, to_x = int(np.floor(y + v + 0.5)), int(np.floor(x + u + 0.5))
            fast = np.hypot(u, v)
            if 0 <= to_y < height and 0 <= to_x < width and fast > speed[to_y, to_x]:
                speed[to_y, to_x] = fast
                source[0, to_y, to_x] = x
                source[1, to_y, to_x] = y
    return source, speed


@njit(cache=True)
def _draw(
    source: NDArray[np.float32],
    speed: NDArray[np.float32],
    flow: NDArray[np.float32],
    a: tuple[int, int],
    b: tuple[int, int],
    c: tuple[int, int],
) -> None:
    """Draws the triangle of three pixels (y, x) where it has moved to, its edges included, over what moved less."""
    height, width = speed.shape
    ua, va = flow[0, a[0], a[1]], flow[1, a[0], a[1]]
    ub, vb = flow[0, b[0], b[1]], flow[1, b[0], b[1]]
    uc, vc = flow[0, c[0], c[1]], flow[1, c[0], c[1]]
    ay, ax, by, bx, cy, cx = a[0] + va, a[1] + ua, b[0] + vb, b[1] + ub, c[0] + vc, c[1] + uc
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0:
        return
    fast_a, fast_b, fast_c = np.hypot(ua, va), np.hypot(ub, vb), np.hypot(uc, vc)
    # The margins keep places on an edge, where the weights are exact but for rounding.
    for y in range(max(0, int(np.ceil(min(ay, by, cy) - 1e-4))), min(height - 1, int(max(ay, by, cy) + 1e-4)) + 1):
        for x in range(max(0, int(np.ceil(min(ax, bx, cx) - 1e-4))), min(width - 1, int(max(ax, bx, cx) + 1e-4)) + 1):
            of_b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
            of_c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
            of_a = 1 - of_b - of_c
            if min(of_a, of_b, of_c) < -1e-4:
                continue
            fast = of_a * fast_a + of_b * fast_b + of_c * fast_c
            if fast > speed[y, x]:
                speed[y, x] = fast
                source[0, y, x] = of_a * a[1] + of_b * b[1] + of_c * c[1]
                source[1, y, x] = of_a * a[0] + of_b * b[0] + of_c * c[0]
