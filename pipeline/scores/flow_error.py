"""How far a flow field is from the truth, in sums that can be added over samples.

End-point error over all, matched and unmatched pixels and by speed as MPI-Sintel reports it (Butler et al., "A
Naturalistic Open Source Movie for Optical Flow Evaluation", ECCV 2012), outliers as KITTI does (Menze and Geiger,
"Object Scene Flow for Autonomous Vehicles", CVPR 2015).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.parts import shards_in
from common_fate.errors import ShardError
from common_fate.progress import progress
from common_fate.shards.column import Shard
from common_fate.shards.record import Record
from common_fate.tables import Table

EPE = {  # of `flow_error`, and what the table calls it
    "all": "all",
    "matched": "visible",
    "unmatched": "occluded",
    "s0-10": "s0-10",
    "s10-40": "s10-40",
    "s40+": "s40+",
}


@dataclass(frozen=True)
class PixelMean:
    """A mean over pixels, kept as sum and count so that samples add up to the mean over all their pixels."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: "PixelMean") -> "PixelMean":
        return PixelMean(self.total + other.total, self.count + other.count)

    @property
    def value(self) -> float | None:
        """The mean; None over no pixels."""
        return self.total / self.count if self.count else None


def flow_error(
    flow: NDArray[np.float32],
    truth: NDArray[np.float32],
    valid: NDArray[np.bool_],
    occlusion: NDArray[np.bool_] | None = None,
) -> dict[str, PixelMean]:
    """Measures the error of one field.

    Args:
        flow, truth: `(2, H, W)`, pixels.
        valid: `(H, W)` bool, where the truth is known.
        occlusion: `(H, W)` bool; without it `matched` and `unmatched` are empty.

    Returns:
        `all`, `matched` (not occluded), `unmatched` (occluded), `s0-10`, `s10-40` and `s40+` (by true speed in pixels):
        end-point errors in pixels. `fl-all`: the share of pixels off by more than 3 px and more than 5 % of the true
        speed.

    Raises:
        ValueError: the shapes differ.
    """
    if flow.shape != truth.shape or flow.shape[1:] != valid.shape:
        raise ValueError(f"flow {flow.shape}, truth {truth.shape} and valid {valid.shape} differ in size")
    if occlusion is not None and occlusion.shape != valid.shape:
        raise ValueError(f"occlusion {occlusion.shape} and valid {valid.shape} differ in size")
    known = truth[:, valid].astype(np.float64)
    error = np.hypot(*(flow[:, valid] - known))
    speed = np.hypot(*known)
    nowhere = np.zeros(error.shape, np.bool_)
    hidden = nowhere if occlusion is None else occlusion[valid]
    masks = {
        "all": ~nowhere,
        "matched": nowhere if occlusion is None else ~hidden,
        "unmatched": hidden,
        "s0-10": speed < 10,
        "s10-40": (speed >= 10) & (speed <= 40),
        "s40+": speed > 40,
    }
    means = {name: PixelMean(float(error[mask].sum()), int(mask.sum())) for name, mask in masks.items()}
    return means | {"fl-all": PixelMean(float(((error > 3) & (error > 0.05 * speed)).sum()), error.size)}


def total_error(errors: Iterable[dict[str, PixelMean]]) -> dict[str, PixelMean]:
    """Returns the error over the pixels of several samples together; empty for none."""
    total: dict[str, PixelMean] = {}
    for error in errors:
        total = {name: total.get(name, PixelMean()) + mean for name, mean in error.items()}
    return total


# Over a dataset.


def flow_errors(dataset: Path) -> Table:
    """Returns the error of a dataset's flow over all pixels whose truth is known, beside that of no motion.

    End-point errors in pixels over all, visible and occluded pixels and by true speed; Fl-all is the share off by more
    than 3 px and 5 %. No rows where there is no `truth` column.

    Raises:
        ShardError: a shard is damaged.
    """
    shards = [shard for shard in shards_in(dataset / "truth") if (dataset / "flow" / f"{shard}.json").exists()]
    watched = progress(shards, len(shards), f"flow error of {dataset.name}")
    compared = [_compared(dataset, shard) for shard in watched]
    pairs = sum(count for count, _, _ in compared)
    estimators = [_estimator(Record.read(dataset / "flow" / f"{shard}.json").options) for shard in shards]
    rows = []
    for who, errors in (
        (", ".join(dict.fromkeys(estimators)), total_error(ours for _, ours, _ in compared if ours)),
        ("no motion", total_error(still for _, _, still in compared if still)),
    ):
        if errors:
            share = errors["fl-all"].value
            rows.append([dataset.name, who, pairs, *(errors[name].value for name in EPE), share and 100 * share])
    return Table(f"{dataset.name}: flow error", ["dataset", "estimator", "pairs", *EPE.values(), "Fl-all %"], rows)


def _compared(dataset: Path, shard: str) -> tuple[int, dict[str, PixelMean], dict[str, PixelMean]]:
    """The pairs of a shard, and over them the error of its flow and of no motion."""
    ours, still = [], []
    with Shard(dataset / "flow" / f"{shard}.tar") as flow, Shard(dataset / "truth" / f"{shard}.tar") as truth:
        for key in truth:
            if key in flow:
                try:
                    estimate, known = flow[key]["flow.b2"], truth[key]
                    occlusion = known["occlusion.png"] > 0 if "occlusion.png" in known else None
                    against = (known["flow.b2"], known["valid.png"] > 0, occlusion)
                    ours.append(flow_error(estimate, *against))
                    still.append(flow_error(np.zeros_like(estimate), *against))
                except (ValueError, KeyError) as error:
                    raise ShardError(f"{truth.path}: {key}: cannot be compared with its flow: {error}") from error
    return len(ours), total_error(ours), total_error(still)


def _estimator(options: Mapping[str, Any]) -> str:
    """The estimator of a flow record, with its preset or checkpoint."""
    about = options.get("preset") if options.get("estimator") == "dis" else options.get("checkpoint")
    return " ".join(str(part) for part in (options.get("estimator"), about) if part)
