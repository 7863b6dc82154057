"""Whether the members of a sample fit each other, each of which is right by itself.

Members come one by one, and of each no more is kept than a few numbers: decoded, a sample may take gigabytes.
"""

from typing import Any

from common_fate.shards.keys import frame_of, video_of
from common_fate.shards.limits import quoted
from common_fate.shards.members import frame_prefix, member

_ON_PIXELS = ("image", "flow", "mask", "labels")


class Fit:
    """A sample of a key, of which `add` is told every member, and then `check` says whether they fit."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._facts: dict[str, Any] = {}
        self._sizes: dict[str, tuple[str, tuple[int, int]]] = {}
        self._fault = ""
        self._leaves: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        self._points: dict[str, tuple[str, tuple[float, float, float, float], bool]] = {}
        self._named: int | None = None

    def add(self, extension: str, value: Any) -> None:
        """Notes a decoded member."""
        prefix, kind = frame_prefix(extension), member(extension)
        if kind.geometry in _ON_PIXELS:
            height, width = value.shape[1:] if kind.geometry == "flow" else value.shape[:2]
            other, size = self._sizes.setdefault(prefix, (extension, (height, width)))
            if (height, width) != size:
                self._fault = self._fault or f"{extension} is {width}x{height}, and {other} {size[1]}x{size[0]}"
        if kind.name == "regions.png":
            self._labels[prefix] = int(value.max(initial=0))
        elif kind.geometry == "tree":
            self._leaves[prefix] = len(value) + 1
        elif kind.geometry == "points":
            self._add_points(extension, prefix, value, named=kind.name == "points.npy")
        elif extension == "json":
            self._facts = value

    def _add_points(self, extension: str, prefix: str, points: Any, named: bool) -> None:
        margin = 0.0
        if named:
            self._named = self._named if prefix else len(points)
            points = points[points[:, 2] > 0]  # what is hidden may lie anywhere
            margin = 0.5  # they lie between the centres of pixels, too, and up to the picture's borders
        if len(points):
            (top, left), (bottom, right) = points[:, :2].min(axis=0) + margin, points[:, :2].max(axis=0) + margin
            self._points[extension] = prefix, (float(top), float(left), float(bottom), float(right)), named

    def check(self) -> None:
        """Raises ValueError where members are of different sizes, lead out of each other, or are another sample's."""
        if self._fault:
            raise ValueError(self._fault)
        for prefix in self._labels.keys() & self._leaves.keys():
            if self._labels[prefix] >= self._leaves[prefix]:
                raise ValueError(
                    f"{prefix}regions.png has the label {self._labels[prefix]}, and {prefix}tree.npy "
                    f"{self._leaves[prefix]} leaves"
                )
        for extension, (prefix, (top, left, bottom, right), border) in self._points.items():
            other, (height, width) = self._sizes.get(prefix, ("", (0, 0)))
            beyond = bottom > height or right > width if border else bottom >= height or right >= width
            if other and (min(top, left) < 0 or beyond):
                raise ValueError(f"{extension} has points outside of {other}, which is {width}x{height}")
        self._check_facts()

    def _check_facts(self) -> None:
        known: dict[str, Any] = {"video": video_of(self._key), "frame": frame_of(self._key)}
        if "" in self._sizes:
            known["height"], known["width"] = self._sizes[""][1]
        names = self._facts.get("landmarks")
        if self._named is not None and (not isinstance(names, list) or len(names) != self._named):
            raise ValueError(f"points.npy has {self._named} points, and json not as many names of landmarks")
        for name, value in known.items():
            if name in self._facts and self._facts[name] != value:
                raise ValueError(f"json says that its {name} is {quoted(self._facts[name])}, and it is {value}")
