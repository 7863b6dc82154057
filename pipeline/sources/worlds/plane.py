"""Films of layers in the plane: their images, and the exact truth between any two frames.

Points are complex numbers, x + iy in pixels, a pixel's centre at whole numbers.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.source import Points, Truth
from pipeline.sources.worlds.drawing import Canvas, Colour

Places = NDArray[np.complex128]


class Layer(Protocol):
    """One thing that moves: its number, from 1 up, whichever others are nearer, and the names of its points."""

    @property
    def label(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def draw(self, canvas: Canvas, number: int) -> None:
        """Draws it as it is in a frame."""

    def covers(self, number: int, places: Places) -> NDArray[np.bool_]:
        """Returns which places are within its outline in a frame, in the shape of `places`."""

    def carried(self, first: int, second: int, places: Places) -> Places:
        """Returns where what is at `places`, which it covers in the first frame, is in the second."""

    def points(self, number: int) -> Places:
        """Returns where its named points are in a frame."""


@dataclass(frozen=True, eq=False)
class LayeredFilm:
    """A film of layers before a plain background that stands still, from the farthest to the nearest.

    `size` is the side of its frames in pixels.
    """

    size: int
    background: Colour
    layers: tuple[Layer, ...]

    def image(self, number: int) -> NDArray[np.uint8]:
        """Draws a frame `(size, size, 3)`, RGB, with smooth edges."""
        canvas = Canvas(self.size, self.background)
        for layer in self.layers:
            layer.draw(canvas, number)
        return canvas.image()

    def truth(self, first: int, second: int) -> Truth:
        """Returns the motion from one frame to another, exact at the centres of the pixels.

        A pixel belongs to the nearest layer that covers its centre. It is occluded where it leaves the frame, whose
        border is half a pixel around the outermost centres, or where a nearer layer covers it. `objects` are the
        layers' labels, and 0 on the background.
        """
        places = _pixels(self.size)
        nearest = self._cover(first, places)
        targets = places.copy()
        for number, layer in enumerate(self.layers, start=1):
            seen = nearest == number
            targets[seen] = layer.carried(first, second, places[seen])
        flow = targets - places
        return Truth(
            flow=np.stack([flow.real, flow.imag]).astype(np.float32),
            valid=np.ones(nearest.shape, bool),
            occlusion=self._outside(targets) | (self._cover(second, targets) > nearest),
            objects=np.array([0, *(layer.label for layer in self.layers)], np.uint8)[nearest],
        )

    def points(self, number: int) -> Points:
        """Returns the named points of all layers in a frame, by label; those that a nearer layer covers are hidden."""
        ordered = sorted(enumerate(self.layers, start=1), key=lambda one: one[1].label)
        rows = []
        for index, layer in ordered:
            places = layer.points(number)
            visible = (self._cover(number, places) <= index) & ~self._outside(places)
            rows.append(np.column_stack([places.imag, places.real, visible]))
        names = tuple(name for _, layer in ordered for name in layer.names)
        return Points((self.size, self.size), names, np.concatenate(rows).astype(np.float32))

    def _cover(self, number: int, places: Places) -> NDArray[np.uint8]:
        """The nearest layer at each place, counted from 1; 0 where there is none."""
        nearest = np.zeros(places.shape, np.uint8)
        for index, layer in enumerate(self.layers, start=1):
            nearest[layer.covers(number, places)] = index
        return nearest

    def _outside(self, places: Places) -> NDArray[np.bool_]:
        last = self.size - 0.5
        x, y = places.real, places.imag
        return (x < -0.5) | (x > last) | (y < -0.5) | (y > last)


@lru_cache(maxsize=2)
def _pixels(size: int) -> Places:
    """The centres of all pixels `(size, size)`."""
    places = np.arange(size) + 1j * np.arange(size)[:, None]
    places.flags.writeable = False
    return places
