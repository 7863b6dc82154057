"""Whether the manifest of a view says what its shards' records say, and nothing that leads out of its folder."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from common_fate.datasets.share.description import SHEET
from common_fate.datasets.verify.problems import (
    Problem,
    Problems,
    Records,
    fault_of,
    how_to_make,
    how_to_replace,
    how_to_replace_both,
)
from common_fate.datasets.verify.videos import videos_problems
from common_fate.errors import ShardError
from common_fate.foreign.files import parse_json, read_file
from common_fate.manifest.card import CARD
from common_fate.manifest.croissant import CROISSANT
from common_fate.manifest.samples import LICENSE, SAMPLES, read_samples, rows_of
from common_fate.manifest.shards import SHARDS
from common_fate.manifest.sums import SUMS, read_sums
from common_fate.manifest.tables import INFO, SIZES
from common_fate.manifest.videos import VIDEOS
from common_fate.shards.limits import MAX_LISTING_BYTES, quoted
from common_fate.shards.record import Record, file_sha256

MANIFEST = (SAMPLES, SHARDS, INFO, SIZES, CROISSANT, CARD, SUMS)


def manifest_problems(
    folder: Path, shards: Sequence[str], made: Records, beside: Sequence[str], full: bool, catalog: Path | None
) -> Problems:
    """Yields what is wrong with a view's manifest, by the sound records `made` of its planned `shards`.

    Args:
        beside: further files that SHA256SUMS lists.
        full: also compare the sha256 of every file.
        catalog: of the videos, where there is one.
    """
    samples = None
    if (folder / SAMPLES).exists():
        try:
            samples = read_samples(folder, licensed=True)
            yield from _samples(folder, samples, shards, made)
        except (ShardError, KeyError, pa.ArrowException) as error:
            yield Problem(folder / SAMPLES, fault_of(error, folder / SAMPLES), how_to_replace(folder / SAMPLES))
    if (folder / VIDEOS).exists():
        yield from videos_problems(folder / VIDEOS, samples, catalog)
    if len(made) == len(shards):
        yield from _counts(folder, list(made.values()))
    yield from _described(folder, shards)
    licensed = samples is not None and LICENSE in samples.column_names
    yield from _sums(folder, shards, made, {*beside, *((VIDEOS,) if licensed else ())}, full)


def listed_problems(path: Path, record: Record, row: Mapping[str, Any] | None) -> Problems:
    """Yields what is wrong between a shard's record and its row in shards.parquet."""
    facts = {
        "file": f"{record.shard}.tar",
        "bytes": record.bytes,
        "sha256": record.sha256,
        "samples": record.samples,
        "failures": record.failed,
    }
    wrong = [name for name, value in facts.items() if row is not None and row.get(name) != value]
    if wrong:
        yield Problem(
            path,
            f"not of the shard that {SHARDS} lists (another {', '.join(wrong)})",
            how_to_replace_both(path, SHARDS),
        )


def _samples(folder: Path, table: pa.Table, shards: Sequence[str], made: Records) -> Problems:
    """samples.parquet against the records: keys, failures, and every offset and size."""
    path = folder / SAMPLES
    numbers = pc.fill_null(pc.index_in(table["shard"], pa.array(shards, pa.string())), -1).to_numpy()
    if (numbers < 0).any():
        yield Problem(path, "has samples of shards that are not planned", how_to_replace(path))
    order = np.argsort(numbers, kind="stable")
    table, starts = table.take(order), np.searchsorted(numbers[order], np.arange(len(shards) + 1))
    for shard, start, end in zip(shards, starts, starts[1:], strict=False):
        if shard not in made:
            continue
        if fault := _wrong_rows(table.slice(start, end - start), Record.read(folder / f"{shard}.json")):
            yield Problem(path, f"disagrees with the record of shard {shard}: {fault}", how_to_replace(path))


def _wrong_rows(rows: pa.Table, record: Record) -> str:
    made = rows.filter(pc.is_null(rows["failure"]))
    failed = rows.filter(pc.is_valid(rows["failure"]))
    if made.num_rows != record.samples:
        return f"{made.num_rows} samples where it has {record.samples}"
    if failed["key"].to_pylist() != [failure["key"] for failure in record.failures]:
        return f"{failed.num_rows} failures where it has {len(record.failures)}, or others"
    if made["key"].to_pylist() != record.keys:
        return "other keys, or in another order"
    if lacking := [extension for extension in record.extensions if f"{extension}.offset" not in rows.column_names]:
        return f"it lacks the column {lacking[0]}.offset"
    extensions = [name.removesuffix(".offset") for name in rows.column_names if name.endswith(".offset")]
    for found, wanted in zip((made, failed), rows_of(record, extensions), strict=True):
        for name in wanted.column_names:
            if not found[name].combine_chunks().equals(wanted[name].combine_chunks()):
                return f"another {name}"
    return ""


