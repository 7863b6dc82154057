"""The members of one sample, by their places: nothing of a shard is read but what is asked for."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common_fate.errors import ShardError, UserError
from common_fate.foreign.files import open_file
from common_fate.shards.codecs import decode
from common_fate.shards.flow_coding import decode_flow, encode_flow
from common_fate.shards.limits import check_size
from common_fate.shards.record import Record, record_path
from common_fate.shards.tar import BLOCK, header
from trainers.page.datasets.opened import View
from trainers.page.site import Site

BESIDE = {"truth": "truth.", "masks": "masks."}
"""Columns whose members are shown beside a view's own, and the prefix that they get: what is known exactly."""
OF_FAILURES = {"frames": ""}
"""The column that shows what failed."""
MOST_RECORDS = 4


@dataclass(frozen=True)
class Places:
    """Where the members of a column's shard lie: `rows` by key, `offsets` and `sizes` `(N, M)`."""

    tar: Path
    extensions: list[str]
    rows: Mapping[str, int]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]


class Reader:
    """Reads members of views, and of the columns beside them. Any number of threads may read."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._places: OrderedDict[tuple[Path, int], Places] = OrderedDict()
        self._lock = threading.Lock()

    def extensions(self, view: View, row: int) -> list[str]:
        """Returns what a sample is made of, and what the columns beside it have of it; of a failure, its frame."""
        own = view.extensions if row < view.made else []
        beside = [f"{prefix}{name}" for prefix, places in self._beside(view, row) for name in places.extensions]
        return list(dict.fromkeys([*own, *beside]))

    def member(self, view: View, row: int, extension: str) -> Any:
        """Returns a member, decoded; see `common_fate.shards.codecs.decode`.

        Raises:
            UserError: the sample has none of that name.
            ShardError: it, or its shard, is damaged or missing.
        """
        key, shard = view.key(row), view.shards[view.shard[row]]
        if row < view.made and extension in view.extensions:
            place = view.extensions.index(extension)
            tar = self._site.inside(view.folder / f"{shard}.tar")
            return _read(tar, key, extension, extension, int(view.offsets[row, place]), int(view.sizes[row, place]))
        for prefix, places in self._beside(view, row):
            name = extension.removeprefix(prefix)
            if extension.startswith(prefix) and name in places.extensions:
                at = places.rows[key], places.extensions.index(name)
                return _read(places.tar, key, name, extension, int(places.offsets[at]), int(places.sizes[at]))
        raise UserError(f"{view.dataset} {view.name}: {key} has no {extension}")

    def _beside(self, view: View, row: int) -> Iterator[tuple[str, Places]]:
        """The shards of other columns of the dataset that have this sample: theirs have the same numbers."""
        columns = BESIDE if row < view.made else OF_FAILURES
        for column, prefix in columns.items():
            tar = view.folder.parents[1] / column / f"{view.shards[view.shard[row]]}.tar"
            if not record_path(tar).exists():
                continue
            places = self._of_shard(self._site.inside(tar), self._site.inside(record_path(tar)))
            if view.key(row) in places.rows:
                yield prefix, places

    def _of_shard(self, tar: Path, record: Path) -> Places:
        key = (record, record.stat().st_mtime_ns)
        with self._lock:
            if key not in self._places:
                found = Record.read(record)
                shape = (found.samples, len(found.extensions))
                offsets, sizes = (np.array(of, np.int64).reshape(shape) for of in (found.offsets(), found.sizes))
                rows = {name: row for row, name in enumerate(found.keys)}
                self._places[key] = Places(tar, found.extensions, rows, offsets, sizes)
                while len(self._places) > MOST_RECORDS:
                    self._places.popitem(last=False)
            self._places.move_to_end(key)
            return self._places[key]


@cache
def warm_up() -> None:
    """Begins to load, once, what decodes flow and looks up texts, which can take a second when it is first needed."""

    def load() -> None:
        decode_flow(encode_flow(np.zeros((2, 8, 8), np.float32))[0])
        pa.array([""])

    threading.Thread(target=load, name="warm-up", daemon=True).start()


def _read(tar: Path, key: str, name: str, called: str, offset: int, size: int) -> Any:
    """A member of a shard. A place may lie: then no header of this very member stands before it."""
    try:
        check_size(name, size)
        with open_file(tar) as file:
            found = os.pread(file.fileno(), BLOCK + size, offset - BLOCK) if offset >= BLOCK else b""
        if found[:BLOCK] != header(f"{key}.{name}", size):
            raise ValueError("it is not where it should be: the shard was cut off, replaced or damaged")
        if len(found) < BLOCK + size:
            raise ValueError("the shard was cut off")
        return decode(name, found[BLOCK:])
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        where = "/".join(tar.parts[-4 if tar.parts[-3] == "shards" else -3 :])
        raise ShardError(f"{where}: {key}: its {called} cannot be read: {reason}") from error
