"""The copies of a shard's videos: what the frames of a dataset from the web are read from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common_fate.datasets.catalog import Video
from common_fate.datasets.download_records import DOWNLOADED, again
from common_fate.errors import UserError
from common_fate.shards.record import file_sha256
from pipeline.downloads.record import Downloads, Missing
from pipeline.downloads.store import Store, Stored, claimant_of


@dataclass(frozen=True)
class StoredVideos:
    """A shard's videos in the store, by the record of their downloads."""

    record: Path
    downloads: Downloads
    store: Store
    videos: Mapping[str, Video]

    @property
    def digest(self) -> str:
        """Changes when other videos came, or other bytes of them."""
        return self.downloads.digest

    def away(self, video: str) -> bool:
        """Returns whether a video was fetched and its copy has gone from the store since."""
        entry = self.downloads.videos.get(video)
        return isinstance(entry, Stored) and not self.store.has(entry)

    def sample(self, video: str) -> dict[str, Any]:
        """Returns what the stage is given: the copy as a `video`, or why there is none as `missing`.

        Raises:
            UserError: the copy has gone from the store since it was fetched, or is damaged.
        """
        entry = self.downloads.videos[video]
        if isinstance(entry, Missing):
            return {"missing": f"not downloaded: {entry.reason}"}
        path = self.store.path(entry.sha256)
        if not self.store.has(entry):
            raise UserError(
                f"{video}: its copy is not in {self.store.folder} any more (keep_videos: no deletes what is done): to "
                f"fetch it again, {again(self.record)}"
            )
        if file_sha256(path) != entry.sha256:
            raise UserError(f"{path}: its bytes changed since it was fetched: delete it, and {again(self.record)}")
        known = self.videos[video]
        return {"video": Video(video, "videos", str(path), known.license, entry.bytes, known.about)}


def record_of(dataset: Path, shard: str) -> Path:
    """Returns the path of the record of a shard's downloads."""
    return dataset / DOWNLOADED / f"{shard}.json"


def stored_videos_of(
    plan: Path, shard: str, videos: Sequence[Video], source: str, store: Path | None
) -> StoredVideos | None:
    """Returns the copies of a shard's videos; None where the source's videos are not fetched.

    Raises:
        UserError: they were not fetched yet, or what was fetched is not what the catalog lists now.
    """
    if not any(_is_fetched(kind) for kind in {video.kind for video in videos}):
        return None
    record = record_of(plan.parent, shard)
    downloads = Downloads.read(record)
    if downloads.source != source or set(downloads.videos) != {video.video for video in videos}:
        raise UserError(f"{record}: made for other videos than the catalog has now: {again(record)}")
    return StoredVideos(record, downloads, Store(store or Path("downloads")), {video.video: video for video in videos})


def release(dataset: Path, shard: str, store: Path) -> None:
    """Deletes a shard's videos, whose frames are made, but for those that others need."""
    record = record_of(dataset, shard)
    if record.exists():
        for stored in {entry for entry in Downloads.read(record).videos.values() if isinstance(entry, Stored)}:
            Store(store).release(stored, claimant_of(dataset, shard))


def _is_fetched(kind: str) -> bool:
    from pipeline.sources import SOURCES  # many and heavy: only a job that reads videos pays for them

    return kind in SOURCES and SOURCES[kind].fetch is not None
