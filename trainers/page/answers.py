"""What routes take and give: numbers that are checked, JSON, pictures, and errors in words."""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import cv2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common_fate.errors import UserError
from common_fate.pictures import Picture

MOST_JSON = 2**22
"""Bytes of a body of JSON."""

MOST_SIDE = 65500
"""Pixels of a JPEG that OpenCV writes."""

Handler = Callable[[Request], Awaitable[Response]]


class Json(JSONResponse):
    """JSON of what others wrote: numbers that are not finite are null, and halves of letters question marks."""

    def render(self, content: Any) -> bytes:
        try:
            text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except ValueError:
            text = json.dumps(_finite(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(errors="replace")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def error_answer(message: str, status: int = 400) -> Response:
    """Returns an error that the page shows in its words."""
    return Json({"error": message}, status)


async def body_of(request: Request, most: int) -> bytes:
    """Returns a request's body.

    Raises:
        UserError: it has more than `most` bytes.
    """
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            raise UserError(f"what was sent has more than {most:,} bytes")
    return bytes(data)


async def json_of(request: Request) -> dict[str, Any]:
    """Returns a body that is a JSON object.

    Raises:
        UserError: it is none, or too large.
    """
    try:
        found = json.loads(await body_of(request, MOST_JSON))
    except (ValueError, RecursionError) as error:
        raise UserError("what was sent is not JSON") from error
    if not isinstance(found, dict):
        raise UserError("what was sent is not a JSON object")
    return found


def number(value: Any, name: str, low: float, high: float) -> float:
    """Returns a number that came as text or JSON.

    Raises:
        UserError: it is none, or outside its range.
    """
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not low <= found <= high:
        raise UserError(f"{name} should be a number from {low:g} to {high:g}")
    return found


def whole(value: Any, name: str, low: int, high: int) -> int:
    """Returns a whole number that came as text or JSON.

    Raises:
        UserError: it is none, or outside its range.
    """
    found = number(value, name, low, high)
    if found != int(found):
        raise UserError(f"{name} should be a whole number")
    return int(found)


def jpeg(picture: Picture, quality: int = 90) -> Response:
    """Returns a picture `(H, W, 3)` as a JPEG.

    Raises:
        UserError: a side is longer than a JPEG's can be.
    """
    if max(picture.shape[:2]) > MOST_SIDE:
        raise UserError(f"{picture.shape[1]}x{picture.shape[0]} pixels: at most {MOST_SIDE:,} a side can be shown")
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return Response(coded.tobytes(), media_type="image/jpeg")


def png(picture: Any) -> Response:
    """Returns a picture, RGB `(H, W, 3)`, RGBA `(H, W, 4)` or grey `(H, W)`, as a PNG."""
    code = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    pixels = picture if picture.ndim == 2 else cv2.cvtColor(picture, code[picture.shape[2]])
    coded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]
    return Response(coded.tobytes(), media_type="image/png")
