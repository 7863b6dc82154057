"""Whether each shard is there, whole, and what its record says; and what else lies beside them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from common_fate.datasets.download_records import DOWNLOADED
from common_fate.datasets.verify.problems import (
    Problem,
    Problems,
    Records,
    fault_of,
    home_of,
    how_to_make,
    how_to_replace,
    real_path,
)
from common_fate.errors import ShardError
from common_fate.foreign.files import open_file
from common_fate.progress import progress
from common_fate.shards.codecs import decode
from common_fate.shards.fit import Fit
from common_fate.shards.record import Record, file_sha256, record_path
from common_fate.shards.tar import walk


def shards_problems(folder: Path, shards: Sequence[str], full: bool, made: Records) -> Problems:
    """Yields what is wrong with each planned shard; the records of sound ones are put into `made`."""
    where = f"{'reading' if full else 'checking'} {folder.name}"
    for shard in progress(shards, len(shards), where):
        yield from _shard(folder / f"{shard}.tar", full, made)


def _shard(tar: Path, full: bool, made: Records) -> Problems:
    """At most one problem a shard: what is wrong with it first."""
    path = record_path(tar)
    if not tar.exists():
        also = ", though its record is there" if path.exists() else ""
        yield Problem(tar, f"missing{also}", how_to_make(tar))
        return
    if not tar.is_file():
        yield Problem(tar, "not a file but a folder, a pipe or a device", how_to_replace(tar))
        return
    try:
        record = Record.read(path)
    except ShardError as error:
        yield Problem(path, fault_of(error, path), how_to_replace(path) if path.exists() else how_to_make(path))
        return
    if fault := _foreign(tar, record):
        yield Problem(tar, fault, how_to_replace(tar))
        return
    made[tar.stem] = replace(record, keys=[], sizes=[])  # those of millions of samples would fill the memory
    try:
        fault = _wrong_size(tar, record) or (_damage(tar, record) if full else "")
    except OSError as error:
        yield Problem(tar, f"cannot be read ({error.strerror})", "see to its permissions and to the disk")
        return
    if fault:
        yield Problem(tar, fault, how_to_replace(tar))


def _foreign(tar: Path, record: Record) -> str:
    if record.shard != tar.stem:
        return f"foreign: by its record this is shard {record.shard!r}"
    if home_of(tar) is not None and record.stage != real_path(tar).parent.name:
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
    """The first member that is not where and what the record says, does not decode, or does not fit its sample."""
    wanted = (
        (key, extension, offset, size)
        for key, offsets, sizes in zip(record.keys, record.offsets(), record.sizes, strict=True)
        for extension, offset, size in zip(record.extensions, offsets, sizes, strict=True)
    )
    with open_file(tar) as file:
        fit = Fit("")
        try:
            for found, member in zip_longest(walk(file), wanted):
                name = member and f"{member[0]}.{member[1]}"
                if found is None or member is None or found != (name, *member[2:]):
                    return f"holds {found and found[0]!r} where its record has {name!r}"
                key, extension, offset, size = member
                file.seek(offset)
                fit = Fit(key) if extension == record.extensions[0] else fit
                if fault := _undecodable(extension, file.read(size), fit):
                    return f"{name!r} does not decode: {fault}"
                if extension == record.extensions[-1] and (fault := _unfit(fit)):
                    return f"the members of {key!r} do not fit each other: {fault}"
        except ValueError as error:
            return str(error)
    return ""


def _undecodable(extension: str, data: bytes, fit: Fit) -> str:
    try:
        fit.add(extension, decode(extension, data))
    except ValueError as error:
        return str(error)
    return ""


def _unfit(fit: Fit) -> str:
    try:
        fit.check()
    except ValueError as error:
        return str(error)
    return ""


def strangers(folder: Path, shards: Sequence[str], others: Sequence[str]) -> Problems:
    """Yields files that are neither planned shards nor of the manifest."""
    known = {f"{shard}{suffix}" for shard in shards for suffix in (".tar", ".json")} | set(others)
    for path in sorted(folder.iterdir()):
        if path.name in known or path.name == ".snakemake_timestamp":
            continue
        if path.suffix == ".tmp":
            yield Problem(path, "left over from a run that was killed", "delete it once no run is going on", True)
        elif path.suffix == ".tar":
            yield Problem(path, "foreign: no such shard is planned", "delete it and its record")
        elif path.suffix != ".json" or not path.with_suffix(".tar").exists():  # whose tar is told of
            # What others find by a shard's name would go with it.
            harmless = path.suffix != ".json" and path.name.partition(".")[0] not in shards
            yield Problem(path, "does not belong here", "delete it, or move it elsewhere", harmless)


def chain_problems(tar: Path, record: Record, digests: Mapping[str, Mapping[str, str]]) -> Problems:
    """Yields where a shard was not made from what is there now; a column deleted to save space is not missed."""
    for name, digest in record.inputs.items():
        if digests.get(name, {}).get(tar.stem, digest) != digest:
            made_from = {"source": "choice of videos", DOWNLOADED: "download"}.get(name, f"{name}/{tar.name}")
            yield Problem(tar, f"made from another {made_from} than there is now", how_to_replace(tar))
