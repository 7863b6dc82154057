"""A contact sheet of a column or a view: a few samples, spread evenly, as pictures."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from common_fate.errors import ShardError, UserError
from common_fate.pictures import Picture, Tile, color_wheel_legend, contact_sheet, sample_row
from common_fate.shards.column import Members, Shard
from common_fate.shards.record import Record, record_path

LEGEND_SIZE = 56
FLOW = "flow.b2"
MOST_DRAWN = 2**24
"""Pixels of a picture; drawing takes a hundred bytes for each."""


def show(path: Path, samples: int, title: str = "") -> Picture:
    """Draws samples spread evenly over a column, a view or one shard; the same ones each time.

    A column's samples are joined with those they were made from, where they are still there: flow beside its frame,
    guidance as arrows of its flow.

    Args:
        path: the folder, or a `NNNNNN.tar`.
        title: what it is called; else its folders say it.

    Returns:
        `(H, W, 3)` uint8, RGB.

    Raises:
        UserError: there is nothing to draw.
        ShardError: a shard or a member is damaged.
    """
    tars = [path] if path.is_file() else sorted(tar for tar in path.glob("*.tar") if tar.stem.isdecimal())
    counts = [Record.read(record_path(tar)).samples for tar in tars]
    if not sum(counts):
        raise UserError(
            f"{path}: has no samples: name a view (results/NAME/shards/cmp), a column, or one of its shards"
        )
    drawn = [row for number, rows in spread(counts, samples).items() for row in _draw(tars[number], rows)]
    pictures = [tiles for _, tiles in drawn if tiles]
    if not pictures:
        raise UserError(f"{path}: its samples have nothing that can be drawn: no images, no flow")
    legend = color_wheel_legend(LEGEND_SIZE) if any(flow for flow, _ in drawn) else None
    return contact_sheet(pictures, f"{title or _title(path)}: {len(pictures)} of {sum(counts):,} samples", legend)


def spread(counts: Sequence[int], samples: int) -> dict[int, list[int]]:
    """The rows to take of each shard, so that they lie evenly over all: the middles of equal parts.

    Args:
        counts: the samples of each shard.

    Returns:
        Rows by the shard's place in `counts`; all there are where fewer than `samples` are.
    """
    total = sum(counts)
    parts = min(samples, total)
    rows = defaultdict(list)
    shard, before = 0, 0
    for part in range(parts):
        place = (2 * part + 1) * total // (2 * parts)
        while place >= before + counts[shard]:
            before += counts[shard]
            shard += 1
        rows[shard].append(place - before)
    return dict(rows)


def _read(tar: Path, rows: Sequence[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Samples of a shard, decoded, each with what it was made from; one by one, for they may be large."""
    with ExitStack() as stack:
        shards = [stack.enter_context(Shard(path)) for path in _made_from(tar)] + [stack.enter_context(Shard(tar))]
        for key in (shards[-1].record.keys[row] for row in rows):
            yield key, _joined(tar, key, [shard[key] for shard in shards if key in shard])


def _draw(tar: Path, rows: Sequence[int]) -> Iterator[tuple[bool, list[Tile]]]:
    """Whether a sample has flow, and its pictures."""
    for key, sample in _read(tar, rows):
        if any(value.size > 3 * MOST_DRAWN for value in sample.values() if isinstance(value, np.ndarray)):
            raise ShardError(f"{tar}: {key}: its pictures have more than {MOST_DRAWN} pixels: too many to draw")
        try:
            tiles = sample_row(key, sample)
        except Exception as error:  # members may each be sound and yet not fit together, in whatever way
            raise ShardError(f"{tar}: {key}: its members do not fit together: {error}") from error
        yield FLOW in sample, tiles


def _made_from(tar: Path) -> list[Path]:
    """The shards of other columns that a shard goes back to, the first made first."""
    found = [tar.parent.resolve() / tar.name]  # the file itself may be a link to where no record is
    for path in found:  # which grows
        # A record may come from anywhere: a name in it becomes no path but a column's, and leads round no circle.
        for name in (name for name in Record.read(record_path(path)).inputs if name.isidentifier()):
            column = path.parent.parent / name / path.name
            if column.exists() and column not in found:
                found.append(column)
    return found[:0:-1]


def _joined(tar: Path, key: str, parts: Sequence[Members]) -> dict[str, Any]:
    """The members of all parts, of which the later ones win; the `json` members are merged."""
    try:
        sample = {extension: part[extension] for part in parts for extension in part}
        return sample | {"json": {name: value for part in parts for name, value in part.get("json", {}).items()}}
    except ValueError as error:
        raise ShardError(f"{tar}: {key}: {error}") from error


def _title(path: Path) -> str:
    """Dataset and column, dataset and view."""
    whole = path.parent.resolve() / path.stem if path.is_file() else path.resolve()
    folders = [part for part in whole.parts if part != "shards"]
    return " ".join(folders[-3:] if path.is_file() else folders[-2:])
