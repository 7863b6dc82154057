"""The recipe of frames that may not be passed on: which they are, how they were extracted, and fingerprints of each.

A frame that was extracted again is told by its pixels where the decoder and the file are the same, and else by its
perceptual hash: the low frequencies of the picture, which a re-encoded copy keeps.
"""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from common_fate.errors import ShardError
from common_fate.foreign.parquet import read_parquet
from common_fate.progress import progress
from common_fate.shards.column import sound_shard
from common_fate.shards.keys import frame_key
from common_fate.shards.limits import MAX_ROWS

RECIPE = "recipe.parquet"
SIDE, KEPT = 32, 8

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


def read_recipe(folder: Path, shards: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Reads the recipe's rows by shard and key.

    Raises:
        ShardError: it is missing, or no recipe.
    """
    path = folder / RECIPE
    found: dict[str, dict[str, dict[str, Any]]] = {shard: {} for shard in shards}
    try:
        for row in read_parquet(path, dict(zip(SCHEMA.names, SCHEMA.types, strict=True)), MAX_ROWS).to_pylist():
            if row["shard"] in found:
                found[row["shard"]][_checked(row)] = row
    except (OSError, KeyError, ValueError) as error:
        raise ShardError(f"{path}: not a recipe: {error}") from error
    return found


def _checked(row: dict[str, Any]) -> str:
    """The row's key. Raises ValueError for a row that no frame has."""
    key, frame = row["key"], row["frame"]
    if any(row[name] is None for name in SCHEMA.names if name not in ("next", "previous")):
        raise ValueError(f"{key}: lacks a value")
    near = [number for number in (frame, row["next"], row["previous"]) if number is not None]
    if not re.fullmatch("[A-Za-z0-9_]+", row["video"]) or not all(0 <= number <= 999_999 for number in near):
        raise ValueError(f"{key}: no video and frame that there could be")
    if key != frame_key(row["video"], frame):
        raise ValueError(f"{key}: is frame {frame} of {row['video']}")
    return key
