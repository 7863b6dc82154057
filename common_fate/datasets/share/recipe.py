"""The recipe of frames that may not be passed on: which they are, how they were extracted, and fingerprints of each.

A frame that was extracted again is told by its pixels where the decoder and the file are the same, and else by its
perceptual hash: the low frequencies of the picture, which a re-encoded copy keeps.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from common_fate.errors import ShardError
from common_fate.foreign.parquet import ParquetFile, opened
from common_fate.progress import progress
from common_fate.shards.column import sound_shard
from common_fate.shards.keys import VIDEO
from common_fate.shards.limits import MAX_ROWS, MAX_SAMPLES, SHARD, quoted

RECIPE = "recipe.parquet"
SIDE, KEPT = 32, 8

Rows = Mapping[str, Mapping[str, Any]]
"""Of a shard's frames, by key."""

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("video", pa.string()),
        ("frame", pa.int64()),
        ("shard", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("next", pa.int64()),
        ("previous", pa.int64()),
        ("jpg_sha256", pa.string()),
        ("pixels_sha256", pa.string()),
        ("perceptual", pa.uint64()),
    ]
)


def perceptual_hash(image: NDArray[np.uint8]) -> int:
    """Returns 64 bits of a picture's low frequencies, the first the lowest.

    The picture in grey at 32 by 32, its discrete cosine transform, and for each of the lowest 8 by 8 coefficients
    whether it is above their median. Coefficients are rounded, so that independent noise of one step in a flat
    picture decides nothing where each of the 32 by 32 cells averages enough pixels: those of 96 by 128 in all do, in
    black and in white those of 240 by 320, since there noise goes one way only.

    Args:
        image: `(H, W, 3)` uint8, RGB.

    Source: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = np.round(cv2.dct(small)[:KEPT, :KEPT])
    return int("".join("1" if above else "0" for above in (low > np.median(low)).flat), 2)


def distance(one: int, other: int) -> int:
    """Returns in how many of 64 bits two perceptual hashes differ."""
    return (one ^ other).bit_count()


def pixels_sha256(image: NDArray[np.uint8]) -> str:
    """Returns the sha256 of a decoded picture: height and width as text, and its bytes, row by row, RGB."""
    height, width = image.shape[:2]
    return hashlib.sha256(f"{height} {width} ".encode() + image.tobytes()).hexdigest()


def recipe(frames: Path, shards: list[str]) -> bytes:
    """Returns the recipe of a column of frames as a Parquet table, one row a frame.

    Raises:
        ShardError: a shard is missing or damaged.
    """
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, SCHEMA, compression="zstd") as writer:
        for shard in progress(shards, len(shards), "fingerprints"):
            writer.write_table(pa.Table.from_pylist(list(_rows(frames / f"{shard}.tar")), SCHEMA))
    return buffer.getvalue()


def _rows(tar: Path) -> Iterator[dict[str, Any]]:
    with sound_shard(tar) as shard:
        for key in shard:
            sample = shard[key]
            facts, image = sample["json"], sample["jpg"]
            yield {
                "key": key,
                "video": facts["video"],
                "frame": facts["frame"],
                "shard": tar.stem,
                "width": image.shape[1],
                "height": image.shape[0],
                "next": facts.get("next"),
                "previous": facts.get("previous"),
                "jpg_sha256": hashlib.sha256(sample.encoded["jpg"]).hexdigest(),
                "pixels_sha256": pixels_sha256(image),
                "perceptual": perceptual_hash(image),
            }


def read_recipe(folder: Path, shards: Iterable[str]) -> Iterator[tuple[str, Rows]]:
    """Yields the recipe's rows by key, of each of the shards in their order.

    Raises:
        ShardError: it is missing, or no recipe.
    """
    return ((shard, {row["key"]: row for row in rows.to_pylist()}) for shard, rows in recipe_tables(folder, shards))


def recipe_tables(folder: Path, shards: Iterable[str]) -> Iterator[tuple[str, pa.Table]]:
    """Yields the recipe's rows of each of the shards, in their order: those of one at a time are held. Raises as
    `read_recipe`.
    """
    path = folder / RECIPE
    try:
        with opened(path) as file:
            parts = ParquetFile(file, MAX_ROWS).parts(dict(zip(SCHEMA.names, SCHEMA.types, strict=True)))
            yield from _by_shard(map(_checked, parts), sorted(set(shards), key=int))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ShardError(f"{path}: not a recipe: {error}") from error


def _by_shard(parts: Iterator[pa.Table], shards: list[str]) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each shard, which stand together, and the shards in their order."""
    coming = iter(shards)
    shard, found, last = next(coming, None), [SCHEMA.empty_table()], 0
    for part in (part for part in parts if part.num_rows):
        numbers = part["shard"].cast(pa.int64()).to_numpy()
        if (np.diff(numbers, prepend=last) < 0).any():
            raise ValueError("the rows of a shard do not stand together, or shards not in their order")
        last = int(numbers[-1])
        while shard is not None:
            start, end = np.searchsorted(numbers, [int(shard), int(shard) + 1]).tolist()
            found.append(part.slice(start, end - start))
            if sum(rows.num_rows for rows in found) > MAX_SAMPLES:
                raise ValueError(f"shard {shard} has more than {MAX_SAMPLES} frames")
            if end == part.num_rows and last <= int(shard):  # it may go on in the next part
                break
            yield shard, _whole(shard, found)
            shard, found = next(coming, None), [SCHEMA.empty_table()]
    while shard is not None:
        yield shard, _whole(shard, found)
        shard, found = next(coming, None), [SCHEMA.empty_table()]


def _whole(shard: str, parts: list[pa.Table]) -> pa.Table:
    rows = pa.concat_tables(parts)
    if len(pc.unique(rows["key"])) < rows.num_rows:
        raise ValueError(f"shard {shard} has a frame twice")
    return rows


def _checked(rows: pa.Table) -> pa.Table:
    """Raises ValueError for a row that no frame has."""
    for name in SCHEMA.names:
        if name not in ("next", "previous") and rows[name].null_count:
            raise ValueError(f"a row lacks its {name}")
    for name, pattern in (("video", VIDEO), ("shard", SHARD)):
        possible = pc.match_substring_regex(rows[name], f"^(?:{pattern.pattern})$")
        _check_all(possible, rows, f"no {name} that there could be")
    for name in ("frame", "next", "previous"):
        possible = pc.and_(pc.greater_equal(rows[name], 0), pc.less_equal(rows[name], 999_999))
        _check_all(pc.fill_null(possible, True), rows, f"no {name} that there could be")
    frame = pc.utf8_lpad(rows["frame"].cast(pa.string()), 6, "0")
    keys = pc.binary_join_element_wise(rows["video"], frame, "-")
    _check_all(pc.equal(rows["key"], keys), rows, "not of the frame and the video that its row has")
    return rows


def _check_all(right: pa.ChunkedArray, rows: pa.Table, fault: str) -> None:
    if not pc.all(right, min_count=0).as_py():
        raise ValueError(f"{quoted(rows['key'].filter(pc.invert(right))[0].as_py())}: {fault}")
