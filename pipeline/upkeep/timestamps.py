"""Time stamps that would mislead Snakemake, put right before it plans: it takes what is newer for what is changed."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from common_fate.datasets.download_records import DOWNLOADED
from common_fate.errors import ShardError, UserError
from common_fate.shards.record import Record, file_sha256, record_path
from pipeline.config.load import Dataset
from pipeline.downloads.record import Downloads
from pipeline.downloads.stored_videos import record_of
from pipeline.registry import STAGES, VIEWS
from pipeline.stages.runner import SOURCE


def none_ahead(folder: Path) -> None:
    """Sets time stamps that lie in the future to now: a clock was wrong, and nothing made from them would be newer."""
    now = time.time()
    for entry in _files(folder):
        with suppress(OSError):  # gone meanwhile, or another's file: then Snakemake says what it thinks of it
            if entry.stat().st_mtime > now:
                os.utime(entry.path, (now, now))


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry


def in_order(folder: Path, dataset: Dataset, digests: Sequence[str]) -> None:
    """Dates a shard that is older than its inputs like the newest of them, if its record proves that it was made from
    them, and as it would be made today. So a copy that left time stamps in any order redoes no shard.

    Args:
        folder: results/NAME.
        digests: of each shard's part of the catalog, as `shard_digests` has them.
    """
    for number, digest in enumerate(digests):
        name = f"{number:06d}.tar"
        for column in dataset.columns:
            stage = STAGES[column]
            inputs = {read: folder / read / name for read in stage.reads if read != SOURCE}
            known = {SOURCE: digest} if SOURCE in stage.reads else {}
            record = record_of(folder, name.removesuffix(".tar")) if known and dataset.downloading else None
            weights = dataset.weights(column)
            _refresh(folder / column / name, inputs, known, stage.version, dataset.options(column), record, weights)
        for view in dataset.views:
            inputs = {column: folder / column / name for column in VIEWS[view].columns}
            options = {column: dataset.options(column) for column in inputs}
            _refresh(folder / "shards" / view / name, inputs, {}, VIEWS[view].version, options)


def _of_its_size(tar: Path) -> Record:
    record = Record.read(record_path(tar))
    if tar.stat().st_size != record.bytes:
        raise ShardError(f"{tar}: not the size that its record says")
    return record


def _refresh(
    tar: Path,
    inputs: Mapping[str, Path],
    known: Mapping[str, str],
    version: int,
    options: Mapping[str, Any],
    downloads: Path | None = None,
    weights: Sequence[Path] = (),
) -> None:
    files = (tar, record_path(tar))
    try:
        made_from = [*inputs.values(), *weights, *([downloads] if downloads else [])]
        newest = max((path.stat().st_mtime_ns for path in made_from), default=0)
        if newest <= min(file.stat().st_mtime_ns for file in files):
            return
        record = _of_its_size(tar)
        digests = {name: _of_its_size(path).sha256 for name, path in inputs.items()}
        if downloads:
            digests[DOWNLOADED] = Downloads.read(downloads).digest
        # Options were written as JSON.
        wanted = (version, json.loads(json.dumps(options)), {**digests, **known})
        same_weights = all(file_sha256(path) in record.provenance.values() for path in weights)
        if (record.version, record.options, record.inputs) == wanted and same_weights:
            for file in files:
                os.utime(file, ns=(newest, newest))
    except (OSError, UserError):
        return  # something is missing or damaged: it is made again, or what reads it says so
