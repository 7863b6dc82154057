"""Frames and pairs that teach nothing: scene cuts, black frames, near-duplicates. Judged on thumbnails, as they come.

A cut stands out from the changes around it and changes the colours, which motion in one scene does not: the difference
of consecutive frames over the mean of its neighbours is PySceneDetect's adaptive detector (window 2, least difference
15); the colour histogram is Swain and Ballard's, "Color Indexing", IJCV 1991. A frame counts as black as in FFmpeg's
`blackdetect`: 98 % of its pixels are darker than a tenth.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.columns.frames.selection import Selection
from pipeline.sources.source import Frame, Unreadable

CUTS, BLACK, DUPLICATES = "cuts", "black", "duplicates"
FILTERS = (CUTS, BLACK, DUPLICATES)
CUT, DARK, PLAIN, DUPLICATE = "scene cut", "black frame", "frame of one colour", "near-duplicate frame"

WIDTH, HEIGHT = 64, 36
DARK_LEVEL, DARK_SHARE = 25.5, 0.98  # grey levels; the share of pixels that are no lighter
ONE_COLOUR = 5  # grey levels between the least and the most of each channel of a frame without a picture
SAME = 5  # grey levels by which no pixel of a near-duplicate differs: what coding does to a frame that stands still
BESIDE = 2  # differences on either side that one is compared with
ACROSS = 3  # frames on either side of a cut, of which no two are alike: a flash of two frames is none
LEAST_DIFFERENCE = 15.0  # mean grey levels
MOST_RATIO = 4.0  # beyond this, a difference that stands out more is no surer a cut
LEAST_CHANGE = 0.7  # of a cut: the share of colours that change, times the ratio

Thumbnail = NDArray[np.uint8]


def thumbnail(image: NDArray[np.uint8]) -> Thumbnail:
    """Shrinks an image `(H, W, 3)` to `(36, 64, 3)` uint8: mean colours."""
    return np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def is_black(small: Thumbnail) -> bool:
    """Returns whether nearly all of a thumbnail is dark."""
    dark = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) <= DARK_LEVEL
    return bool(dark.mean() >= DARK_SHARE)


def is_plain(small: Thumbnail) -> bool:
    """Returns whether all of a thumbnail is one colour."""
    return bool(np.ptp(small.reshape(-1, 3), axis=0).max() <= ONE_COLOUR)


def is_same(one: Thumbnail, other: Thumbnail) -> bool:
    """Returns whether two thumbnails are equal up to what coding does."""
    return bool(cv2.norm(one, other, cv2.NORM_INF) <= SAME)


def difference(one: Thumbnail, other: Thumbnail) -> float:
    """Returns the mean absolute difference of two thumbnails, in grey levels."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size


def colour_change(one: Thumbnail, other: Thumbnail) -> float:
    """Returns the share of pixels whose colour the other thumbnail lacks.

    It is 1 less the intersection of their histograms.
    """
    return float(1 - np.minimum(_histogram(one), _histogram(other)).sum() / (WIDTH * HEIGHT))


def _histogram(small: Thumbnail) -> NDArray[np.int64]:
    """How many pixels have each of 8 x 8 x 8 colours."""
    red, green, blue = np.moveaxis(small >> 5, -1, 0).astype(np.int64)
    return np.bincount((64 * red + 8 * green + blue).ravel(), minlength=512)


def change_scores(differences: Sequence[float], closest: dict[int, tuple[float, float]]) -> NDArray[np.float64]:
    """Scores how much each frame looks like the first of a scene.

    A frame with at least `LEAST_CHANGE` is taken for one.

    Args:
        differences: of each frame from the one before; of the first, 0.
        closest: of the frames that differ by `LEAST_DIFFERENCE` and more, the least difference and colour change of
            any of the frames before and any from this one on.
    """
    scores = np.zeros(len(differences))
    for place, (differs, colours) in closest.items():
        if differs >= LEAST_DIFFERENCE:
            nearby = [*differences[max(1, place - BESIDE) : place], *differences[place + 1 : place + 1 + BESIDE]]
            usual = max(1.0, float(np.mean(nearby))) if nearby else 1.0
            scores[place] = colours * min(differs / usual, MOST_RATIO)
    return scores


