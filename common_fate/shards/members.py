"""The members of samples: of each name what it is, how it is checked, measured, described, drawn and moved.

The one table that knows members by name. A member that is not in it is known by its coding alone: `dark.png` is labels.
Members of other frames, and the exact motion beside an estimated one, keep their prefix: `next.jpg`, `truth.flow.b2`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common_fate.shards.limits import MAX_EXTENSIONS

Geometry = Literal["image", "flow", "mask", "labels", "points", "tree", "facts", "array"]
"""How a member lies on the frame, which says how a transform moves it.

`image (H, W, 3)`, `flow (2, H, W)` in pixels, `mask (H, W)` of 0 or 255 and `labels (H, W)` lie on its pixels;
`points` are rows of y, x and more; a `tree` is of labels and stays as they move; `facts` are JSON; of an `array`
nothing is known.
"""

Check = Callable[[str, Any], None]
Measure = Callable[[Any], Mapping[str, float]]

MAX_LEAVES = 256
"""Their labels are 8 bits."""


def _check_nothing(name: str, value: Any) -> None:
    pass


def _measure_nothing(value: Any) -> Mapping[str, float]:
    return {}


@dataclass(frozen=True)
class Member:
    """A kind of member.

    Args:
        name: its extension without what says which frame it is of.
        about: what it is, in words.
        geometry: how it lies on the frame.
        check: raises ValueError, given the name, for a decoded value that is not what the name says.
        measure: numbers of a decoded value that a record's statistics may have.
        pixel_bytes: decoded bytes a pixel, where it is worth saying how well it is compressed.
        note: what the card of a view says of it besides.
        drawn: the function of `common_fate.pictures.samples` that draws it; empty where nothing does.
    """

    name: str
    about: str
    geometry: Geometry
    check: Check = _check_nothing
    measure: Measure = _measure_nothing
    pixel_bytes: int = 0
    note: str = ""
    drawn: str = ""


@lru_cache(MAX_EXTENSIONS)
def member(extension: str) -> Member:
    """Returns the kind of an extension, whatever frame it is of: `next.flow.b2` is `flow.b2`, any other PNG labels.

    Raises:
        KeyError: its coding is none of a shard's.
    """
    name = extension
    while prefix := next((prefix for prefix in _PREFIXES if name.startswith(prefix)), ""):
        name = name.removeprefix(prefix)
    # Whatever else stands before a name: what has it is held to what it promises.
    return _NAMED.get(name) or _NAMED.get(".".join(name.split(".")[-2:])) or _CODINGS[name.rpartition(".")[2]]


def entry_name(extension: str) -> str:
    """Returns the name under which a reader has a member: `image`, `next.image`, `flow`, `json`."""
    stem, _, _ = extension.rpartition(".")
    geometry = member(extension).geometry
    if geometry == "facts":
        return extension
    return f"{stem}.image".lstrip(".") if geometry == "image" else stem


def entry(name: str) -> Member | None:
    """Returns the kind of what a reader has under a name, whatever frame it is of; None where only a coding says it."""
    return _ENTRIES.get(name.rpartition(".")[2])


def frame_prefix(extension: str) -> str:
    """Returns what an extension says of the frame that it is of: `next.` of `next.truth.flow.b2`, nothing of `jpg`."""
    return next((prefix for prefix in _FRAMES if extension.startswith(prefix)), "")


def described(extension: str) -> str:
    """Returns what a member is and of which frame, in words."""
    about = member(extension).about
    return next((f"{about}, {which}" for prefix, which in _PREFIXES.items() if extension.startswith(prefix)), about)


def in_order(extensions: Iterable[str]) -> list[str]:
    """Returns extensions in the order of the table, those that it does not name last, as they come."""
    names = list(_NAMED)
    return sorted(extensions, key=lambda name: names.index(name) if name in _NAMED else len(names))


def check_member(extension: str, value: Any) -> None:
    """Raises ValueError where a decoded member is not what data_format.md says of its name, whatever frame it is of."""
    kind = member(extension)
    kind.check(kind.name, value)


def measured(sample: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, float]:
    """Returns the `wanted` measures of a decoded sample, in their order; what its members do not say is left out."""
    found: dict[str, float] = {}
    for extension in sample:
        kind = _NAMED.get(extension)
        if kind and kind.measure is not _measure_nothing:  # others need not be decoded for it
            found |= kind.measure(sample[extension])
    return {name: float(found[name]) for name in wanted if name in found}


# What a name says more than its coding. Code that indexes with such values (SciPy's walk through a linkage, for one)
# does not look at them again.


def _check_points(name: str, points: NDArray[Any]) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype != np.float32:
        raise ValueError(f"{name} is (N, 3) float32, and not {points.shape} {points.dtype}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} has values that are not finite")


def _check_landmarks(name: str, points: NDArray[Any]) -> None:
    _check_points(name, points)
    if not np.isin(points[:, 2], (0, 1)).all():
        raise ValueError(f"{name} says of a point that it is neither visible, 1, nor hidden, 0")


def _check_tree(name: str, tree: NDArray[Any]) -> None:
    if tree.ndim != 2 or tree.shape[1] != 4 or tree.dtype != np.float32 or len(tree) >= MAX_LEAVES:
        raise ValueError(f"{name} is (R - 1, 4) float32 with R up to {MAX_LEAVES}, and not {tree.shape} {tree.dtype}")
    leaves = len(tree) + 1
    children, heights = tree[:, :2], tree[:, 2]
    # Written so that values that are no numbers fail, too.
    before = (children >= 0) & (children < leaves + np.arange(len(tree))[:, None]) & (children == np.rint(children))
    once = len(np.unique(children)) == children.size
    if not (
        before.all() and once and np.isfinite(tree).all() and (heights >= 0).all() and (np.diff(heights) >= 0).all()
    ):
        raise ValueError(f"{name} is no tree: a row merges two earlier regions that no other row merges, ever higher")
    sizes = [1.0] * leaves
    for left, right in children.astype(int).tolist():
        sizes.append(sizes[left] + sizes[right])
    if sizes[leaves:] != tree[:, 3].tolist():
        raise ValueError(f"{name} is no tree: its numbers of leaves are not those of its regions")


def _check_depth(bits: int) -> Check:
    def check(name: str, labels: NDArray[Any]) -> None:
        if labels.dtype.itemsize * 8 != bits:
            raise ValueError(f"{name} has {bits} bits, and not {labels.dtype.itemsize * 8}")

    return check


# What is measured of a member; stages that make it measure the same.


def _measure_points(points: NDArray[np.float32]) -> Mapping[str, float]:
    return {"points": len(points)}


def _measure_landmarks(points: NDArray[np.float32]) -> Mapping[str, float]:
    return {"landmarks_visible": int(points[:, 2].sum())}


def _measure_tree(tree: NDArray[np.float32]) -> Mapping[str, float]:
    return {"regions": len(tree) + 1, "highest": round(float(tree[-1, 2]), 4) if len(tree) else 0.0}


def _measure_superpixels(labels: NDArray[np.uint16]) -> Mapping[str, float]:
    return {"superpixels": int(labels.max()) + 1}


def _measure_facts(facts: Mapping[str, Any]) -> Mapping[str, float]:
    return {name: value for name, value in facts.items() if type(value) in (int, float)}


_FRAMES = {"previous.": "of the frame before", "next.": "of the next frame"}
_PREFIXES = _FRAMES | {"truth.": "as the source knows it"}

_NAMED: dict[str, Member] = {
    kind.name: kind
    for kind in (  # in the order in which they are drawn
        Member("jpg", "the frame, RGB", "image", pixel_bytes=3, drawn="frame"),
        Member(
            "flow.b2",
            "optical flow to the next frame, `u` (right) and `v` (down), pixels",
            "flow",
            pixel_bytes=8,
            note="Flow (`.b2`) is `u, v` in pixels, channels first; the shards' records (`NNNNNN.json`) say how it "
            "was made.",
            drawn="flow",
        ),
        Member("backward.b2", "optical flow back from the next frame", "flow", pixel_bytes=8),
        Member(
            "guidance.npy",
            "guidance points, `(N, 3)` float32: y, x, distance to the nearest motion edge, pixels",
            "points",
            _check_points,
            _measure_points,
            drawn="guidance",
        ),
        Member(
            "points.npy",
            "named points, `(N, 3)` float32: y, x, pixels, and 1 where visible, else 0; `json` has their names",
            "points",
            _check_landmarks,
            _measure_landmarks,
            drawn="points",
        ),
        Member("regions.png", "labels of the finest regions, 8 bits", "labels", _check_depth(8), drawn="regions"),
        Member(
            "tree.npy",
            "the tree of the regions, `(R - 1, 4)` float32: child, child, height, leaves, as SciPy's linkage",
            "tree",
            _check_tree,
            _measure_tree,
            note="Trees (`.tree.npy`) are SciPy linkage matrices of the regions; their heights are on the ultrametric "
            "contour\n  map's scale, [0, 1]: scale them to the temperature that you draw with.",
        ),
        Member(
            "superpixels.png",
            "labels of superpixels, 16 bits",
            "labels",
            _check_depth(16),
            _measure_superpixels,
            note="Superpixels (`.superpixels.png`) are labels of 16 bits, 0 to n-1.",
            drawn="superpixels",
        ),
        Member("valid.png", "pixels whose flow is known, 0 or 255", "mask", _check_depth(8)),
        Member(
            "occlusion.png", "pixels that the next frame hides, 0 or 255", "mask", _check_depth(8), drawn="occlusion"
        ),
        Member("objects.png", "objects, 0 the background", "labels", drawn="objects"),
        Member("json", "facts, such as video, frame and next frame", "facts", measure=_measure_facts),
    )
}

_CODINGS: dict[str, Member] = {
    kind.name: kind
    for kind in (
        Member("jpg", "an image, RGB", "image", pixel_bytes=3, drawn="image"),
        Member("png", "labels, `(H, W)`", "labels", drawn="labels"),
        Member("b2", "motion, `u` (right) and `v` (down), pixels", "flow", pixel_bytes=8, drawn="motion"),
        Member("npy", "an array", "array"),
        Member("json", "facts", "facts"),
    )
}

_ENTRIES = {entry_name(name): kind for name, kind in _NAMED.items()}
