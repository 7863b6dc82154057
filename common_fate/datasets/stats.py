"""Statistics: what a researcher asks of a dataset, from the records alone, and flow error where the truth is known."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common_fate.datasets.catalog import read_plan
from common_fate.errors import ShardError, UserError
from common_fate.progress import progress
from common_fate.shards.column import Shard
from common_fate.shards.limits import MAX_PIXELS
from common_fate.shards.record import Record
from pipeline.downloads.record import DOWNLOADED
from pipeline.kernels import grid_points
from pipeline.registry import STAGES
from pipeline.scores.flow_error import Mean, flow_error, total_error

PLAN, VIEWS = "plan.json", "shards"
POINTS = "points"
GRID_STRIDE = 200  # the paper's setting, beside K = 81
MOST_REASONS = 40
DECODED_BYTES = {"jpg": 3, "flow.b2": 8, "backward.b2": 8}  # a pixel
EPE = {  # of `flow_error`, and what the table calls it
    "all": "all",
    "matched": "visible",
    "unmatched": "occluded",
    "s0-10": "s0-10",
    "s10-40": "s10-40",
    "s40+": "s40+",
}

Records = Sequence[Record]


@dataclass(frozen=True)
class Table:
    """A table for `common_fate.tables`; a cell is None where there is nothing to say."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str = ""


@dataclass(frozen=True)
class Holdings:
    """The records of each column and view (`parts`) by shard, and how many videos each shard has."""

    name: str
    parts: Mapping[str, Mapping[str, Record]]
    videos: Mapping[str, int]

    def records(self, shards: Iterable[str], measure: str) -> list[Record]:
        """Of each shard the first record that has the measure; a view repeats the measures of its columns."""
        held = ([part[shard] for part in self.parts.values() if shard in part] for shard in shards)
        return [record for records in held for record in _first(records, measure)]


def stats(folder: Path) -> list[Table]:
    """The tables of a dataset (`results/NAME`), or of a column or view alone: its parts, its shards, its failures, and
    where anything was dropped what.

    Raises:
        UserError: there are no shards, or a record is damaged.
    """
    held = _dataset(folder) if (folder / PLAN).exists() else _folder(folder)
    if not any(held.parts.values()):
        raise UserError(f"{folder}: has no shards: run `snakemake --cores all` to make them")
    drops = _drops(held)
    return [_by_part(held), _by_shard(held), _failures(held), *([drops] if drops.rows else [])]


def _dataset(folder: Path) -> Holdings:
    videos = {f"{number:06d}": len(shard) for number, shard in enumerate(read_plan(folder / PLAN))}
    places = [path for parent in (folder, folder / VIEWS) for path in sorted(parent.glob("*/"), key=_turn)]
    places = [path for path in places if path.name != DOWNLOADED]
    return Holdings(folder.name, {path.name: _read(path, videos) for path in places if _shards(path)}, videos)


def _turn(column: Path) -> tuple[int, str]:
    """Columns stand in the order in which they are made, views by name."""
    stages = list(STAGES)
    return stages.index(column.name) if column.name in stages else len(stages), column.name


def _folder(folder: Path) -> Holdings:
    records = _read(folder, _shards(folder))
    return Holdings(folder.name, {folder.name: records}, {shard: _videos(record) for shard, record in records.items()})