def watched(numbers: Sequence[int], chosen: Selection) -> list[int]:
    """Returns the frames to look at for cuts between those that form pairs, and all that are chosen, ascending."""
    starts = np.zeros(len(numbers) + 1, np.int64)
    for first, second in chosen.next.items():
        earliest = chosen.previous.get(first, first)
        starts[max(0, bisect_left(numbers, earliest) - ACROSS)] += 1
        starts[min(len(numbers), bisect_right(numbers, second) + ACROSS)] -= 1
    around = (numbers[place] for place in np.flatnonzero(np.cumsum(starts)[:-1]).tolist())
    return sorted({*chosen.frames, *around})


class Sieve:
    """Looks at a video's frames in their order, keeps those that were chosen and are worth it, and notes the others.

    `dropped` has the reasons by frame. `numbers` and `differences` are those of all frames that could be read.
    """

    def __init__(self, filters: Collection[str]) -> None:
        self._filters = filters
        self._last: Thumbnail | None = None  # of the frames kept
        self._recent: deque[tuple[int, Thumbnail]] = deque(maxlen=2 * ACROSS)
        self._closest: dict[int, tuple[float, float]] = {}
        self._after_black: list[int] = []
        self._black = 0  # frames since it went black
        self.dropped: dict[int, str] = {}
        self.numbers: list[int] = []
        self.differences: list[float] = []

    def kept(self, frames: Iterable[Frame | Unreadable], chosen: Collection[int]) -> Iterator[Frame | Unreadable]:
        """Yields those of the frames that are chosen and not dropped.

        Frames that cannot be read are passed on where chosen: no filter judges them.
        """
        for frame in frames:
            if isinstance(frame, Frame):
                small = thumbnail(frame.image)
                black = is_black(small)
                if CUTS in self._filters:
                    self._note(frame.number, small, black)
                if frame.number in chosen and self._is_kept(frame.number, small, black):
                    yield frame
            elif frame.number in chosen:
                yield frame

    def scores(self) -> NDArray[np.float64]:
        """Scores how much each of `numbers` looks like the first frame of a scene; see `change_scores`.

        To be called after all frames have passed.
        """
        open_ended = range(max(1, len(self.numbers) - ACROSS + 1), len(self.numbers))
        late = {place: self._least(place) for place in open_ended if self.differences[place] >= LEAST_DIFFERENCE}
        return change_scores(self.differences, self._closest | late)

    def cuts(self) -> list[int]:
        """Returns the frames that start a scene, ascending; three black frames end one.

        To be called after all frames have passed.
        """
        starts = np.flatnonzero(self.scores() >= LEAST_CHANGE).tolist()
        return sorted({*(self.numbers[place] for place in starts), *self._after_black})

    def _is_kept(self, number: int, small: Thumbnail, black: bool) -> bool:
        if BLACK in self._filters and (black or is_plain(small)):
            self.dropped[number] = DARK if black else PLAIN
        elif DUPLICATES in self._filters and self._last is not None and is_same(small, self._last):
            self.dropped[number] = DUPLICATE
        else:
            self._last = small
        return number not in self.dropped

    def _note(self, number: int, small: Thumbnail, black: bool) -> None:
        self.differences.append(difference(self._recent[-1][1], small) if self._recent else 0.0)
        if self._black >= ACROSS and not black:
            self._after_black.append(number)
        self._black = self._black + 1 if black else 0
        self.numbers.append(number)
        self._recent.append((len(self.numbers) - 1, small))
        place = len(self.numbers) - ACROSS  # the last whose frames across are all here
        if place > 0 and self.differences[place] >= LEAST_DIFFERENCE:
            self._closest[place] = self._least(place)

    def _least(self, place: int) -> tuple[float, float]:
        before = [small for at, small in self._recent if place - ACROSS <= at < place]
        after = [small for at, small in self._recent if place <= at < place + ACROSS]
        pairs = list(product(before, after))
        return min(difference(*pair) for pair in pairs), min(colour_change(*pair) for pair in pairs)
