"""The pictures of one sample: each member drawn as the table of members says, with what else of the sample it needs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.pictures.arrows import draw_arrows
from common_fate.pictures.flow_colors import Picture, as_picture, flow_to_color, known_flow, speeds_of, typical_maximum
from common_fate.pictures.labels import label_colors
from common_fate.pictures.named_points import draw_points
from common_fate.pictures.segments import draw_cut, draw_regions, draw_superpixels
from common_fate.pictures.sheet import Tile, kept
from common_fate.shards.members import entry_name, in_order, member

Sample = Mapping[str, Any]
Drawn = tuple[Picture, str, str]
"""A picture, its name, and what is to be said of it."""

VOID = 255  # the label of pixels that belong to no object and do not count
MOST_ARROWS = 4096
GRID = 24  # arrows along the longer side
CUTS = (12, 4)  # regions of the cuts of a tree that are shown beside it


def sample_row(key: str, sample: Sample) -> list[Tile]:
    """Returns the pictures of one sample with their captions, in the order of the table of members.

    `sample` has decoded members by extension: `jpg (H, W, 3)`, `flow.b2 (2, H, W)`, `guidance.npy (N, 3)` and so on. Of
    other frames, and of what is known exactly, images and motion are shown beside the frame's own.
    """
    drawn = [one for extension in in_order(sample) for one in _drawn(extension, sample)]
    return [
        (kept(picture), f"{name}\n{facts}" if i else f"{key}\n{name}: {facts}")
        for i, (picture, name, facts) in enumerate(drawn)
    ]


def draw_flow_arrows(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None, frame: Picture | None) -> Picture:
    """Draws flow `(2, H, W)` as arrows at points of a grid, over its dimmed frame or none; none where it is unknown.

    All are as much longer than the motion, so that fast ones span about a tenth of the picture.
    """
    height, width = flow.shape[1:]
    step = max(height, width) / GRID
    y, x = np.mgrid[step / 2 : height : step, step / 2 : width : step].reshape(2, -1)
    known = known_flow(flow) if valid is None else known_flow(flow) & valid
    there = known[y.astype(int), x.astype(int)]
    points = np.stack([y, x, np.zeros_like(y)], axis=-1)[there].astype(np.float32)
    fast = typical_maximum(flow, valid)
    return draw_arrows(_canvas(flow, frame), points, flow, _arrow_scale(flow, fast), fast)


def _canvas(flow: NDArray[np.float32], frame: Picture | None) -> Picture:
    return np.full((*flow.shape[1:], 3), 40, np.uint8) if frame is None else _darken(frame)


def _drawn(extension: str, sample: Sample) -> list[Drawn]:
    kind = member(extension)
    if kind.name == extension:
        function = kind.drawn
    elif kind.geometry in ("image", "flow"):
        function = {"image": "image", "flow": "motion"}[kind.geometry]
    else:  # labels and masks of another frame would need that frame; an unnamed PNG of this one is seen as it is
        function = kind.drawn if kind.name == "png" and extension.count(".") == 1 else ""
    return _DRAWERS[function](extension, sample) if function else []


def _frame(extension: str, sample: Sample) -> list[Drawn]:
    image, about = sample[extension], sample.get("json") or {}
    facts = [f"{image.shape[1]} x {image.shape[0]}"]
    if isinstance(about.get("seconds"), int | float):
        facts.append(f"at {about['seconds']:.2f} s")
    if isinstance(about.get("frame"), int) and isinstance(about.get("next"), int):
        facts.append(f"next frame {about['next'] - about['frame']:+d}")
    return [(image, "frame", " · ".join(facts))]


def _image(extension: str, sample: Sample) -> list[Drawn]:
    image = sample[extension]
    return [(image, entry_name(extension).removesuffix(".image"), f"{image.shape[1]} x {image.shape[0]}")]


def _flow(extension: str, sample: Sample) -> list[Drawn]:
    flow, valid = sample[extension], _known(sample, "valid.png")
    fast = typical_maximum(flow, valid)
    return [(flow_to_color(flow, valid, fast), "flow", _facts_of_flow(flow, valid, fast))]


def _motion(extension: str, sample: Sample) -> list[Drawn]:
    """Motion as the sample's own flow is shown, where there is one, so that the colours of both mean the same."""
    flow, valid = sample[extension], _known(sample, extension.removesuffix("flow.b2") + "valid.png")
    own = sample.get("flow.b2")
    fast = typical_maximum(flow, valid) if own is None else typical_maximum(own, _known(sample, "valid.png"))
    return [(flow_to_color(flow, valid, fast), entry_name(extension), _facts_of_flow(flow, valid, fast))]


