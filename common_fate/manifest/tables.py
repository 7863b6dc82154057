"""Writing the manifest of a view: its tables, its card, and what other libraries look for beside the tars."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common_fate.datasets.catalog import Video
from common_fate.manifest.card import CARD, view_card
from common_fate.manifest.croissant import CROISSANT, Publication, croissant
from common_fate.manifest.samples import SAMPLES, checked_alike, write_samples
from common_fate.manifest.shards import SHARDS, shards_file
from common_fate.manifest.sums import SUMS, file_sum, sums_file, sums_of
from common_fate.manifest.videos import VIDEOS, videos_file
from common_fate.shards.files import atomic, sync
from common_fate.shards.record import Record

INFO, SIZES = "_info.json", "sizes.json"


def write_manifest(folder: Path, shards: list[str], title: str, videos: Sequence[Video] = ()) -> None:
    """Writes the manifest of the shards in a view's folder, from their records and what is known of their videos.

    `samples.parquet`: key, video, frame, shard, stage and failure (null for a sample that was made), license, and each
    member's `{extension}.offset` and `{extension}.size`, so that a sample can be read without scanning.
    `shards.parquet`: shard, file, bytes, sha256, samples, failures. `videos.parquet`: see `videos_file`. `_info.json`
    is timm's, `sizes.json` open_clip's, `SHA256SUMS` what `sha256sum -c` reads, `croissant.json` the dataset's
    description in Croissant (mlcommons.org/croissant).

    Raises:
        ShardError: a record is missing or damaged.
    """
    extensions = next((record.extensions for record in _records(folder, shards) if record.samples), [])
    # None of them stands under its name before all are on the disk. The stack closes backwards: the sums come last.
    with ExitStack() as stack:
        names = (SUMS, CROISSANT, CARD, VIDEOS, SIZES, INFO, SHARDS, SAMPLES)
        written = {name: stack.enter_context(atomic(folder / name)) for name in names}
        records = checked_alike(_records(folder, shards), extensions, folder)
        rows, filmed = write_samples(written[SAMPLES], records, extensions, videos)
        sync(written[SAMPLES])
        files = _shard_tables(rows) | {VIDEOS: videos_file(filmed)}
        files[CARD] = view_card(title, rows, extensions, videos).encode()
        sums = {row["file"]: row["sha256"] for row in rows}
        sums |= {f"{shard}.json": file_sum(folder / f"{shard}.json") for shard in shards}
        sums |= {SAMPLES: file_sum(Path(written[SAMPLES].name))} | sums_of(files)
        description = f"{title}: shards of {', '.join(extensions)}, with one row a sample."
        files[CROISSANT] = as_json(croissant(title, description, sums, {SAMPLES: extensions}, Publication()))
        files[SUMS] = sums_file(sums | sums_of(files))
        for name, data in files.items():
            written[name].write(data)
            sync(written[name])


def members(folder: Path, records: list[Record]) -> list[str]:
    """Returns the extensions of a folder's samples. Raises `ShardError` where shards differ in them."""
    extensions = next((record.extensions for record in records if record.samples), [])
    for _ in checked_alike(records, extensions, folder):
        pass
    return extensions


def manifest_tables(records: list[Record], extensions: list[str], videos: Sequence[Video]) -> dict[str, bytes]:
    """Returns the manifest's files that are read by machines, from the records and what is known of their videos."""
    buffer = io.BytesIO()
    rows, filmed = write_samples(buffer, records, extensions, videos)
    return {SAMPLES: buffer.getvalue(), VIDEOS: videos_file(filmed)} | _shard_tables(rows)


def _shard_tables(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    return {
        SHARDS: shards_file(rows),
        INFO: as_json({"splits": {"train": _timm_split(rows)}}),
        SIZES: as_json({row["file"]: row["samples"] for row in rows}),
    }


def _records(folder: Path, shards: list[str]) -> Iterator[Record]:
    """The records one by one: all the keys of 10^8 samples as Python objects would take tens of gigabytes."""
    return (Record.read(folder / f"{shard}.json") for shard in shards)


def _timm_split(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The shards that have samples: its reader is to open no other."""
    rows = [row for row in rows if row["samples"]]
    return {
        "name": "train",
        "num_samples": sum(row["samples"] for row in rows),
        "filenames": [row["file"] for row in rows],
        "shard_lengths": [row["samples"] for row in rows],
    }


def as_json(value: Any) -> bytes:
    """Returns a JSON file for people and machines."""
    return (json.dumps(value, indent=1) + "\n").encode()
