"""The record of a shard's downloads, `videos/NNNNNN.json`: what each video is, or why it did not come."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common_fate.datasets.download_records import read_downloaded
from common_fate.errors import printable
from common_fate.shards.limits import MAX_TEXT
from common_fate.shards.record import text_digest
from pipeline.downloads.policy import Later, Missed
from pipeline.downloads.store import Stored


@dataclass(frozen=True)
class Missing:
    """A video that did not come, why, and whether it may come another time."""

    reason: str
    temporary: bool = False


def missing(missed: Missed) -> Missing:
    """Returns what the record says of a video that could not be fetched."""
    return Missing(printable(str(missed))[:MAX_TEXT], isinstance(missed, Later))


@dataclass(frozen=True)
class Downloads:
    """What became of each of a shard's videos. `source` is the digest of the shard's part of the catalog."""

    source: str
    videos: Mapping[str, Stored | Missing]

    def text(self) -> str:
        """Returns the record as it stands on disk, a line a video: no time, host or path."""
        rows = ",\n".join(f"  {json.dumps(video)}: {json.dumps(_row(entry))}" for video, entry in self.videos.items())
        return f'{{\n "source": {json.dumps(self.source)},\n "videos": {{\n{rows}\n }}\n}}\n'

    @property
    def digest(self) -> str:
        return text_digest(self.text())

    @classmethod
    def read(cls, path: Path) -> "Downloads":
        """Reads a record. Raises `UserError` where it is missing or none."""
        source, _, videos = read_downloaded(path)
        return cls(source, {video: _entry(row) for video, row in videos.items()})


def _row(entry: Stored | Missing) -> dict[str, Any]:
    if isinstance(entry, Stored):
        return {"sha256": entry.sha256, "bytes": entry.bytes}
    return {"failure": entry.reason} | ({"temporary": True} if entry.temporary else {})


def _entry(row: Mapping[str, Any]) -> Stored | Missing:
    if "failure" in row:
        return Missing(str(row["failure"]), row.get("temporary") is True)
    return Stored(row["sha256"], row["bytes"])
