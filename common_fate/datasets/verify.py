"""Verification: whether a dataset, a column or a view is whole, and what to do about it where it is not.

Quick looks at names, sizes and counts, and at whether records and manifest agree; full reads and decodes every byte.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from common_fate.datasets.adopted import ADOPTED, read_adopted, shard_names
from common_fate.datasets.catalog import read_catalog, read_plan, shard_digests
from common_fate.errors import ShardError, UserError, printable
from common_fate.foreign.files import open_file, parse_json, read_file
from common_fate.manifest.tables import CARD, CROISSANT, INFO, SAMPLES, SHARDS, SIZES, SUMS, read_samples, read_shards
from common_fate.manifest.videos import VIDEOS, read_videos
from common_fate.progress import progress
from common_fate.shards.codecs import decode
from common_fate.shards.limits import MAX_LISTING_BYTES, quoted
from common_fate.shards.record import Record, file_sha256, record_path
from common_fate.shards.tar import walk
from common_fate.sharing.description import BESIDE, SHARE, SHEET, read_shared
from pipeline.downloads.record import DOWNLOADED, Downloads

PLAN, CATALOG, VIEWS = "plan.json", "catalog.parquet", "shards"
MANIFEST = (SAMPLES, SHARDS, INFO, SIZES, CROISSANT, CARD, SUMS)


Records = dict[str, Record]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file and what to do about it; `harmless` where no reader is led astray by it."""

    path: Path
    fault: str
    remedy: str
    harmless: bool = False

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.fault}: {self.remedy}")


Problems = Iterator[Problem]


def verify(folder: Path, full: bool) -> list[Problem]:
    """Checks a dataset (`results/NAME`), one of its columns, or a view, which may come from another lab.

    Args:
        full: also compare the sha256 of every file, read every header and decode every member.

    Raises:
        UserError: the folder is none of these, or its plan is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    if (folder / PLAN).exists():
        return list(_dataset(folder, full))
    if (shared := read_shared(folder)) and shared.frames:
        from common_fate.sharing.verify_columns import shared_columns  # which needs what is here

        return list(shared_columns(folder, shared, full))
    if _is_view(folder):
        return list(view_problems(folder, full, {}))
    if folder.name not in (VIEWS, DOWNLOADED) and (folder.resolve().parent / PLAN).exists():
        return list(_column(folder, full, {}))
    raise UserError(
        f"{folder}: not a dataset (it has no {PLAN}), not a column (no {PLAN} beside it), not a view (no {SHARDS})"
    )


def _is_view(folder: Path) -> bool:
    return folder.resolve().parent.name == VIEWS or any((folder / name).exists() for name in (SAMPLES, SHARDS, SHARE))


def _is_column(folder: Path) -> bool:
    """Whether a folder beside plan.json is a column: it has shards."""
    return (
        folder.name not in (VIEWS, DOWNLOADED)
        and folder.is_dir()
        and any(path.stem.isdecimal() and path.suffix in (".tar", ".json") for path in folder.iterdir())
    )


def _home(path: Path) -> Path | None:
    """The dataset's folder that a shard or a folder of shards belongs to; None where only a view was handed over."""
    return next((parent for parent in _real(path).parents[:3] if (parent / PLAN).exists()), None)


def _real(path: Path) -> Path:
    """Where links lead; `Path.resolve` raises where they lead round in a circle."""
    return Path(os.path.realpath(path))


def _dataset(folder: Path, full: bool) -> Problems:
    """Every column and view, and the chain: each shard was made from what stands there now."""
    columns = sorted(path for path in folder.iterdir() if _is_column(path))
    views = sorted(path for path in (folder / VIEWS).glob("*") if path.is_dir())
    made: dict[Path, Records] = {path: {} for path in (*columns, *views)}
    for column in columns:
        yield from _column(column, full, made[column])
    for view in views:
        yield from view_problems(view, full, made[view])
    digests = {column.name: {shard: record.sha256 for shard, record in made[column].items()} for column in columns}
    try:
        plan = read_plan(folder / PLAN)
        videos = read_catalog(folder / CATALOG, chain.from_iterable(plan))
        digests["source"] = dict(zip(_names(plan), shard_digests(plan, videos), strict=True))
    except UserError as error:
        yield Problem(folder / CATALOG, _fault(error, folder / CATALOG), "the shards cannot be compared with it")
    yield from _downloads(folder, digests)
    adopted = read_adopted(folder)
    for place, records in made.items():
        if adopted and str(place.relative_to(folder)) in adopted.given:
            continue  # made from what there was elsewhere
        for shard, record in records.items():
            yield from _chain(place / f"{shard}.tar", record, digests)


