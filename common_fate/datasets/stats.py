"""Statistics: what a researcher asks of a dataset, from the records alone."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from common_fate.datasets.catalog import read_plan
from common_fate.datasets.parts import PLAN, VIEWS, in_made_order, is_column, shards_in
from common_fate.datasets.reasons import counted_as
from common_fate.datasets.stats_columns import POINTS, Records, StatsColumn, least_of, most_of, stats_columns
from common_fate.errors import UserError
from common_fate.shards.keys import video_of
from common_fate.shards.limits import MAX_PIXELS
from common_fate.shards.members import member
from common_fate.shards.record import Record
from common_fate.shards.runs import by_reason, compacted, count, first_key
from common_fate.tables import Table

GRID_STRIDE = 200  # the setting of conditional motion propagation, beside K = 81
MOST_REASONS = 40


@dataclass(frozen=True)
class Holdings:
    """The records of each column and view (`parts`) by shard, and how many videos each shard has."""

    name: str
    parts: Mapping[str, Mapping[str, Record]]
    videos: Mapping[str, int]

    def records(self, shards: Iterable[str], statistic: str) -> list[Record]:
        """Returns of each shard the first record that has the statistic; a view repeats those of its columns."""
        held = ([part[shard] for part in self.parts.values() if shard in part] for shard in shards)
        return [record for records in held for record in _first(records, statistic)]


def stats(folder: Path) -> list[Table]:
    """Returns the tables of a dataset (`results/NAME`), or of a column or view alone: its parts, its shards, its
    failures, and where anything was dropped what.

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
    columns = _finished(filter(is_column, folder.iterdir()), videos)
    views = _finished((folder / VIEWS).glob("*/"), videos)
    order = in_made_order({name: next(iter(by_shard.values())).inputs for name, by_shard in columns.items()})
    return Holdings(folder.name, {name: columns[name] for name in order} | dict(sorted(views.items())), videos)


def _finished(folders: Iterable[Path], shards: Iterable[str]) -> dict[str, dict[str, Record]]:
    """The records of those folders that have any, by name and shard."""
    return {folder.name: records for folder in folders if (records := _read(folder, shards))}


def _folder(folder: Path) -> Holdings:
    records = _read(folder, shards_in(folder))
    return Holdings(folder.name, {folder.name: records}, {shard: _videos(record) for shard, record in records.items()})


def _read(folder: Path, shards: Iterable[str]) -> dict[str, Record]:
    return {shard: Record.read(folder / f"{shard}.json") for shard in shards if (folder / f"{shard}.json").exists()}


def _videos(record: Record) -> int:
    return len({video_of(key) for key in record.known_keys()})


# A statistic over several records.


def _first(records: Records, statistic: str) -> Records:
    return [record for record in records if statistic in record.statistics][:1]


def _size(held: Holdings, shards: Sequence[str]) -> tuple[int, int] | None:
    """Height and width of the shards' frames; None where they differ, or where no record knows any there can be."""
    sides = []
    for side in ("height", "width"):
        records = held.records(shards, side)
        least, most = least_of(records, side), most_of(records, side)
        if least is None or least != most:
            return None
        sides.append(int(least))
    height, width = sides
    return (height, width) if 0 < height * width <= MAX_PIXELS and height > 0 else None


# The tables.


def _by_part(held: Holdings) -> Table:
    rows: list[list[Any]] = []
    for name, by_shard in held.parts.items():
        records = list(by_shard.values())
        samples, size = sum(record.samples for record in records), sum(record.bytes for record in records)
        failures = sum(record.failed for record in records)
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
        pictures = [i for i, extension in enumerate(record.extensions) if member(extension).pixel_bytes]
        if not pictures:
            continue
        size = _size(held, [shard])
        if size is None:
            return None
        each = size[0] * size[1] * sum(member(record.extensions[i]).pixel_bytes for i in pictures)
        decoded += record.samples * each
        stored += sum(sizes[i] for sizes in record.sizes for i in pictures)
    return decoded / stored if stored else None


