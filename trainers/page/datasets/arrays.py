"""Members as numbers for the browser, which draws them: no more than it can take."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from common_fate.errors import UserError
from common_fate.pictures.flow_colors import flow_to_color, typical_maximum
from common_fate.pictures.labels import label_colors
from common_fate.shards.members import Geometry, member
from trainers.page.pictures import shrunk

MOST_PIXELS = 2**22
"""Of a picture that is sent; of larger ones each second pixel, or third."""
MOST_POINTS = 2**14
FLOW_STEPS = 64
"""A pixel's parts in the shards' coding of flow, which is sent as it is: no value changes."""
THUMB = 240
"""Pixels of a thumbnail's longer side."""


def step_of(height: int, width: int, most: int = MOST_PIXELS) -> int:
    """Returns of how many pixels one is taken, along either side, so that they are at most so many or little more."""
    return max(1, math.ceil(math.sqrt(height * width / most)))


def array_answer(extension: str, value: Any) -> Response:
    """Returns a member as its bytes, with their shape and type in headers.

    Flow `(2, H, W)` comes as int16 of 1/64 px, with the speed of full colour; labels and masks `(H, W)` in their own
    type; points `(N, 3)` and trees `(R - 1, 4)` as float32.

    Raises:
        UserError: the member is not of these.
    """
    geometry = member(extension).geometry
    more: dict[str, str] = {}
    if geometry == "flow":
        more["Full-Color"] = f"{typical_maximum(value):g}"
        value = np.rint(stepped(value, geometry) * FLOW_STEPS).astype(np.int16)
    elif geometry in ("labels", "mask"):
        value = stepped(value, geometry)
    elif geometry in ("points", "tree"):
        value = value[:MOST_POINTS]
    else:
        raise UserError(f"{extension}: is not of numbers that are drawn")
    data = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
    headers = {"Array-Shape": ",".join(map(str, data.shape)), "Array-Type": data.dtype.name} | more
    return Response(data.tobytes(), headers=headers, media_type="application/octet-stream")


def stepped(value: NDArray[Any], geometry: Geometry, most: int = MOST_PIXELS) -> NDArray[Any]:
    """Returns what lies on a frame's pixels with only each n-th of them."""
    height, width = value.shape[-2:] if geometry == "flow" else value.shape[:2]
    step = step_of(height, width, most)
    return value[..., ::step, ::step] if geometry == "flow" else value[::step, ::step]


def thumbnail(extension: str, value: Any) -> NDArray[np.uint8]:
    """Draws a member small, `(h, w, 3)`: images, flow on the wheel, labels and masks.

    Raises:
        UserError: the member is not of these.
    """
    geometry = member(extension).geometry
    if geometry == "image":
        return shrunk(value, THUMB)
    small = stepped(value, geometry, THUMB * THUMB) if geometry in ("flow", "labels", "mask") else value
    if geometry == "flow":
        return flow_to_color(small, max_magnitude=typical_maximum(small))
    if geometry == "mask":
        return np.repeat(np.where(small > 0, np.uint8(255), np.uint8(0))[..., None], 3, axis=-1)
    if geometry == "labels":
        return label_colors(small.astype(np.int64) + (0 if extension.endswith("objects.png") else 1))
    raise UserError(f"{extension}: cannot be drawn small")
