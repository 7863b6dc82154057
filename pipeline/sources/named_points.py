"""Named points of images: their names, how a video's `uri` has them, and files of them (`.pts`)."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common_fate.errors import SampleError
from common_fate.shards.limits import quoted
from pipeline.sources.source import Points

MOST_POINTS = 2**10
"""Of an image."""
FARTHEST = 2.0**20
"""Pixels: no place is farther from an image's corner."""
LONGEST_NAME = 200
"""Characters of a point's name."""
_MOST_PTS_BYTES = 2**18

_MOUTH = ("mouth_corner", "lip_top_outer", "lip_top_inner")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def _sides(*names: str) -> tuple[str, ...]:
    """Names along a curve from the left to the right of the picture: the left half, what lies on the middle, back."""
    *half, middle = names
    return (*(f"left_{name}" for name in half), middle, *(f"right_{name}" for name in reversed(half)))


def _faces_68() -> tuple[str, ...]:
    eye = ("eye_outer", "eye_top_outer", "eye_top_inner", "eye_inner", "eye_bottom_inner", "eye_bottom_outer")
    brow = [f"brow_{number}" for number in range(5)]
    lower = ("lip_bottom_outer", "lip_bottom_inner")
    return (
        *_sides(*(f"jaw_{number}" for number in range(8)), "chin"),
        *(f"left_{name}" for name in brow),
        *(f"right_{name}" for name in reversed(brow)),
        *(f"nose_bridge_{number}" for number in range(3)),
        "nose_tip",
        *_sides("nostril_outer", "nostril_inner", "nose_base"),
        *(f"left_{name}" for name in eye),
        *(f"right_{eye[place]}" for place in (3, 2, 1, 0, 5, 4)),
        *_sides(*_MOUTH, "lip_top"),
        *_sides(*lower, "lip_bottom")[::-1],
        *_sides("mouth_inside_corner", "mouth_inside_top", "mouth_inside_top_middle"),
        *_sides("mouth_inside_bottom", "mouth_inside_bottom_middle")[::-1],
    )


KNOWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "faces_5": ("left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner"),
    "faces_68": _faces_68(),
}
"""Names of points that go by their numbers alone. Left is what is on the left of the picture.

`faces_5` is the order of CelebA and MTFL, `faces_68` that of 300-W: Sagonas et al., "300 Faces in-the-Wild Challenge",
ICCV Workshops 2013, figure 1, and Zhang et al., "Facial Landmark Detection by Deep Multi-task Learning", ECCV 2014.
"""


@dataclass(frozen=True)
class Named:
    """N named points of an image: `rows` of y, x and 1 where visible; of one that is not known, three zeros."""

    names: tuple[str, ...]
    rows: tuple[tuple[float, float, int], ...]

    def listed(self) -> dict[str, Any]:
        """Returns the points as JSON, without rows where none is known, and known names by what they are called."""
        called = next((called for called, names in KNOWN_NAMES.items() if names == self.names), None)
        return {"names": called or self.names} | ({"rows": self.rows} if any(map(any, self.rows)) else {})

    def at(self, size: tuple[int, int]) -> Points:
        """Returns the points of an image of that height and width."""
        return Points(size, self.names, np.array(self.rows, np.float32).reshape(-1, 3))


def check_name(name: str) -> None:
    """Raises ValueError where a name of a point is none to show: empty, long, or with what cannot be printed."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a point cannot be called {quoted(name)}: 1 to {LONGEST_NAME} characters that can be printed")


def unknown(names: Sequence[str]) -> Named:
    """Returns points of these names, of which none is known."""
    return Named(tuple(names), ((0.0, 0.0, 0),) * len(names))


def named_points(value: Any) -> Named:
    """Reads points from JSON that may come from anywhere. Raises SampleError where it is not what `listed` gives."""
    try:
        names = KNOWN_NAMES.get(value["names"], ()) if isinstance(value["names"], str) else tuple(value["names"])
        if not names or len(names) > MOST_POINTS or not all(isinstance(name, str) for name in names):
            raise ValueError("no names")
        for name in names:
            check_name(name)
        rows = tuple((float(y), float(x), int(seen)) for y, x, seen in value["rows"]) if "rows" in value else None
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise SampleError("its points are not as a listing has them") from error
    if rows is None:
        return unknown(names)
    if not all(seen in (0, 1) and abs(y) <= FARTHEST and abs(x) <= FARTHEST for y, x, seen in rows):
        raise SampleError("its points are not as a listing has them")
    return Named(names, rows)


def coordinate(text: str) -> float:
    """Reads a coordinate. Raises ValueError where it is no number, or far outside any picture."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not abs(value) <= FARTHEST:
        raise ValueError(f"{text[:40]!r} is no coordinate in pixels")
    return value


def read_pts(data: bytes) -> Named:
    """Reads a `.pts` file: `n_points: N` and, between braces, N lines of x and y, of which the first pixel is 1, 1.

    Of 68 points the names are those of 300-W, of others their numbers.

    Raises:
        SampleError: it is none, or has more or fewer points than it says.
    """
    if len(data) > _MOST_PTS_BYTES:
        raise SampleError(f"its file of points has {len(data)} bytes: at most {MOST_POINTS} points are read")
    try:
        head, _, rest = data.decode("ascii").partition("{")
        body, end, _ = rest.partition("}")
        said = re.search(r"n_points:\s*(\d{1,9})\b", head)
        if not said or not end:
            raise ValueError("no .pts file")
        words = [line.split() for line in body.splitlines() if line.strip()]
        places = [(coordinate(y) - 1, coordinate(x) - 1) for x, y in words]
    except (UnicodeDecodeError, ValueError) as error:
        raise SampleError("its file of points is no .pts: n_points, and lines of x and y between braces") from error
    if len(places) != int(said[1]) or not 0 < len(places) <= MOST_POINTS:
        raise SampleError(f"its file of points has {len(places)}, and says {said[1]}")
    faces = KNOWN_NAMES["faces_68"]
    names = faces if len(places) == len(faces) else tuple(map(str, range(len(places))))
    return Named(names, tuple((y, x, 1) for y, x in places))


def hidden_outside(points: Points) -> Points:
    """Returns the points with those hidden that lie outside the image, as of faces that its border cuts.

    Raises:
        SampleError: most of them do: then the image is not the one that the points are of.
    """
    rows = points.rows.copy()
    inside = ((rows[:, :2] >= -0.5) & (rows[:, :2] <= np.array(points.size) - 0.5)).all(axis=1)
    if 2 * inside.sum() < len(rows):
        raise SampleError("most of its points lie outside: is this the image as it came?")
    rows[~inside, 2] = 0
    return Points(points.size, points.names, rows)