def _by_shard(held: Holdings) -> Table:
    shards = list(held.videos)
    known = stats_columns([record for part in held.parts.values() for record in part.values()])
    guided = any(column.statistic == POINTS for column in known)
    titles = ["shard", "videos", *held.parts, "failures", *(column.title for column in known)]
    notes = [column.note for column in known if column.note]
    if guided:
        titles.append("grid")
        notes.append(f"Points: guidance key-points of an image; a grid of stride {GRID_STRIDE} adds those under grid.")
    return Table(
        f"{held.name}: shards",
        [*titles, "MB"],
        [_row(held, name, part, known, guided) for name, part in [*((s, [s]) for s in shards), ("all", shards)]],
        " ".join(notes),
    )


def _row(held: Holdings, name: str, shards: Sequence[str], known: Sequence[StatsColumn], guided: bool) -> list[Any]:
    made = {part: [by_shard[shard] for shard in shards if shard in by_shard] for part, by_shard in held.parts.items()}
    samples = [sum(record.samples for record in records) if records else None for records in made.values()]
    row: list[Any] = [
        name,
        sum(held.videos[shard] for shard in shards),
        *samples,
        sum(count([key]) for *_, key in _failed(held, shards)),
    ]
    row += [column.of(held.records(shards, column.statistic), column.statistic) for column in known]
    if guided:
        size = _size(held, shards)
        row.append(None if size is None else _grid(size[0]) * _grid(size[1]))
    return [*row, sum(record.bytes for records in made.values() for record in records) / 1e6]


def _grid(side: int) -> int:
    """How many points of the regular grid lie along a side."""
    return len(range(side % GRID_STRIDE // 2, side, GRID_STRIDE))


Said = TypeVar("Said", bound=Hashable)


def _once(listed: Sequence[Iterable[tuple[Said, str]]]) -> set[tuple[Said, str]]:
    """What several records of a shard list, once, though a view lists its columns' again; in runs where one has any."""
    rows = [list(part) for part in listed]
    if any(".." in text for part in rows for _, text in part):
        rows = [compacted(part) for part in rows]
    return {row for part in rows for row in part}


def _in(held: Holdings, shard: str) -> list[Record]:
    return [by_shard[shard] for by_shard in held.parts.values() if shard in by_shard]


def _failed(held: Holdings, shards: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Stage, reason and key of every failure, or run of them."""
    for shard in shards:
        parts = [[((row["stage"], row["reason"]), row["key"]) for row in r.failures] for r in _in(held, shard)]
        yield from ((stage, reason, text) for (stage, reason), text in _once(parts))


def _failures(held: Holdings) -> Table:
    failed = sorted({*_failed(held, list(held.videos))})
    told = counted_as(reason for _, reason, _ in failed)
    failed = [(stage, told[reason], text) for stage, reason, text in failed]
    example = {(stage, reason): first_key(text) for stage, reason, text in reversed(failed)}
    counts = Counter[tuple[str, str]]()
    for stage, reason, text in failed:
        counts[stage, reason] += count([text])
    most = counts.most_common(MOST_REASONS)
    rows: list[list[Any]] = [[stage, reason, many, example[stage, reason]] for (stage, reason), many in most]
    others = counts.total() - sum(many for _, many in most)
    note = f"{others} more failed for rarer reasons." if others else "" if failed else "Nothing failed."
    return Table(f"{held.name}: failures", ["stage", "reason", "count", "for example"], rows, note)


def _drops(held: Holdings) -> Table:
    """What was left out on purpose, by reason; once, though a view lists its columns' again."""
    parts = (
        [[(reason, text) for reason, texts in record.dropped.items() for text in texts] for record in _in(held, shard)]
        for shard in held.videos
    )
    dropped = by_reason(row for listed in parts for row in _once(listed))
    rows: list[list[Any]] = [[reason, count(texts), first_key(min(texts))] for reason, texts in dropped.items()]
    note = "Left out on purpose, which is no failure; a pair has the key of its first frame."
    return Table(f"{held.name}: dropped", ["reason", "count", "for example"], rows, note)
