"""Copies of whole folders from other machines, and whether what they share is all there."""

from pathlib import Path

from common_fate.errors import ShardError
from common_fate.manifest.shards import SHARDS, read_shards
from common_fate.manifest.sums import MAX_SUMS_BYTES, SUMS
from common_fate.progress import progress
from common_fate.remote.address import checked_address
from common_fate.remote.cache import Cache
from common_fate.remote.fetch_file import Patience, fetch_file, remote_size
from common_fate.remote.folder import open_folder, parse_sums
from common_fate.shards.files import remove, write_atomic
from common_fate.shards.folders import alone
from common_fate.shards.record import Record, file_sha256, text_digest


def fetch(place: str, to: Path, patience: Patience) -> int:
    """Copies every file that an address's SHA256SUMS lists; returns how many were fetched.

    What is there already and has the right sum stays, and what was interrupted is taken up where it stopped. SHA256SUMS
    comes last: where it stands, the copy is whole.

    Raises:
        UserError: the address cannot be read, the folder not be written, or another command is writing it.
        ShardError: it lists no sums, or a file is not what they say.
    """
    address = checked_address(place)
    fetched = 0
    with alone(to):
        listing = Cache(patience=patience).text(f"{address}/{SUMS}", MAX_SUMS_BYTES)
        sums = parse_sums(listing, f"{address}/{SUMS}")
        if (to / SUMS).exists() and not _has(to / SUMS, text_digest(listing)):
            remove(to / SUMS)
        # Records before tars: they say how large a tar may be.
        names = sorted(sums, key=lambda name: (name.endswith(".tar"), name))
        for name in progress(names, len(names), f"fetch {to.name} (files)"):
            if not _has(to / name, sums[name]):
                size = _tar_bytes(to / name, address) if name.endswith(".tar") else None
                fetch_file(f"{address}/{name}", to / name, sums[name], size, patience=patience)
                fetched += 1
        write_atomic(to / SUMS, listing.encode())
    return fetched


def faults(place: str, cache: Cache) -> list[str]:
    """Returns what is wrong with a view at an address, by its manifest and by the sizes that the server says; a line
    each.

    Raises:
        UserError: the address cannot be read.
        ShardError: its manifest is damaged.
    """
    folder = open_folder(place, cache, (SHARDS,))
    try:
        rows = read_shards(folder.manifest).select(["shard", "bytes"]).to_pylist()
    except KeyError as error:
        raise ShardError(f"{folder}/{SHARDS}: not a manifest: {error.args[0]}") from error
    found = []
    for row in progress(rows, len(rows), "check (shards)"):
        address = f"{folder}/{row['shard']}.tar"
        try:
            size = remote_size(address, cache.patience)
            if size not in (None, row["bytes"]):
                found.append(f"{address}: has {size} bytes, the manifest says {row['bytes']}")
        except ShardError as error:
            found.append(str(error))
    return found


def _has(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _tar_bytes(tar: Path, address: str) -> int:
    """What the record, which came before, says."""
    try:
        return Record.read(tar.with_suffix(".json")).bytes
    except ShardError as error:
        raise ShardError(f"{address}: its record of {tar.name} cannot be used: {error}") from error
