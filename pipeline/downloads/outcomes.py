"""What was tried when with what outcome: `videos/NNNNNN.parquet`, which the next run reads."""

import io
import time
from collections.abc import Collection
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError
from common_fate.foreign.parquet import read_parquet
from common_fate.shards.files import write_atomic
from common_fate.shards.limits import MAX_ROWS
from pipeline.downloads.record import Missing
from pipeline.downloads.store import Stored

_EVERY = 5.0  # seconds
FETCHED, KNOWN, GONE, LATER = "fetched", "known", "gone", "later"


@dataclass(frozen=True)
class Outcome:
    """One try: of which video, with which address, when (UTC), and what came of it in how many seconds."""

    video: str
    kind: str
    uri: str
    tried: str
    outcome: str
    reason: str
    bytes: int
    seconds: int


_COLUMNS = {field.name: pa.int64() if field.type is int else pa.string() for field in fields(Outcome)}


def outcome(video: Video, entry: Stored | Missing, fetched: bool, seconds: float) -> Outcome:
    """Returns the outcome of a try that ends now: fetched, known, later or gone."""
    tried = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(entry, Missing):
        said, reason, size = LATER if entry.temporary else GONE, entry.reason, 0
    else:
        said, reason, size = FETCHED if fetched else KNOWN, "", entry.bytes
    return Outcome(video.video, video.kind, video.uri, tried, said, reason, size, round(seconds))


def read_outcomes(path: Path) -> list[Outcome]:
    """Reads all tries in the order in which they were made; none where there is no file.

    Raises `UserError` where the file is damaged.
    """
    if not path.exists():
        return []
    try:
        rows = read_parquet(path, _COLUMNS, MAX_ROWS)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}): delete it, and what it knew is tried again") from error
    return [Outcome(*row) for row in zip(*(rows[name].to_pylist() for name in _COLUMNS), strict=True)]


def write_outcomes(path: Path, outcomes: list[Outcome]) -> None:
    """Writes the table anew."""
    columns = zip(*map(astuple, outcomes), strict=True) if outcomes else [[] for _ in _COLUMNS]
    table = pa.table([list(column) for column in columns], schema=pa.schema(list(_COLUMNS.items())))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomic(path, buffer.getvalue())


class Tries:
    """The tries of a shard's videos: those of former runs, and those of this one, written down now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._all = read_outcomes(path)
        self._newest = {(one.video, one.kind, one.uri): one for one in self._all}
        self._former = self._saved = len(self._all)
        self._when = time.monotonic()

    def newest(self, video: Video) -> Outcome | None:
        """Returns the last try of a video under the address that it has now; None where there is none."""
        return self._newest.get((video.video, video.kind, video.uri))

    def note(self, outcome: Outcome) -> None:
        """Adds a try; not a copy that was there already when nothing else has come of it since."""
        key = outcome.video, outcome.kind, outcome.uri
        before = self._newest.get(key)
        if outcome.outcome == KNOWN and before and before.outcome in (KNOWN, FETCHED):
            return
        self._newest[key] = outcome
        self._all.append(outcome)
        if time.monotonic() - self._when > _EVERY:
            self.save()

    def revise(self, videos: Collection[str]) -> None:
        """Takes back that these are gone: they may come another time."""
        self._saved = self._former
        self._all = [
            replace(one, outcome=LATER) if index >= self._former and one.video in videos else one
            for index, one in enumerate(self._all)
        ]

    def save(self) -> None:
        """Writes down what is new."""
        if len(self._all) > self._saved:
            write_outcomes(self._path, self._all)
            self._saved, self._when = len(self._all), time.monotonic()