def _guidance(extension: str, sample: Sample) -> list[Drawn]:
    """Points as arrows of the flow there; nothing where there is no flow."""
    flow, frame = sample.get("flow.b2"), sample.get("jpg")
    if flow is None:
        return []
    fast = typical_maximum(flow, _known(sample, "valid.png"))
    points, scale = sample[extension][:MOST_ARROWS], _arrow_scale(flow, fast)
    canvas = _canvas(flow, frame)
    facts = f"{_count(len(sample[extension]), 'point')} · arrows {scale:g} x motion"
    return [(draw_arrows(canvas, points, flow, scale, fast), "guidance", facts)]


def _points(extension: str, sample: Sample) -> list[Drawn]:
    """Named points over their dimmed frame; nothing where there is no frame."""
    points, frame = sample[extension], sample.get("jpg")
    if frame is None:
        return []
    visible = int((points[:, 2] > 0).sum())
    hidden = int((points[:, :2].any(axis=1) & (points[:, 2] == 0)).sum())
    facts = f"{_count(len(points), 'point')} · {visible} visible" + (f", {hidden} hidden" if hidden else "")
    return [(draw_points(_darken(frame), points, _names(sample, len(points))), "points", facts)]


def _names(sample: Sample, count: int) -> list[str]:
    """The names of a sample's points; none where it does not tell so many."""
    names = (sample.get("json") or {}).get("landmarks")
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, str) for name in names):
        return []
    return names


def _regions(extension: str, sample: Sample) -> list[Drawn]:
    labels, frame = sample[extension], sample.get("jpg")
    if frame is None:
        return _segments("regions", labels)
    tree = sample["tree.npy"]
    highest = f", heights up to {tree[-1, 2]:.2f}" if len(tree) else ""
    drawn = [(draw_regions(frame, labels, tree), "regions", f"{_count(len(tree) + 1, 'region')}{highest}")]
    for regions in CUTS:
        cut, count = draw_cut(frame, labels, tree, regions)
        drawn.append((cut, "cut", _count(count, "region")))
    return drawn


def _superpixels(extension: str, sample: Sample) -> list[Drawn]:
    labels, frame = sample[extension], sample.get("jpg")
    if frame is None:
        return _segments("superpixels", labels)
    return [(draw_superpixels(frame, labels), "superpixels", _count(int(labels.max()) + 1, "superpixel"))]


def _segments(name: str, labels: NDArray[Any]) -> list[Drawn]:
    """Segments whose frame is not there, which often may not be."""
    return [(label_colors(labels.astype(np.int64) + 1), name, _count(int(labels.max()) + 1, name.removesuffix("s")))]


def _occlusion(extension: str, sample: Sample) -> list[Drawn]:
    hidden = np.repeat(sample[extension][..., None] > 0, 3, axis=-1)
    return [(as_picture(255 * hidden), "occlusion", f"{hidden.mean():.1%} hidden in the next frame")]


def _objects(extension: str, sample: Sample) -> list[Drawn]:
    objects = sample[extension]
    counted = np.unique(objects[(objects != 0) & (objects != VOID)]).size
    return [(label_colors(objects), "objects", _count(counted, "object"))]


def _labels(extension: str, sample: Sample) -> list[Drawn]:
    labels = sample[extension]
    return [(label_colors(labels), entry_name(extension), _count(np.unique(labels).size, "label"))]


_DRAWERS: dict[str, Callable[[str, Sample], list[Drawn]]] = {
    "frame": _frame,
    "image": _image,
    "flow": _flow,
    "motion": _motion,
    "guidance": _guidance,
    "points": _points,
    "regions": _regions,
    "superpixels": _superpixels,
    "occlusion": _occlusion,
    "objects": _objects,
    "labels": _labels,
}
"""By the names that the table of members has."""


def _known(sample: Sample, name: str) -> NDArray[np.bool_] | None:
    return sample[name] > 0 if name in sample else None


def _darken(frame: Picture) -> Picture:
    """The frame dim and half grey, so that bright colours stand out against it."""
    grey = frame.mean(axis=-1, keepdims=True)
    return as_picture((frame + grey) * 0.24)


def _arrow_scale(flow: NDArray[np.float32], fast: float) -> float:
    """The round number by which arrows are drawn longer, so that fast ones span about a tenth of the picture."""
    steps = np.array([0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 8, 10, 15, 20])
    return float(steps[np.abs(np.log(steps * fast / (max(flow.shape[1:]) / 10))).argmin()])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _facts_of_flow(flow: NDArray[np.float32], valid: NDArray[np.bool_] | None, fast: float) -> str:
    speeds = speeds_of(flow, valid)
    if not speeds.size:
        return "unknown everywhere"
    return f"mean {speeds.mean():.1f}, max {speeds.max():.1f}, full colour {fast:.1f} px"