def _counts(folder: Path, records: Sequence[Record]) -> Problems:
    """What timm and open_clip read against the records. Former versions had timm read shards without samples, too."""
    samples = {f"{record.shard}.tar": record.samples for record in records}
    splits = [_timm_split(samples), _timm_split({file: count for file, count in samples.items() if count})]
    for name in (INFO, SIZES):
        path = folder / name
        if not path.exists():
            continue
        try:
            found = parse_json(read_file(path, MAX_LISTING_BYTES), _most_values(len(records)))
            # Of that very split and no other: whoever asks for one by its name opens the files that it lists.
            right = found == samples if name == SIZES else found in [{"splits": {"train": split}} for split in splits]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            right = False
        if not right:
            yield Problem(path, "does not give the samples of each shard that the records do", how_to_replace(path))


def _timm_split(samples: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": "train",
        "num_samples": sum(samples.values()),
        "filenames": list(samples),
        "shard_lengths": list(samples.values()),
    }


def _described(folder: Path, shards: Sequence[str]) -> Problems:
    """Whether the Croissant file names files of this folder alone: tools that load by it would open others."""
    path = folder / CROISSANT
    if not path.exists():
        return
    try:
        places = list(
            _values(
                parse_json(read_file(path, MAX_LISTING_BYTES), _most_values(len(shards))), ("contentUrl", "includes")
            )
        )
    except (OSError, ValueError) as error:
        yield Problem(path, f"not a description in Croissant: {error}", how_to_replace(path))
        return
    for place in places:
        if not isinstance(place, str) or _leads_out(place):
            yield Problem(path, f"names {quoted(place)}, which is no file of this folder", how_to_replace(path))
            return


def _most_values(shards: int) -> int:
    """How many values a description of so many shards may have: some for each, and some for the columns."""
    return 2**16 + 64 * shards


def _values(value: Any, names: Sequence[str]) -> Iterator[Any]:
    """What stands under any of the names, anywhere in JSON-LD but in its context; the elements of lists one by one."""
    if isinstance(value, list):
        for part in value:
            yield from _values(part, names)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name in names:
                yield from part if isinstance(part, list) else [part]
            if name != "@context":
                yield from _values(part, names)


def _leads_out(place: str) -> bool:
    try:
        scheme = urlsplit(place).scheme
    except ValueError:
        return True
    if scheme in ("http", "https", "s3", "hf"):
        return False
    return bool(scheme) or place.startswith(("/", "~")) or "\\" in place or ".." in PurePosixPath(place).parts


def _sums(folder: Path, shards: Sequence[str], made: Records, beside: Collection[str], full: bool) -> Problems:
    """SHA256SUMS against the records, and in full against every file. Shards are compared where they are sound."""
    path = folder / SUMS
    if not path.exists():
        return
    expected = {f"{shard}{suffix}" for shard in shards for suffix in (".tar", ".json")} | {*MANIFEST, *beside} - {SUMS}
    if not (folder / SHEET).exists():
        expected -= {SHEET}
    try:
        sums = read_sums(path)
    except (OSError, ValueError) as error:
        yield Problem(path, f"not what `sha256sum -c` reads: {error}", how_to_replace(path))
        return
    if VIDEOS in sums or (folder / VIDEOS).exists():
        expected.add(VIDEOS)
    if VIDEOS in expected and not (folder / VIDEOS).exists():
        yield Problem(folder / VIDEOS, "missing", how_to_make(folder / VIDEOS))
    if set(sums) != expected:
        odd = min(set(sums) ^ expected)
        yield Problem(path, f"lists {quoted(odd)}" if odd in sums else f"lacks {odd}", how_to_replace(path))
    for shard, record in made.items():
        if sums.get(f"{shard}.tar", record.sha256) != record.sha256:
            yield Problem(path, f"has another sum for {shard}.tar than its record", how_to_replace(path))
    names = sorted(expected & set(sums) - {f"{shard}.json" for shard in shards if shard not in made}) if full else []
    for name in names:
        file = folder / name
        if name.endswith(".tar") or not file.exists():
            continue
        try:
            changed = file_sha256(file) != sums[name]
        except OSError as error:
            yield Problem(file, f"cannot be read ({error.strerror})", how_to_replace(file))
            continue
        if changed:
            yield Problem(
                file,
                f"changed since it was written (its sha256 is not the one in {SUMS})",
                how_to_replace_both(file, SUMS),
            )