def _shards(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json") if path.stem.isdecimal())


def _read(folder: Path, shards: Iterable[str]) -> dict[str, Record]:
    return {shard: Record.read(folder / f"{shard}.json") for shard in shards if (folder / f"{shard}.json").exists()}


def _videos(record: Record) -> int:
    return len({key.rpartition("-")[0] or key for key in record.known_keys()})


# A measure over several records.


def _first(records: Records, measure: str) -> Records:
    return [record for record in records if measure in record.statistics][:1]


def _mean(records: Records, measure: str) -> float | None:
    samples = sum(record.samples for record in records)
    total = sum(record.samples * record.statistics[measure]["mean"] for record in records)
    return total / samples if samples else None


def _least(records: Records, measure: str) -> float | None:
    return min((record.statistics[measure]["min"] for record in records), default=None)


def _most(records: Records, measure: str) -> float | None:
    return max((record.statistics[measure]["max"] for record in records), default=None)


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _size(held: Holdings, shards: Sequence[str]) -> tuple[int, int] | None:
    """Height and width of the shards' frames; None where they differ, or where no record knows any there can be."""
    sides = []
    for side in ("height", "width"):
        records = held.records(shards, side)
        least, most = _least(records, side), _most(records, side)
        if least is None or least != most:
            return None
        sides.append(int(least))
    height, width = sides
    return (height, width) if 0 < height * width <= MAX_PIXELS and height > 0 else None


@dataclass(frozen=True)
class _Measured:
    """A column of the table of shards: what of which measure."""

    title: str
    measure: str
    of: Callable[[Records, str], float | None]
    note: str = ""


_MEASURED = [
    _Measured("flow mean", "magnitude_mean", _mean, "Flow in pixels."),
    _Measured("flow max", "magnitude_max", _most),
    _Measured("points mean", POINTS, _mean),
    _Measured("points min", POINTS, lambda records, measure: _whole(_least(records, measure))),
    _Measured("points max", POINTS, lambda records, measure: _whole(_most(records, measure))),
    _Measured("regions mean", "regions", _mean),
    _Measured("highest", "highest", _most, "Highest: of the region trees' heights, in [0, 1]."),
    _Measured("superpixels mean", "superpixels", _mean),
]


# The tables.


def _by_part(held: Holdings) -> Table:
    rows: list[list[Any]] = []
    for name, by_shard in held.parts.items():
        records = list(by_shard.values())
        samples, size = sum(record.samples for record in records), sum(record.bytes for record in records)
        failures = sum(len(record.failures) for record in records)
        each = size / 1e3 / samples if samples else None
        done = f"{len(records)} of {len(held.videos)}"
        rows.append([name, done, samples, failures, size / 1e6, each, _compression(held, by_shard)])
    return Table(
        f"{held.name}: columns and views",
        ["part", "shards", "samples", "failures", "MB", "kB a sample", "compression"],
        rows,
        "Compression: of images, 3 bytes a pixel, and flow, 8 bytes a pixel. A view lists its columns' failures again.",
    )


def _compression(held: Holdings, by_shard: Mapping[str, Record]) -> float | None:
    """Decoded over stored bytes of images and flow; None without them, or where sizes differ within a shard."""
    decoded = stored = 0
    for shard, record in by_shard.items():
        pictures = [i for i, extension in enumerate(record.extensions) if extension in DECODED_BYTES]
        if not pictures:
            continue
        size = _size(held, [shard])
        if size is None:
            return None
        each = size[0] * size[1] * sum(DECODED_BYTES[record.extensions[i]] for i in pictures)
        decoded += record.samples * each
        stored += sum(sizes[i] for sizes in record.sizes for i in pictures)
    return decoded / stored if stored else None


def _by_shard(held: Holdings) -> Table:
    shards = list(held.videos)
    known = [measured for measured in _MEASURED if held.records(shards, measured.measure)]
    guided = any(measured.measure == POINTS for measured in known)
    titles = ["shard", "videos", *held.parts, "failures", *(measured.title for measured in known)]
    notes = [measured.note for measured in known if measured.note]
    if guided:
        titles.append("grid")
        notes.append(f"Points: guidance key-points of an image; a grid of stride {GRID_STRIDE} adds `grid` more.")
    return Table(
        f"{held.name}: shards",
        [*titles, "MB"],
        [_row(held, name, part, known, guided) for name, part in [*((s, [s]) for s in shards), ("all", shards)]],
        " ".join(notes),
    )


def _row(held: Holdings, name: str, shards: Sequence[str], known: Sequence[_Measured], guided: bool) -> list[Any]:
    made = {part: [by_shard[shard] for shard in shards if shard in by_shard] for part, by_shard in held.parts.items()}
    samples = [sum(record.samples for record in records) if records else None for records in made.values()]
    row: list[Any] = [name, sum(held.videos[shard] for shard in shards), *samples, len(set(_failed(held, shards)))]
    row += [measured.of(held.records(shards, measured.measure), measured.measure) for measured in known]
    if guided:
        size = _size(held, shards)
        row.append(None if size is None else len(grid_points(*size, GRID_STRIDE)))
    return [*row, sum(record.bytes for records in made.values() for record in records) / 1e6]


def _failed(held: Holdings, shards: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Stage, reason and key of every failure, again in each part that lists it."""
    for by_shard in held.parts.values():
        for shard in shards:
            if shard in by_shard:
                yield from ((row["stage"], row["reason"], row["key"]) for row in by_shard[shard].failures)


def _failures(held: Holdings) -> Table:
    failed = sorted(set(_failed(held, list(held.videos))))
    example = {(stage, reason): key for stage, reason, key in reversed(failed)}
    counts = Counter((stage, reason) for stage, reason, _ in failed).most_common(MOST_REASONS)
    rows: list[list[Any]] = [[stage, reason, count, example[stage, reason]] for (stage, reason), count in counts]
    others = len(failed) - sum(count for _, count in counts)
    note = f"{others} more failed for rarer reasons." if others else "" if failed else "Nothing failed."
    return Table(f"{held.name}: failures", ["stage", "reason", "count", "for example"], rows, note)


def _drops(held: Holdings) -> Table:
    """What was left out on purpose, by reason; once, though a view lists its columns' again."""
    dropped: dict[str, dict[str, None]] = {}
    for by_shard in held.parts.values():
        for record in by_shard.values():
            for reason, keys in record.dropped.items():
                dropped.setdefault(reason, {}).update(dict.fromkeys(keys))
    rows: list[list[Any]] = [[reason, len(keys), min(keys)] for reason, keys in sorted(dropped.items()) if keys]
    note = "Left out on purpose, which is no failure; a pair has the key of its first frame."
    return Table(f"{held.name}: dropped", ["reason", "count", "for example"], rows, note)


# Flow against the truth.


def flow_errors(dataset: Path) -> Table:
    """The error of a dataset's flow over all pixels whose truth is known, beside that of saying that nothing moves.

    End-point errors in pixels over all, visible and occluded pixels and by true speed; Fl-all is the share off by more
    than 3 px and 5 %. No rows where there is no `truth` column. Sources: see `pipeline.scores.flow_error`.

    Raises:
        ShardError: a shard is damaged.
    """
    shards = [shard for shard in _shards(dataset / "truth") if (dataset / "flow" / f"{shard}.json").exists()]
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


def _compared(dataset: Path, shard: str) -> tuple[int, dict[str, Mean], dict[str, Mean]]:
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
