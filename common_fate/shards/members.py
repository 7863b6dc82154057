"""What a member holds whose name says more than its kind: shapes, types and, of a tree, that it is one.

Code that indexes with such values (SciPy's walk through a linkage, for one) does not look at them again.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_LEAVES = 256
"""Their labels are 8 bits."""


def check_named(extension: str, value: Any) -> None:
    """Raises ValueError where a member is not what data_format.md says of its name, whatever frame it is of."""
    name = ".".join(extension.split(".")[-2:])
    if check := _CHECKS.get(name):
        check(name, value)


def _check_points(name: str, points: NDArray[Any]) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype != np.float32:
        raise ValueError(f"{name} is (N, 3) float32, and not {points.shape} {points.dtype}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name} has values that are not finite")


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


def _check_depth(bits: int) -> Callable[[str, NDArray[Any]], None]:
    def check(name: str, labels: NDArray[Any]) -> None:
        if labels.dtype.itemsize * 8 != bits:
            raise ValueError(f"{name} has {bits} bits, and not {labels.dtype.itemsize * 8}")

    return check


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "guidance.npy": _check_points,
    "tree.npy": _check_tree,
    "regions.png": _check_depth(8),
    "valid.png": _check_depth(8),
    "occlusion.png": _check_depth(8),
    "superpixels.png": _check_depth(16),
}
