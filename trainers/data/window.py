"""Where a crop lies on an image, and how each kind of member is resized to it and cut from it."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """Where the crop lies: an image of `old` (height, width) becomes `new`, and the crop starts at `top`, `left`.

    Args:
        side: of the crop, a square, in pixels.
        flip, flip_vertical: whether the crop is mirrored, left to right and top to bottom.
    """

    old: tuple[int, int]
    new: tuple[int, int]
    top: int
    left: int
    side: int
    flip: bool = False
    flip_vertical: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether left and right have changed sides: by either flip, but not by both, which are a rotation."""
        return self.flip != self.flip_vertical

    def cut(self, array: NDArray[Any], fill: Any) -> NDArray[Any]:
        """Returns the crop of `(..., *new)`, contiguous and not `array` itself; `fill`, where the array has nothing."""
        (height, width), top, left, side = self.new, self.top, self.left, self.side
        rows, columns = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
        part = array[..., rows, columns]
        if part.shape[-2:] != (side, side):
            padded = np.empty((*array.shape[:-2], side, side), array.dtype)
            padded[...] = fill
            inside = slice(max(-top, 0), height - top), slice(max(-left, 0), width - left)
            padded[(..., *inside)] = part
            part = padded
        if self.flip_vertical:
            part = part[..., ::-1, :]
        return np.array(part[..., ::-1] if self.flip else part, order="C")

    def image(self, image: Plane) -> Plane:
        """Returns the crop of `(3, H, W)`: averaged where it shrinks, cubic where it grows, its mean colour beyond."""
        # One after the other: where one side shrinks and the other grows, OpenCV averages neither.
        smaller = min(self.old[0], self.new[0]), min(self.old[1], self.new[1])
        if smaller != self.old:
            image = _resized(image, smaller, cv2.INTER_AREA)
        if self.new != smaller:
            image = _resized(image, self.new, cv2.INTER_CUBIC)
            np.clip(image, 0, 1, out=image)  # cubic interpolation overshoots
        padded = min(self.new) < self.side
        return self.cut(image, image.mean(axis=(1, 2), keepdims=True) if padded else 0)

    def flow(self, flow: Plane, valid: NDArray[np.bool_]) -> tuple[Plane, NDArray[np.bool_]]:
        """Returns the crop of `(2, H, W)`, its vectors as long as the resized image has them, and where it is valid.

        Flow is interpolated bilinearly, and 0 where it is not valid: where the mask `valid (H, W)` is not, where it is
        interpolated from such a pixel, and beyond the image.
        """
        left = self.valid(valid)
        if not valid.all():
            flow = np.where(valid, flow, np.float32(0))  # NaN would spread further than the pixels that are not valid
        if self.new != self.old:
            flow = _resized(flow, self.new, cv2.INTER_LINEAR)
            flow[0] *= self.new[1] / self.old[1]
            flow[1] *= self.new[0] / self.old[0]
        flow = self.cut(flow, 0)
        for component, flipped in zip(flow, (self.flip, self.flip_vertical), strict=True):
            if flipped:
                np.negative(component, out=component)
        if not left.all():
            flow[:, ~left] = 0
        return flow, left

    def valid(self, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Returns the crop of a mask of what counts: True for what comes from valid pixels alone."""
        if valid.all():
            valid = np.ones(self.new, np.bool_)
        elif self.new != self.old:
            valid = _resized(valid[None].astype(np.float32), self.new, cv2.INTER_LINEAR)[0] > np.float32(1 - 1e-4)
        return self.cut(valid, False)

    def nearest(self, labels: NDArray[Any], fill: Any) -> NDArray[Any]:
        """Returns the crop of labels `(H, W)`: of each pixel the label under its centre, `fill` beyond the image."""
        if self.new != self.old:
            y, x = ((2 * np.arange(n) + 1) * o // (2 * n) for n, o in zip(self.new, self.old, strict=True))
            labels = labels[y[:, None], x]
        return self.cut(labels, fill)

    def pixels(self, points: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Returns the pixels `(n, 2)` of those of the points `(N, 2)` that lie in the crop, and which these are."""
        moved = np.rint(self._resized_points(points))
        cut = self._cut_points(moved)
        inside = _within(moved, self.new) & _within(cut, (self.side, self.side))
        return cut[inside].astype(np.int64), inside

    def places(self, points: NDArray[Any]) -> tuple[Plane, NDArray[np.bool_]]:
        """Returns where all the points `(N, 2)` lie, between pixels, too, and which of them lie in the crop."""
        moved = self._resized_points(points)
        cut = self._cut_points(moved)
        return cut.astype(np.float32), _within(moved, self.new) & _within(cut, (self.side, self.side))

    def origins(self, places: NDArray[Any]) -> NDArray[np.float64]:
        """Returns where on the image the places `(N, 2)` of the crop are from: what `places` undoes."""
        moved = self._mirrored(places.astype(np.float64))
        moved += self.top, self.left
        origins: NDArray[np.float64] = (moved + 0.5) * np.divide(self.old, self.new) - 0.5
        return origins

    def _resized_points(self, points: NDArray[Any]) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = (points.astype(np.float64) + 0.5) * np.divide(self.new, self.old) - 0.5
        return moved

    def _cut_points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._mirrored(points - (self.top, self.left))

    def _mirrored(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        for axis, flipped in enumerate((self.flip_vertical, self.flip)):
            if flipped:
                points[:, axis] = self.side - 1 - points[:, axis]
        return points


def _resized(planes: Plane, size: tuple[int, int], way: int) -> Plane:
    """Plane by plane: OpenCV wants channels last, and bringing them there takes longer than resizing."""
    height, width = size
    made = np.empty((len(planes), height, width), np.float32)
    for plane, to in zip(planes, made, strict=True):
        cv2.resize(np.ascontiguousarray(plane), (width, height), dst=to, interpolation=way)
    return made


def _within(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which of the points are on a pixel of an image of `size`; what is no number is on none."""
    on_pixels = (points >= -0.5) & (points < np.subtract(size, 0.5))
    return np.logical_and(on_pixels[:, 0], on_pixels[:, 1])