def _downloads(folder: Path, digests: dict[str, dict[str, str]]) -> Problems:
    """The records of what was downloaded, whose digests are added: frames are made from them."""
    digests[DOWNLOADED] = {}
    for path in sorted((folder / DOWNLOADED).glob("[0-9]*.json")):
        try:
            record = Downloads.read(path)
        except UserError as error:
            yield Problem(path, _fault(error, path), _replace(path))
            continue
        digests[DOWNLOADED][path.stem] = record.digest
        if digests.get("source", {}).get(path.stem, record.source) != record.source:
            yield Problem(path, "made from another choice of videos than there is now", _replace(path))


def _column(folder: Path, full: bool, made: Records) -> Problems:
    """The problems of a column; its sound records are put into `made`."""
    shards = shard_names(folder.resolve().parent)
    yield from _shards(folder, shards, full, made)
    yield from _strangers(folder, shards, ())


def view_problems(folder: Path, full: bool, made: Records) -> Problems:
    """The problems of a view and its manifest; its sound records are put into `made`."""
    beside = BESIDE if (folder / SHARE).exists() else ()
    for name in (*MANIFEST, *(name for name in beside if name != SHEET)):
        if not (folder / name).exists():
            yield Problem(folder / name, "missing", _make(folder / name))
    rows: dict[str, dict[str, Any]] = {}
    if (folder / SHARDS).exists():
        try:
            rows = _rows_by_shard(folder)
        except ShardError as error:
            yield Problem(folder / SHARDS, _fault(error, folder / SHARDS), _replace(folder / SHARDS))
    home = _home(folder)
    shards = list(rows) if home is None else shard_names(home)
    if rows and list(rows) != shards:
        yield Problem(folder / SHARDS, f"lists other shards than {PLAN} has", _replace(folder / SHARDS))
    yield from _shards(folder, shards, full, made)
    yield from _strangers(folder, shards, (*MANIFEST, VIDEOS, *beside))
    if home is None:
        yield from _links(folder)
    for shard in made:
        yield from _listed(folder / f"{shard}.json", made[shard], rows.get(shard))
    yield from _samples(folder, shards, made)
    yield from _videos(folder)
    if len(made) == len(shards):
        yield from _counts(folder, list(made.values()))
    yield from _described(folder, shards)
    yield from _sums(folder, shards, made, beside, full)


def _names(plan: Sequence[Any]) -> list[str]:
    return [f"{number:06d}" for number in range(len(plan))]


# What to do.


def _make(path: Path) -> str:
    home = _home(path)
    if home is None:
        return "fetch it again from where the view came from"
    if (home / ADOPTED).exists():
        return f"run `python -m pipeline adopt DIR --dataset {home.name}` again"
    # Snakemake makes nothing for a missing file that nothing else waits for, unless it is asked for by name.
    target = Path(home.parent.name) / _real(path).relative_to(home.parent)
    return f"run `snakemake --cores all {target}` to make it"


def _replace(path: Path) -> str:
    return _make(path) if _home(path) is None else f"delete it and {_make(path)} again"


def _fault(error: Exception, path: Path) -> str:
    """The message of an error without the path, which the problem's line already has."""
    return str(error).removeprefix(f"{path}: ")


# Shards.


def _shards(folder: Path, shards: Sequence[str], full: bool, made: Records) -> Problems:
    where = f"{'reading' if full else 'checking'} {folder.name}"
    for shard in progress(shards, len(shards), where):
        yield from _shard(folder / f"{shard}.tar", full, made)


def _shard(tar: Path, full: bool, made: Records) -> Problems:
    """At most one problem a shard: what is wrong with it first."""
    path = record_path(tar)
    if not tar.exists():
        also = ", though its record is there" if path.exists() else ""
        yield Problem(tar, f"missing{also}", _make(tar))
        return
    if not tar.is_file():
        yield Problem(tar, "not a file but a folder, a pipe or a device", _replace(tar))
        return
    try:
        record = Record.read(path)
    except ShardError as error:
        yield Problem(path, _fault(error, path), _replace(path) if path.exists() else _make(path))
        return
    if fault := _foreign(tar, record):
        yield Problem(tar, fault, _replace(tar))
        return
    made[tar.stem] = replace(record, keys=[], sizes=[])  # those of millions of samples would fill the memory
    try:
        fault = _wrong_size(tar, record) or (_damage(tar, record) if full else "")
    except OSError as error:
        yield Problem(tar, f"cannot be read ({error.strerror})", "see to its permissions and to the disk")
        return
    if fault:
        yield Problem(tar, fault, _replace(tar))


def _foreign(tar: Path, record: Record) -> str:
    if record.shard != tar.stem:
        return f"foreign: by its record this is shard {record.shard!r}"
    if _home(tar) is not None and record.stage != _real(tar).parent.name:
        return f"foreign: by its record this is a shard of {record.stage!r}"
    return ""


