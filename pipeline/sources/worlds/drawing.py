"""Drawing in the plane with cairo: capsules and polygons whose edges are as smooth as the area they cover.

Points are complex numbers, x + iy in pixels, a pixel's centre at whole numbers.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError

Colour = tuple[int, int, int]
"""Red, green and blue, from 0 to 255."""

FINER = 3
"""Along each side: cairo tells apart some 15 heights of an edge in a pixel, which leaves steps in flat edges."""


@cache
def _cairo() -> Any:
    try:
        import cairocffi
    except OSError as error:  # the package is there, the system's library is not
        raise UserError(
            "drawing this world needs the library cairo: install it (Debian and Ubuntu: apt-get install libcairo2), "
            "then run again"
        ) from error
    return cairocffi


class Canvas:
    """A square picture of one colour, to draw on; raises `UserError` where this machine has no cairo."""

    def __init__(self, size: int, colour: Colour) -> None:
        cairo = _cairo()
        self._surface = cairo.ImageSurface(cairo.FORMAT_RGB24, FINER * size, FINER * size)
        self._context = cairo.Context(self._surface)
        self._context.set_antialias(cairo.ANTIALIAS_BEST)
        self._context.set_tolerance(0.02)
        self._context.set_line_cap(cairo.LINE_CAP_ROUND)
        self._ink(colour)
        self._context.paint()
        self._context.scale(FINER, FINER)
        self._context.translate(0.5, 0.5)  # cairo's whole numbers are the corners of pixels

    def capsule(self, start: complex, end: complex, radius: float, colour: Colour) -> None:
        """Draws all points within `radius` of the line from `start` to `end`."""
        self._ink(colour)
        self._context.set_line_width(2 * radius)
        self._context.move_to(start.real, start.imag)
        self._context.line_to(end.real, end.imag)
        self._context.stroke()

    def polygon(self, corners: NDArray[np.complex128], colour: Colour) -> None:
        """Draws what a closed line through `corners (N,)` goes round, however often."""
        self._ink(colour)
        for corner in corners.tolist():
            self._context.line_to(corner.real, corner.imag)
        self._context.close_path()
        self._context.fill()

    def image(self) -> NDArray[np.uint8]:
        """Returns what was drawn, `(size, size, 3)`, RGB."""
        self._surface.flush()
        words = np.frombuffer(self._surface.get_data(), np.uint32)  # 0xXXRRGGBB whichever way bytes are ordered
        size = self._surface.get_width() // FINER
        words = words.reshape(size, FINER, -1)[..., : size * FINER].reshape(size, FINER, size, FINER)
        channels = [((words >> shift) & 255).sum((1, 3)) for shift in (16, 8, 0)]
        return np.rint(np.stack(channels, axis=-1) / FINER**2).astype(np.uint8)

    def _ink(self, colour: Colour) -> None:
        self._context.set_source_rgb(*(value / 255 for value in colour))


def shaded(colour: Colour, light: float) -> Colour:
    """Returns a colour darker or, above 1, nearer to white, `light` - 1 of the way there."""
    if light > 1:
        red, green, blue = (round(value + (light - 1) * (255 - value)) for value in colour)
    else:
        red, green, blue = (round(value * light) for value in colour)
    return red, green, blue
