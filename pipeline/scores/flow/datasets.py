"""The error of flow on datasets whose motion is known: of their column, and of estimators that run on their frames."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common_fate.datasets.parts import shards_in
from common_fate.errors import ShardError, UserError
from common_fate.shards.column import Shard
from common_fate.shards.record import Record
from common_fate.tables import Table
from pipeline.columns.flow.estimator import Estimator
from pipeline.columns.flow.estimator_families import create_estimator, family_of, refinement_of, scales_of
from pipeline.scores.flow.errors import OUTLIERS, PARTS
from pipeline.scores.flow.measure import COLUMN, Measured, Pair, measure, of_frames

NOTE = (
    "End-point errors in pixels, means over all pixels whose motion is known: all of them, occluded or not as the data "
    "set says, and by their true speed. Fl-all: the share that is off by more than 3 px and 5 % of the motion. No "
    "motion says that nothing moves. All rows of a dataset are on the same pixels."
)
TIMED = "Times are of one thread of a CPU, or of a GPU where there is one; a row without is the flow of the shards."


@dataclass(frozen=True)
class Named:
    """An estimator that is to run, what it is called in the table, and how many frames it reads."""

    name: str
    estimate: Estimator
    frames: int


def named(estimator: str, refinement: int | None = None, scales: int | None = None, **options: Any) -> Named:
    """Returns an estimator by its name and those of the options that are its family's.

    Args:
        refinement: steps of it after the estimator; None for its own number.
        scales: how many it runs at; None for its own number.

    Raises:
        UserError: see `create_estimator`.
    """
    try:
        family, model = family_of(estimator)
    except ValueError as error:
        raise UserError(str(error)) from error
    own = {name: value for name, value in options.items() if name in family.options}
    estimate = create_estimator(estimator, refinement=refinement, scales=scales, **own)
    frames = family.frames(model, **own)
    steps, sizes = refinement_of(estimator, refinement), scales_of(estimator, scales)
    called = _called({"estimator": estimator, "refinement": steps, "scales": sizes} | own)
    return Named(called, of_frames(estimate, frames), frames)


@dataclass(frozen=True)
class Known:
    """A dataset's pairs whose motion is known, and which have flow where the dataset has a column of it."""

    dataset: Path
    keys: Mapping[str, Sequence[str]]  # by shard
    column: str | None  # the estimators of the flow column

    @property
    def count(self) -> int:
        """How many pairs."""
        return sum(map(len, self.keys.values()))


def known_pairs(dataset: Path) -> Known:
    """Returns which pairs of a dataset can be measured, by its records.

    Raises:
        UserError: there is no truth, or a record is damaged.
    """
    has_flow = bool(shards_in(dataset / "flow"))
    with_truth = shards_in(dataset / "truth")
    if not with_truth:
        raise UserError(f"{dataset}: has no column truth: the exact motion of its frames is not known")
    shards = [name for name in with_truth if not has_flow or _record(dataset, "flow", name).exists()]
    keys, estimators = {}, []
    for name in shards:
        known = Record.read(_record(dataset, "truth", name)).keys
        if has_flow:
            flow = Record.read(_record(dataset, "flow", name))
            there = frozenset(flow.keys)
            known = [key for key in known if key in there]
            # Where the options leave to the estimator how often it runs, the provenance has it.
            ran = {name: flow.provenance[name] for name in ("scales", "refinement") if name in flow.provenance}
            estimators.append(_called(flow.options | ran))
        keys[name] = known
    return Known(dataset, keys, ", ".join(dict.fromkeys(estimators)) if has_flow else None)


