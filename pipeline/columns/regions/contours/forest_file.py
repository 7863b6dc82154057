"""Structured forests in the file format of OpenCV: `cv2.ximgproc.createStructuredEdgeDetection` reads it too.

A YAML file, gzipped: `options`, and of each tree a list of `childs` (1 more than the left child's number, as the first
node is 1 to its authors; the number of the right one; 0 for a leaf), `featureIds`, `thresholds`, and `edgeBoundaries`,
which say where in the tree's list of `edgeBins` the edges of a leaf are.
"""

import gzip
import io
import re
import warnings
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.errors import UserError
from common_fate.shards.files import write_atomic
from pipeline.columns.regions.contours.forest_channels import (
    FEATURES,
    GRID,
    INNER,
    ORIENTATIONS,
    PATCH,
    SHRINK,
    STRIDE,
    Radii,
)
from pipeline.kernels.forest_walk import MOST_NODES, leaf_segments, packed_trees

_GEOMETRY = {
    "stride": STRIDE,
    "shrinkNumber": SHRINK,
    "patchSize": PATCH,
    "patchInnerSize": INNER,
    "numberOfGradientOrientations": ORIENTATIONS,
    "selfsimilarityGridSize": GRID,
}
_RADII = {
    "gradientSmoothingRadius": "gradient_smoothing",
    "regFeatureSmoothingRadius": "feature_smoothing",
    "ssFeatureSmoothingRadius": "similarity_smoothing",
    "gradientNormalizationRadius": "gradient_normalization",
}
_LISTS = ("childs", "featureIds", "thresholds", "edgeBoundaries", "edgeBins")
_MOST_BYTES = 1 << 28  # of a forest's text: the published one has less than 2^27
_MOST_KEYS = 100
_MOST_TREES = 64
_MOST_RADIUS = 32


@dataclass(frozen=True)
class Forest:
    """Decision trees whose leaves are edge maps of 16 x 16 pixels.

    Args:
        child: `(T, N)` int32, the left child of each node, 0 for a leaf; the right one is the next. Later than its
            parent, so that every walk ends.
        feature: `(T, N)` int32, the feature that a node looks at.
        threshold: `(T, N)` float32; lower values go left.
        edge_starts: `(T * N + 1,)` int32; the edges of node n of tree t are `edge_bins[s[t N + n] : s[t N + n + 1]]`.
        edge_bins: uint8, pixels of the 16 x 16 square, column by column.
        voters: trees that look at a patch.
        radii: smoothing of the channels.
    """

    child: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    edge_starts: NDArray[np.int32]
    edge_bins: NDArray[np.uint8]
    voters: int = 4
    radii: Radii = field(default_factory=Radii)

    @cached_property
    def packed(self) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        """The trees as `forest_leaves` wants them."""
        return packed_trees(self.child, self.feature, self.threshold)

    @cached_property
    def segments(self) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """What the leaves' edges part, as `sharpened_votes` wants it."""
        return leaf_segments(self.edge_starts, self.edge_bins)


def write_forest(path: Path, forest: Forest) -> None:
    """Writes the file, the same bytes for the same forest.

    Raises:
        UserError: the disk is full, the folder read-only.
    """
    trees, size = forest.child.shape
    text = io.StringIO()
    text.write("%YAML:1.0\n---\noptions:\n")
    options = _GEOMETRY | {name: getattr(forest.radii, radius) for name, radius in _RADII.items()}
    options |= {"numberOfTrees": trees, "numberOfTreesToEvaluate": forest.voters}
    for name, value in options.items():
        text.write(f"    {name}: {value}\n")
    starts = [forest.edge_starts[tree * size : (tree + 1) * size] for tree in range(trees)]
    starts[-1] = forest.edge_starts[(trees - 1) * size :]
    bins = np.split(forest.edge_bins, forest.edge_starts[size:-1:size])
    children = np.where(forest.child > 0, forest.child + 1, 0)
    nodewise = [list(children), list(forest.feature), list(forest.threshold)]
    lists: list[list[NDArray[Any]]] = [*nodewise, starts, bins]
    for name, rows in zip(_LISTS, lists, strict=True):
        text.write(f"{name}:\n")
        for row in rows:
            write = _short if row.dtype == np.float32 else str
            text.write(f"    - [ {','.join(map(write, row.tolist()))} ]\n")
    write_atomic(path, gzip.compress(text.getvalue().encode(), 9, mtime=0))


def _short(value: float) -> str:
    """The shortest decimal that is this single-precision number; OpenCV takes it for a real by its point."""
    return np.format_float_positional(np.float32(value), unique=True, trim="0")


def load_forest(path: Path) -> Forest:
    """Reads a structured forest, gzipped or not.

    Raises:
        UserError: no such file, not a forest, damaged, or of another geometry than patches of 32 pixels and 13
            channels at half resolution.
    """
    text = _text(path)
    try:
        return _forest(text)
    except ValueError as error:
        raise UserError(f"{path} is not a structured forest that can be used: {error}") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise UserError(f"{path} is not a structured forest that can be used: it holds more than {_MOST_BYTES} B")
        return data.decode("ascii")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged: copy it again ({error})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a structured forest: no text of OpenCV's format, which starts %YAML") from error
    except OSError as error:
        raise UserError(f"{path}: the forest cannot be read: {error.strerror}") from error