def _wrong_size(tar: Path, record: Record) -> str:
    with open_file(tar) as file:
        size = os.fstat(file.fileno()).st_size
    if size == record.bytes:
        return ""
    return "empty" if size == 0 else f"has {size} bytes where its record says {record.bytes}: cut off or replaced"


def _damage(tar: Path, record: Record) -> str:
    """What reading every byte finds wrong."""
    changed = file_sha256(tar) != record.sha256
    fault = _wrong_member(tar, record)
    if changed:
        return f"changed since it was written (its sha256 is not its record's), {fault or 'though it still decodes'}"
    return fault


def _wrong_member(tar: Path, record: Record) -> str:
    """The first member that is not where and what the record says, or does not decode."""
    wanted = (
        (f"{key}.{extension}", offset, size, extension)
        for key, offsets, sizes in zip(record.keys, record.offsets(), record.sizes, strict=True)
        for extension, offset, size in zip(record.extensions, offsets, sizes, strict=True)
    )
    with open_file(tar) as file:
        try:
            for found, member in zip_longest(walk(file), wanted):
                if found is None or member is None or found != member[:3]:
                    return f"holds {found and found[0]!r} where its record has {member and member[0]!r}"
                name, offset, size, extension = member
                file.seek(offset)
                if fault := _undecodable(extension, file.read(size)):
                    return f"{name!r} does not decode: {fault}"
        except ValueError as error:
            return str(error)
    return ""


def _undecodable(extension: str, data: bytes) -> str:
    try:
        decode(extension, data)
    except ValueError as error:
        return str(error)
    return ""


def _strangers(folder: Path, shards: Sequence[str], others: Sequence[str]) -> Problems:
    """Files that are neither planned shards nor of the manifest."""
    known = {f"{shard}{suffix}" for shard in shards for suffix in (".tar", ".json")} | set(others)
    for path in sorted(folder.iterdir()):
        if path.name in known or path.name == ".snakemake_timestamp":
            continue
        if path.suffix == ".tmp":
            yield Problem(path, "left over from a run that was killed", "delete it once no run is going on", True)
        elif path.suffix == ".tar":
            yield Problem(path, "foreign: no such shard is planned", "delete it and its record")
        elif not path.with_suffix(".tar").exists():
            yield Problem(path, "does not belong here", "delete it, or move it elsewhere", path.suffix != ".json")


def _links(folder: Path) -> Problems:
    """Links out of a folder from elsewhere. What they lead to is read only where it is just what the records say."""
    inside = _real(folder)
    for path in sorted(path for path in folder.iterdir() if path.is_symlink()):
        if inside not in _real(path).parents:
            yield Problem(
                path, f"a link out of the folder, to {quoted(os.readlink(path))}", "copy the file itself", True
            )


def _chain(tar: Path, record: Record, digests: Mapping[str, Mapping[str, str]]) -> Problems:
    """Whether the shard was made from what is there now; a column that was deleted to save space is not missed."""
    for name, digest in record.inputs.items():
        if digests.get(name, {}).get(tar.stem, digest) != digest:
            made_from = {"source": "choice of videos", VIDEOS: "download"}.get(name, f"{name}/{tar.name}")
            yield Problem(tar, f"made from another {made_from} than there is now", _replace(tar))


# The manifest.


def _rows_by_shard(folder: Path) -> dict[str, dict[str, Any]]:
    """shards.parquet by shard."""
    return {row["shard"]: row for row in read_shards(folder).to_pylist()}


def _listed(path: Path, record: Record, row: Mapping[str, Any] | None) -> Problems:
    """A shard against its row in shards.parquet."""
    facts = {
        "file": f"{record.shard}.tar",
        "bytes": record.bytes,
        "sha256": record.sha256,
        "samples": record.samples,
        "failures": len(record.failures),
    }
    wrong = [name for name, value in facts.items() if row is not None and row.get(name) != value]
    if wrong:
        yield Problem(path, f"not of the shard that {SHARDS} lists (another {', '.join(wrong)})", _both(path, SHARDS))


def _both(path: Path, name: str) -> str:
    listing = path.with_name(name)
    return _make(listing) if _home(path) is None else f"delete both and {_make(listing)} again"


def _samples(folder: Path, shards: Sequence[str], made: Records) -> Problems:
    """samples.parquet against the records: keys, failures, and every offset and size."""
    path = folder / SAMPLES
    if not path.exists():
        return
    try:
        table = read_samples(folder)
        numbers = pc.fill_null(pc.index_in(table["shard"], pa.array(shards, pa.string())), -1).to_numpy()
        if (numbers < 0).any():
            yield Problem(path, "has samples of shards that are not planned", _replace(path))
        order = np.argsort(numbers, kind="stable")
        table, starts = table.take(order), np.searchsorted(numbers[order], np.arange(len(shards) + 1))
        for shard, start, end in zip(shards, starts, starts[1:], strict=False):
            if shard not in made:
                continue
            if fault := _wrong_rows(table.slice(start, end - start), Record.read(folder / f"{shard}.json")):
                yield Problem(path, f"disagrees with the record of shard {shard}: {fault}", _replace(path))
    except (ShardError, KeyError, pa.ArrowException) as error:
        yield Problem(path, _fault(error, path), _replace(path))