def measure_dataset(known: Known, estimators: Sequence[Named] = (), shown: Sequence[int] = ()) -> Measured:
    """Measures the flow column of a dataset, estimators on its frames, and no motion.

    Args:
        shown: the places of pairs that are kept as examples.

    Raises:
        UserError: a shard is damaged, an estimator reads the frame before and the dataset has none, or nothing is
            there to be measured.
    """
    if known.column is None and not estimators:
        raise UserError(f"{known.dataset}: has no flow: name an estimator to run on its frames with --estimator")
    triplets = any(estimator.frames == 3 for estimator in estimators)
    pairs = _pairs(known, triplets, bool(estimators or shown))
    run = {estimator.name: estimator.estimate for estimator in estimators}
    return measure(known.dataset.name, pairs, known.count, run, shown)


def error_table(measured: Sequence[tuple[Known, Measured]]) -> Table:
    """Returns a row for each dataset and estimator, the dataset's own flow first and no motion last."""
    timed = any(one.seconds for _, one in measured)
    rows = []
    for known, one in measured:
        for name, errors in one.errors.items():
            share = errors[OUTLIERS].value
            cells = [*(errors[part].value for part in PARTS), share and 100 * share]
            took = [1000 * one.seconds[name] if name in one.seconds else None] if timed else []
            rows.append([one.dataset, known.column if name == COLUMN else name, one.pairs, *cells, *took])
    columns = ["dataset", "estimator", "pairs", *PARTS, f"{OUTLIERS} %", *["ms a pair"] * timed]
    return Table("Flow error", columns, rows, f"{NOTE} {TIMED}" if timed else NOTE)


def _record(dataset: Path, column: str, shard: str) -> Path:
    return dataset / column / f"{shard}.json"


def _pairs(known: Known, triplets: bool, with_frames: bool) -> Iterator[Pair]:
    columns = ["truth", *["flow"] * (known.column is not None), *["frames"] * with_frames]
    for name, keys in known.keys.items():
        with ExitStack() as stack:
            shards = {column: stack.enter_context(Shard(known.dataset / column / f"{name}.tar")) for column in columns}
            if triplets and shards["frames"].record.options.get("triplets") is False:
                raise UserError(f"{known.dataset}: an estimator reads the frame before: set frames.triplets: true")
            for key in keys:
                yield _pair(key, shards, triplets)


def _pair(key: str, shards: Mapping[str, Shard], triplets: bool) -> Pair:
    def frames() -> NDArray[np.float32]:
        column = shards["frames"]
        fields = ["previous", "next"] if triplets else ["next"]
        neighbours = {field: column.neighbour(key, field) for field in fields}
        if lacking := [field for field, other in neighbours.items() if other is None]:
            raise ShardError(f"{column.path}: {key} has no {lacking[0]} frame, and the truth is of one")
        return np.stack(
            [_image(column, other) for other in (neighbours.get("previous"), key, neighbours["next"]) if other]
        )

    truth = shards["truth"]
    try:
        known = truth[key]
        occlusion = known["occlusion.png"] > 0 if "occlusion.png" in known else None
        flow = shards["flow"][key]["flow.b2"] if "flow" in shards else None
        return Pair(key, frames, known["flow.b2"], known["valid.png"] > 0, occlusion, flow)
    except (ValueError, KeyError) as error:
        raise ShardError(f"{truth.path}: {key}: cannot be compared with its flow: {error}") from error


def _image(frames: Shard, key: str) -> NDArray[np.float32]:
    """A frame, `(3, H, W)` in [0, 1]."""
    try:
        return frames[key]["jpg"].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    except (ValueError, KeyError) as error:
        raise ShardError(f"{frames.path}: {key}.jpg: {error}") from error


def _called(options: Mapping[str, Any]) -> str:
    """An estimator with its preset or checkpoint, at how many scales it runs, and in how many steps it is refined."""
    about = options.get("preset") if options.get("estimator") == "dis" else options.get("checkpoint")
    steps, scales = options.get("refinement") or 0, options.get("scales") or 1
    after = [f"{scales} scales"] * (scales > 1) + [f"{steps} step{'s' * (steps > 1)} of refinement"] * (steps > 0)
    return " ".join(str(part) for part in (options.get("estimator"), about) if part) + (
        f" ({', '.join(after)})" if after else ""
    )
