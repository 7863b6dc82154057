"""A contact sheet of a column or a view: a few samples, spread evenly, as pictures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.errors import ShardError, UserError
from pipeline.pictures import Picture, color_wheel_legend, contact_sheet, sample_row
from pipeline.shards.column import Members, Shard
from pipeline.shards.record import Record, record_path

LEGEND_SIZE = 56
FLOW = "flow.b2"


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
    chosen = [found for number, rows in spread(counts, samples).items() for found in _read(tars[number], rows)]
    pictures = [row for key, sample in chosen if (row := sample_row(key, sample))]
    if not pictures:
        raise UserError(f"{path}: its samples have nothing that can be drawn: no images, no flow")
    legend = color_wheel_legend(LEGEND_SIZE) if any(FLOW in sample for _, sample in chosen) else None
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


def _read(tar: Path, rows: Sequence[int]) -> list[tuple[str, Mapping[str, Any]]]:
    """Samples of a shard, decoded, each with what it was made from."""
    with ExitStack() as stack:
        shards = [stack.enter_context(Shard(path)) for path in _made_from(tar)] + [stack.enter_context(Shard(tar))]
        keys = [shards[-1].record.keys[row] for row in rows]
        return [(key, _joined(tar, key, [shard[key] for shard in shards if key in shard])) for key in keys]


def _made_from(tar: Path) -> list[Path]:
    """The shards of other columns that a shard goes back to, the first made first."""
    found = [tar.resolve()]
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
    folders = [part for part in path.resolve().with_suffix("").parts if part != "shards"]
    return " ".join(folders[-3:] if path.is_file() else folders[-2:])
