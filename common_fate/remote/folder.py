"""A view's folder, here or on another machine: its tables as local files, its shards opened one by one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath

from common_fate.errors import ShardError
from common_fate.foreign.files import open_file
from common_fate.manifest import sums
from common_fate.manifest.samples import SAMPLES
from common_fate.manifest.shards import SHARDS
from common_fate.manifest.sums import MAX_SUMS_BYTES, SUMS
from common_fate.remote.address import checked_address, is_address
from common_fate.remote.cache import Cache
from common_fate.remote.fetch_file import fetch_file
from common_fate.shards.files import write_atomic
from common_fate.shards.record import file_sha256, text_digest


@dataclass(frozen=True)
class Folder:
    """A view's folder.

    `name` is what it is called in messages: its path or address. `manifest` is a folder of this machine that has its
    tables and SHA256SUMS; without a `cache`, it has the shards, too.
    """

    name: str
    manifest: Path
    cache: Cache | None = None

    def __str__(self) -> str:
        return self.name

    def open(self, shard: str, size: int, sha256: str, *, check: bool = False) -> BufferedReader:
        """Opens a shard to be read; of one that is far away a copy, see `Cache.open`.

        Raises:
            OSError: it cannot be opened here.
            ShardError, UserError: it cannot be fetched.
        """
        if self.cache is None:
            return open_file(self.manifest / f"{shard}.tar")
        return self.cache.open(f"{self.name}/{shard}.tar", sha256, size, check=check)

    def drop_damaged(self, sha256: str) -> bool:
        """Deletes a shard's copy if it is a damaged one; returns whether that was so. See `Cache.drop_damaged`."""
        return self.cache is not None and self.cache.drop_damaged(sha256)


def open_folder(place: str | Path, cache: Cache | None = None, tables: Sequence[str] = (SAMPLES, SHARDS)) -> Folder:
    """Opens a view's folder by its path or address (`https://`, `http://`, `s3://`).

    Of an address the `tables` are fetched, unless the cache has those that its SHA256SUMS lists now.

    Raises:
        UserError: the address is none, or cannot be read.
        ShardError: it is not a view's, or a table is not what SHA256SUMS says.
    """
    text = str(place).rstrip("/")
    if not is_address(text):
        return Folder(text, Path(re.sub("^file:(//)?", "", text)))
    address, cache = checked_address(text), cache or Cache()
    listing = cache.text(f"{address}/{SUMS}", MAX_SUMS_BYTES)
    listed = parse_sums(listing, f"{address}/{SUMS}")
    digest = text_digest(listing)
    manifest = cache.folder / "manifests" / digest
    with cache.alone(digest):
        for table in tables:
            if table not in listed:
                raise ShardError(f"{address}/{SUMS}: does not list {table}: give the address of a view's folder")
            if not _has(manifest / table, listed[table]):
                fetch_file(f"{address}/{table}", manifest / table, listed[table], patience=cache.patience)
        write_atomic(manifest / SUMS, listing.encode())
    return Folder(address, manifest, cache)


def _has(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path) == sha256
    except OSError:
        return False


def parse_sums(listing: str, where: str) -> dict[str, str]:
    """Returns the sums of SHA256SUMS by file.

    Raises:
        ShardError: it is not what `sha256sum -c` reads, or a name could lead out of the folder.
    """
    try:
        found = sums.parse_sums(listing)
    except ValueError as error:
        raise ShardError(f"{where}: not what `sha256sum -c` reads: {error}") from None
    if odd := [name for name in found if not _stays_inside(name)]:
        raise ShardError(f"{where}: lists {odd[0][:80]!r}, which is refused: not a plain name within the folder")
    return found


def _stays_inside(name: str) -> bool:
    """Whether a name is one of letters, digits, `_`, `.` and `-`, or several of them, none hidden or a way up."""
    return (
        all(re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.-]*", part) for part in name.split("/"))
        and str(PurePosixPath(name)) == name
    )