def _videos(folder: Path) -> Problems:
    """videos.parquet, which manifests of former versions lack."""
    if not (folder / VIDEOS).exists():
        return
    try:
        read_videos(folder)
    except ShardError as error:
        yield Problem(folder / VIDEOS, _fault(error, folder / VIDEOS), _replace(folder / VIDEOS))


def _wrong_rows(rows: pa.Table, record: Record) -> str:
    made = rows.filter(pc.is_null(rows["failure"]))
    failed = rows.filter(pc.is_valid(rows["failure"]))
    if made.num_rows != record.samples:
        return f"{made.num_rows} samples where it has {record.samples}"
    if failed["key"].to_pylist() != [failure["key"] for failure in record.failures]:
        return f"{failed.num_rows} failures where it has {len(record.failures)}, or others"
    if made["key"].to_pylist() != record.keys:
        return "other keys, or in another order"
    for what, values in (("offset", record.offsets()), ("size", record.sizes)):
        wanted = np.array(values, np.int64).reshape(record.samples, len(record.extensions))
        for column, extension in enumerate(record.extensions):
            if not np.array_equal(made[f"{extension}.{what}"].to_numpy(), wanted[:, column]):
                return f"another {extension}.{what}"
    return ""


def _counts(folder: Path, records: Sequence[Record]) -> Problems:
    """What timm and open_clip read against the records."""
    samples = {f"{record.shard}.tar": record.samples for record in records}
    split = {
        "num_samples": sum(samples.values()),
        "filenames": list(samples),
        "shard_lengths": list(samples.values()),
    }
    for name in (INFO, SIZES):
        path = folder / name
        if not path.exists():
            continue
        try:
            found = parse_json(read_file(path, MAX_LISTING_BYTES), _most_values(len(records)))
            right = found == samples if name == SIZES else split.items() <= found["splits"]["train"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            right = False
        if not right:
            yield Problem(path, "does not give the samples of each shard that the records do", _replace(path))


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
        yield Problem(path, f"not a description in Croissant: {error}", _replace(path))
        return
    for place in places:
        if not isinstance(place, str) or _leads_out(place):
            yield Problem(path, f"names {quoted(place)}, which is no file of this folder", _replace(path))
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


def _sums(folder: Path, shards: Sequence[str], made: Records, beside: Sequence[str], full: bool) -> Problems:
    """SHA256SUMS against the records, and in full against every file. Shards are compared where they are sound."""
    path = folder / SUMS
    if not path.exists():
        return
    expected = {f"{shard}{suffix}" for shard in shards for suffix in (".tar", ".json")} | {*MANIFEST, *beside} - {SUMS}
    if not (folder / SHEET).exists():
        expected -= {SHEET}
    try:
        data = read_file(path, MAX_LISTING_BYTES)
        if data.count(b"\n") > _most_values(len(shards)):
            raise ValueError("more lines than there are files of a view")
        sums = {name: digest for digest, name in (line.split("  ") for line in data.decode().split("\n")[:-1])}
    except (OSError, ValueError):
        yield Problem(path, "not what `sha256sum -c` reads", _replace(path))
        return
    if VIDEOS in sums or (folder / VIDEOS).exists():
        expected.add(VIDEOS)
    if VIDEOS in sums and not (folder / VIDEOS).exists():
        yield Problem(folder / VIDEOS, "missing", _make(folder / VIDEOS))
    if set(sums) != expected:
        odd = min(set(sums) ^ expected)
        yield Problem(path, f"lists {quoted(odd)}" if odd in sums else f"lacks {odd}", _replace(path))
    for shard, record in made.items():
        if sums.get(f"{shard}.tar", record.sha256) != record.sha256:
            yield Problem(path, f"has another sum for {shard}.tar than its record", _replace(path))
    names = sorted(expected & set(sums) - {f"{shard}.json" for shard in shards if shard not in made}) if full else []
    for name in names:
        file = folder / name
        if name.endswith(".tar") or not file.exists():
            continue
        try:
            changed = file_sha256(file) != sums[name]
        except OSError as error:
            yield Problem(file, f"cannot be read ({error.strerror})", _replace(file))
            continue
        if changed:
            yield Problem(
                file, f"changed since it was written (its sha256 is not the one in {SUMS})", _both(file, SUMS)
            )
