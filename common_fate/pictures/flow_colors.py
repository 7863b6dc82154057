"""Flow as colours: the Middlebury wheel, its legend, and the speed to show in full colour."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

RED, YELLOW, GREEN, CYAN, BLUE, MAGENTA = (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1)
# How many hues the wheel has from one to the next: steps as even as the eye finds them.
WHEEL_STEPS = (
    (RED, YELLOW, 15),
    (YELLOW, GREEN, 6),
    (GREEN, CYAN, 4),
    (CYAN, BLUE, 11),
    (BLUE, MAGENTA, 13),
    (MAGENTA, RED, 6),
)
UNKNOWN_FLOW = 1e9  # Middlebury's files mark unknown flow by components beyond this


def _make_wheel() -> NDArray[np.float32]:
    """The 55 hues of the wheel, `(55, 3)` in [0, 1]."""
    arcs = []
    for start, end, steps in WHEEL_STEPS:
        change = np.subtract(end, start) * 255
        # Truncated, so that a channel that rises is rounded down and one that falls is rounded up, as published.
        arcs.append(np.multiply(start, 255) + np.trunc(change * np.arange(steps)[:, None] / steps))
    return (np.concatenate(arcs) / 255).astype(np.float32)


WHEEL = _make_wheel()


def flow_to_color(
    flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None, max_magnitude: float | None = None
) -> Picture:
    """Flow on the Middlebury colour wheel: direction as hue, speed as saturation, standing still as white.

    Args:
        flow: `(2, H, W)`, pixels.
        valid: `(H, W)`, where the flow is known. What is unknown, not finite, or beyond 1e9 is black.
        max_magnitude: the speed in pixels of full saturation; what is faster is darker. The default is the field's own
            maximum, the convention of published pictures: there one wild vector pales the rest, so a sheet had better
            give `typical_maximum(flow)`.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, and its `colorcode`.
    """
    known = known_flow(flow, valid)
    u, v = np.where(known, flow, 0).astype(np.float32)
    speed = np.hypot(u, v)
    radius = speed / (_positive(max_magnitude) or _positive(speed.max(initial=0)) or 1.0)
    # Adding zero turns -0 into 0: else motion straight to the right would fall on either side of the wheel's seam.
    place = (np.arctan2(-(v + 0.0), -(u + 0.0)) / np.float32(np.pi) + 1) / 2 * (len(WHEEL) - 1)
    before = np.clip(place.astype(np.intp), 0, len(WHEEL) - 1)
    share = (place - before)[..., None]
    hue = (1 - share) * WHEEL[before] + share * WHEEL[(before + 1) % len(WHEEL)]
    radius = radius[..., None]
    color = np.where(radius <= 1, 1 - radius * (1 - hue), hue * 0.75)
    return as_picture(np.clip(color * 255, 0, 255) * known[..., None])


def typical_maximum(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None) -> float:
    """The speed to show in full colour: the maximum, or the 99th percentile where the fastest pixels run away from it.

    At least 1 px, so that the noise of a field that stands still is pale. `flow (2, H, W)` in pixels, `valid (H, W)`.
    """
    speeds = speeds_of(flow, valid)
    if not speeds.size:
        return 1.0
    fastest, fast = float(speeds.max()), float(np.percentile(speeds, 99))
    return max(1.0, fastest if fastest <= 1.5 * fast else fast)


def color_wheel_legend(size: int) -> Picture:
    """The colour wheel itself, `(size, size, 3)` on white: right of the middle is the colour of going right."""
    fine = np.linspace(-1, 1, 4 * size, dtype=np.float32)
    field = np.stack(np.meshgrid(fine, fine))
    disc = np.where((np.hypot(*field) <= 1)[..., None], flow_to_color(field, max_magnitude=1), np.uint8(255))
    return as_picture(cv2.resize(disc, (size, size), interpolation=cv2.INTER_AREA))


def _positive(value: float | None) -> float | None:
    return float(value) if value is not None and value > 0 else None


def known_flow(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Returns where flow `(2, ...)` is finite, not marked as unknown, and `valid`."""
    with np.errstate(invalid="ignore"):
        usual = np.asarray((np.abs(flow) <= UNKNOWN_FLOW).all(axis=0))
    return usual if valid is None else np.logical_and(usual, valid)


def speeds_of(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Returns the magnitudes of the known flow, `(N,)` pixels."""
    known = known_flow(flow, valid)
    speeds: NDArray[np.float32] = np.hypot(flow[0][known], flow[1][known])
    return speeds


def as_picture(array: Any) -> Picture:
    """Returns numbers from 0 to 255 as the bytes of a picture."""
    picture: Picture = np.asarray(array).astype(np.uint8)
    return picture
