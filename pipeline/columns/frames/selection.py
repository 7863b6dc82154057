"""Which frames of a video are taken, and which of them form pairs: pure functions of frame numbers."""

import hashlib
from bisect import bisect
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Selection:
    """The frames to extract, ascending, and the neighbours of those that start a pair.

    `next` leads from the first frame of each pair to its second. In triplet mode `previous` has the same keys and
    leads to the frame before.
    """

    frames: tuple[int, ...]
    next: dict[int, int]
    previous: dict[int, int]


def select(
    numbers: Sequence[int],
    how: Any,
    pairs: Any,
    triplets: bool,
    seed: int,
    video: str,
    without: Collection[int] = (),
    cuts: Sequence[int] = (),
) -> Selection:
    """Returns the frames taken of a video and the pairs they form.

    Args:
        numbers: the video's frame numbers, ascending.
        how: `"all"`, `{"every": n}` (each n-th in order), `{"random": n}` (a draw that follows from seed and video
            id) or `{"list": [numbers]}` (kept where the video lacks them, so that each absence is told).
        pairs: `"none"`; `{"max_gap": g}`: consecutive selected frames whose numbers differ by g at most (Zhan et al.,
            CVPR 2019, section 4, have "fewer than 10": g = 9); or `{"offset": k}`: each selected frame and the one
            numbered k more, which is then extracted too.
        triplets: a pair counts only if its first frame also has a neighbour before, by the same rule.
        without: frames that are left out of what was taken; the others pair as if these were not there.
        cuts: the frames that start a scene, ascending; no pair leads from one scene to another.
    """
    taken = [n for n in _taken(numbers, how, pairs, triplets, seed, video) if n not in without]
    if pairs == "none":
        return Selection(tuple(taken), {}, {})
    present = set(numbers).difference(without)
    paired = [n for n in taken if n in present]
    if "max_gap" in pairs:
        near = [(one, other) for one, other in pairwise(paired) if other - one <= pairs["max_gap"]]
        ahead, behind = near, [(other, one) for one, other in near]
    else:
        offset = pairs["offset"]
        ahead = [(n, n + offset) for n in paired if n + offset in present]
        behind = [(n, n - offset) for n in paired if n - offset in present]
    following, previous = (
        {one: other for one, other in found if bisect(cuts, one) == bisect(cuts, other)} for found in (ahead, behind)
    )
    if triplets:
        following = {n: other for n, other in following.items() if n in previous}
        previous = {n: previous[n] for n in following}
    else:
        previous = {}
    frames = sorted({*taken, *following.values(), *previous.values()})
    return Selection(tuple(frames), following, previous)


def check_select(how: Any) -> None:
    """Raises `ValueError` unless `how` is a way to select frames."""
    right = "select must be all, {every: n}, {random: n} or {list: [frame numbers]}"
    if how == "all":
        return
    if not isinstance(how, dict) or len(how) != 1:
        raise ValueError(f"{right}, not {how!r}")
    [(name, value)] = how.items()
    if name in ("every", "random"):
        _check_count(f"select.{name}", value)
    elif name == "list":
        if not isinstance(value, list) or not value or not all(_is_whole(n) and 0 <= n <= 999_999 for n in value):
            raise ValueError(f"select.list must be frame numbers from 0 to 999999, not {value!r}")
    else:
        raise ValueError(f"{right}, not {how!r}")


def check_pairs(pairs: Any) -> None:
    """Raises `ValueError` unless `pairs` is a way to pair frames."""
    if pairs == "none":
        return
    if not isinstance(pairs, dict) or len(pairs) != 1 or not pairs.keys() <= {"max_gap", "offset"}:
        raise ValueError(f"pairs must be none, {{max_gap: n}} or {{offset: n}}, not {pairs!r}")
    [(name, value)] = pairs.items()
    _check_count(f"pairs.{name}", value)


def _check_count(name: str, value: Any) -> None:
    if not _is_whole(value) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _taken(numbers: Sequence[int], how: Any, pairs: Any, triplets: bool, seed: int, video: str) -> list[int]:
    if how == "all":
        return list(numbers)
    if "every" in how:
        return list(numbers[:: how["every"]])
    if "list" in how:
        return sorted(set(how["list"]))
    return sorted(_drawn(numbers, _partnered(numbers, pairs, triplets), how["random"], seed, video))


def _partnered(numbers: Iterable[int], pairs: Any, triplets: bool) -> set[int]:
    """The frames that could start a pair wherever the others fall."""
    numbers = set(numbers)
    if pairs == "none" or "offset" not in pairs:
        return numbers
    offset = pairs["offset"]
    return {n for n in numbers if n + offset in numbers and (not triplets or n - offset in numbers)}


def _drawn(numbers: Sequence[int], preferred: set[int], count: int, seed: int, video: str) -> list[int]:
    """A draw without replacement; others than the preferred only once those are used up."""
    digest = hashlib.sha256(video.encode()).digest()
    order = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")]).permutation(len(numbers))
    shuffled = [numbers[i] for i in order]
    return sorted(shuffled, key=lambda number: number not in preferred)[:count]
