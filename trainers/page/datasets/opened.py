"""Views that are open: what their manifests say, in arrays, so that any of very many samples is found at once."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common_fate.datasets.reasons import counted_as
from common_fate.errors import ShardError, UserError
from common_fate.foreign.parquet import ParquetFile, opened
from common_fate.manifest.samples import SAMPLES, read_samples
from common_fate.manifest.shards import SHARDS, read_shards
from common_fate.shards.limits import SHARD, quoted
from trainers.page.datasets.listing import how_far, view_folder
from trainers.page.site import Site

MOST_ROWS = 2**20
"""Of all views that are open, some 200 bytes each; a view with more is not opened."""


@dataclass(frozen=True)
class View:
    """An opened view. Its rows are the samples in the order of the manifest, and after them the failures.

    Args:
        dataset, name: what it is called.
        folder: with links resolved.
        version: other where its manifest is another.
        keys: `(R,)`, of a failure the run of frames or the video that it is of.
        video: `(R,)`, into `videos`.
        shard: `(R,)`, into `shards`; of failures, too.
        reason: `(R,)`, into `reasons`, which are a stage and what it said; -1 where the sample was made.
        told: for each of `reasons`, as what it is counted.
        made: how many rows are samples.
        extensions: the members of a sample.
        offsets, sizes: `(made, M)`, bytes in the shard's tar.
    """

    dataset: str
    name: str
    folder: Path
    version: str
    keys: pa.Array
    video: NDArray[np.int32]
    videos: list[str]
    shard: NDArray[np.int32]
    shards: list[str]
    reason: NDArray[np.int32]
    reasons: list[tuple[str, str]]
    told: list[str]
    made: int
    extensions: list[str]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)

    def key(self, row: int) -> str:
        """Returns the key of a row."""
        return str(self.keys[row].as_py())

    def row(self, key: str) -> int:
        """Returns the first row that has a key. Raises UserError where there is none."""
        row = int(pc.index(self.keys, key).as_py())
        if row < 0:
            raise UserError(f"{self.dataset} {self.name} has no sample {quoted(key)} (any more)")
        return row


class Views:
    """Opens views, and keeps the last ones open as far as their rows are few enough together."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._open: OrderedDict[Path, View] = OrderedDict()
        self._lock = threading.Lock()

    def view(self, dataset: str, name: str) -> View:
        """Returns a view, as its manifest is now.

        Raises:
            UserError: there is none, or it has too many rows for a page.
            ShardError: its manifest is damaged.
        """
        folder = view_folder(self._site, dataset, name)
        if unfinished := how_far(self._site, folder):
            raise UserError(f"{dataset} {name} {unfinished}")
        version = _version(self._site.inside(folder / SAMPLES), self._site.inside(folder / SHARDS))
        with self._lock:
            known = self._open.get(folder)
            if known is None or known.version != version:
                self._open.pop(folder, None)
                self._make_room(_rows(folder, dataset, name))
                known = self._open[folder] = _opened(dataset, name, folder, version)
            self._open.move_to_end(folder)
            return known

    def _make_room(self, rows: int) -> None:
        while self._open and sum(map(len, self._open.values())) + rows > MOST_ROWS:
            self._open.popitem(last=False)


def _version(*paths: Path) -> str:
    try:
        facts = [path.stat() for path in paths]
    except OSError as error:
        raise UserError(f"{paths[0].parent}: its manifest cannot be read: {error.strerror}") from error
    return "-".join(f"{fact.st_mtime_ns:x}.{fact.st_size:x}" for fact in facts)


def _rows(folder: Path, dataset: str, name: str) -> int:
    """How many rows a view has at most: what failed may stand in runs."""
    table = read_shards(folder)
    rows = sum(table["samples"].to_pylist())
    if rows > MOST_ROWS:
        raise UserError(
            f"{dataset} {name} has {rows:,} samples, and the page opens views of up to {MOST_ROWS:,}: "
            "look at a part of it, made with python -m common_fate split"
        )
    return rows


def _opened(dataset: str, name: str, folder: Path, version: str) -> View:
    where = f"{folder}/{SAMPLES}"
    _check_size(folder / SAMPLES, where)
    table = read_samples(folder)
    failed = pc.is_valid(table["failure"])
    made = table.num_rows - int(pc.sum(failed).as_py() or 0)
    order = pa.concat_arrays([pc.indices_nonzero(mask).cast(pa.int64()) for mask in (pc.invert(failed), failed)])
    table = table.take(order)
    extensions = [column.removesuffix(".offset") for column in table.column_names if column.endswith(".offset")]
    if any(table[name].null_count for name in ("key", "video", "shard")):
        raise ShardError(f"{where}: a row lacks its key, its video or its shard")
    (videos, video), (shards, shard) = _coded(table["video"]), _coded(table["shard"])
    if odd := [one for one in shards if not SHARD.fullmatch(one)]:
        raise ShardError(f"{where}: {quoted(odd[0])} does not name a shard")
    reasons, reason = _reasons(table.slice(made))
    told = counted_as(said for _, said in reasons)
    return View(
        dataset=dataset,
        name=name,
        folder=folder,
        version=version,
        keys=table["key"].cast(pa.large_string()).combine_chunks(),
        video=video,
        videos=videos,
        shard=shard,
        shards=shards,
        reason=np.concatenate([np.full(made, -1, np.int32), reason]),
        reasons=reasons,
        told=[f"{stage}: {told[said]}" for stage, said in reasons],
        made=made,
        extensions=extensions,
        offsets=_numbers(table, extensions, "offset", made, where),
        sizes=_numbers(table, extensions, "size", made, where),
    )


def _check_size(path: Path, where: str) -> None:
    """Raises UserError where there are more rows than the samples that shards.parquet has, and as many failures."""
    try:
        with opened(path) as file:
            ParquetFile(file, 2 * MOST_ROWS)
    except (OSError, ValueError) as error:
        raise UserError(f"{where}: is damaged, or too large to look at here: {error}") from error


def _coded(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int32]]:
    """The values of a column, and of each row which it is."""
    coded = column.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), np.asarray(coded.indices.to_numpy(), np.int32)


def _reasons(failed: pa.Table) -> tuple[list[tuple[str, str]], NDArray[np.int32]]:
    pairs = list(zip(failed["stage"].to_pylist(), failed["failure"].to_pylist(), strict=True))
    numbers: dict[tuple[str, str], int] = {}
    rows = [numbers.setdefault((stage or "", reason), len(numbers)) for stage, reason in pairs]
    return list(numbers), np.array(rows, np.int32)


def _numbers(table: pa.Table, extensions: list[str], what: str, made: int, where: str) -> NDArray[np.int64]:
    found = np.empty((made, len(extensions)), np.int64)
    for place, extension in enumerate(extensions):
        column = table[f"{extension}.{what}"].slice(0, made)
        if column.null_count:
            raise ShardError(f"{where}: a sample that was made lacks its place")
        found[:, place] = column.to_numpy()
    return found