def _forest(text: str) -> Forest:
    if not text.startswith("%YAML"):
        raise ValueError("it does not start with %YAML")
    sections = _sections(text)
    options = {
        name: int(value) for name, value in re.findall(r"\b(\w{1,64}):\s{0,16}(-?\d+)\b", sections.pop("options", ""))
    }
    for name, needed in _GEOMETRY.items():
        if options.get(name) != needed:
            raise ValueError(f"its {name} is {options.get(name)}, and only {needed} is known here")
    for name in _RADII:
        if not 0 <= options.get(name, -1) <= _MOST_RADIUS:
            raise ValueError(f"its {name} is {options.get(name)}, not a radius from 0 to {_MOST_RADIUS}")
    trees, voters = options.get("numberOfTrees", 0), options.get("numberOfTreesToEvaluate", 0)
    if not 1 <= voters <= trees <= _MOST_TREES:
        raise ValueError(f"it has {trees} trees (1 to {_MOST_TREES}), of which {voters} vote")
    children, features, thresholds, starts, bins = (_numbers(sections.get(name, ""), name) for name in _LISTS)
    if len(children) == 0 or len(children) % trees:
        raise ValueError(f"{len(children)} nodes are not {trees} trees of one size")
    if len(children) > trees * MOST_NODES:
        raise ValueError(f"its trees have {len(children) // trees} nodes: more than {MOST_NODES}")
    shape = (trees, len(children) // trees)
    for name, values in (("featureIds", features), ("thresholds", thresholds)):
        if len(values) != len(children):
            raise ValueError(f"it has {len(children)} nodes but {len(values)} {name}")
    _check_range("edgeBins", bins, 0, INNER * INNER - 1)
    _check_range("featureIds", features, 0, FEATURES - 1)
    if not np.isfinite(thresholds).all():
        raise ValueError("it has thresholds that are not numbers")
    return Forest(
        child=_checked_children(children.reshape(shape)),
        feature=features.reshape(shape).astype(np.int32),
        threshold=thresholds.reshape(shape).astype(np.float32),
        edge_starts=_checked_starts(starts, len(children), len(bins)),
        edge_bins=bins.astype(np.uint8),
        voters=voters,
        radii=Radii(**{radius: options[name] for name, radius in _RADII.items()}),
    )


def _sections(text: str) -> dict[str, str]:
    """The text under each key at the margin."""
    keys = list(islice(re.finditer(r"^(\w{1,64}):", text, re.MULTILINE), _MOST_KEYS + 1))
    if not 0 < len(keys) <= _MOST_KEYS:
        raise ValueError(f"it has no keys, or more than {_MOST_KEYS}")
    ends = [key.start() for key in keys[1:]] + [len(text)]
    return {key.group(1): text[key.end() : end] for key, end in zip(keys, ends, strict=True)}


def _numbers(section: str, name: str) -> NDArray[Any]:
    """The numbers of a list of lists, one after the other."""
    rows = re.findall(r"\[([^\[\]]*)\]", section)
    if section.count("[") != len(rows) or not rows:
        raise ValueError(f"its list {name} is missing or has no end")
    kind = np.float64 if name == "thresholds" else np.int64
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # what older NumPy says to text that is no number
        try:
            return np.concatenate([np.fromstring(row, kind, sep=",") for row in rows])
        except (ValueError, DeprecationWarning) as error:
            raise ValueError(f"its list {name} holds something that is no number of its kind") from error


def _check_range(name: str, values: NDArray[np.int64], low: int, high: int) -> None:
    if len(values) and not (low <= values.min() and values.max() <= high):
        raise ValueError(f"its {name} are not all from {low} to {high}")


def _checked_children(children: NDArray[np.int64]) -> NDArray[np.int32]:
    trees, size = children.shape
    _check_range("childs", children.ravel(), 0, size - 1)
    inner = children > 0
    left = np.where(inner, children - 1, 0).astype(np.int32)
    if (left[inner] <= np.broadcast_to(np.arange(size), (trees, size))[inner]).any():
        raise ValueError("its childs point back: a walk down the tree would not end")
    if any((np.diff(np.sort(row[has])) < 2).any() for row, has in zip(left, inner, strict=True)):
        raise ValueError("its childs are no trees: some have more than one parent")
    return left


def _checked_starts(starts: NDArray[np.int64], nodes: int, bins: int) -> NDArray[np.int32]:
    _check_range("edgeBoundaries", starts, 0, bins)
    if len(starts) != nodes + 1 or starts[0] != 0 or starts[-1] != bins or (np.diff(starts) < 0).any():
        raise ValueError(f"its {len(starts)} edgeBoundaries do not divide {bins} edgeBins among {nodes} nodes")
    return starts.astype(np.int32)
