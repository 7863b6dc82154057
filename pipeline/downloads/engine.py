"""Downloading a shard's videos: one after the other, into the store, with a record of what came and what did not."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError, check_machine
from common_fate.progress import progress
from common_fate.remote.fetch_file import discard
from common_fate.shards.files import atomic
from pipeline.downloads.outcomes import GONE, Tries, outcome
from pipeline.downloads.policy import Blocked, DownloadPolicy, Gone, Later, Missed
from pipeline.downloads.record import Downloads, Missing, missing
from pipeline.downloads.store import Store, Stored, claimant_of
from pipeline.downloads.video_check import check_video
from pipeline.sources import SOURCES
from pipeline.stages.runner import planned_videos

MOST_TURNED_AWAY = 8
"""Videos that a host refuses, while nothing else is fetched, before the job stops."""
_log = logging.getLogger(__name__)


def download_shard(plan: Path, to: Path, downloading: DownloadPolicy, min_success: float) -> Downloads:
    """Fetches a shard's videos and writes the record, which comes last.

    Args:
        plan: the dataset's plan.json.
        to: the record, `videos/NNNNNN.json`; what was tried stands beside it, and stays whatever becomes of the job.
        min_success: the share of videos that must be there.

    Raises:
        Blocked: a host turns us away again and again.
        UserError: too few videos came; the store or the record cannot be written.
    """
    videos, source = planned_videos(plan, to.stem)
    # Held from the start: a job that outlives its Snakemake goes on alone.
    with atomic(to) as file:
        record = Downloads(source, fetch_videos(videos, to, downloading))
        check_enough(record, min_success, downloading.store)
        file.write(record.text().encode())
    return record


def fetch_videos(videos: Sequence[Video], record: Path, downloading: DownloadPolicy) -> dict[str, Stored | Missing]:
    """Fetches what is not in the store and not known to be gone. Raises as `download_shard` does."""
    tries = Tries(record.with_suffix(".parquet"))
    job = _Job(downloading, Store(Path(downloading.store)), claimant_of(record.parents[1], record.stem), tries)
    entries: dict[str, Stored | Missing] = {}

    def note() -> str:
        return f"{sum(isinstance(entry, Missing) for entry in entries.values())} did not come"

    try:
        for video in progress(videos, len(videos), f"download {record.stem} (videos)", note=note):
            entries[video.video] = job.video(video)
    finally:
        tries.save()
    return entries


def check_enough(record: Downloads, min_success: float, store: str) -> None:
    """Raises `UserError`, with the reasons by count, where too few videos came."""
    failed = [entry for entry in record.videos.values() if isinstance(entry, Missing)]
    total = len(record.videos)
    if not failed or total - len(failed) >= min_success * total:
        return
    reasons = Counter(entry.reason + " (may come another time)" * entry.temporary for entry in failed)
    listed = "".join(f"\n  {count} x {reason}" for reason, count in reasons.most_common(10))
    raise UserError(
        f"download: {len(failed)} of {total} videos did not come, and min_success is {min_success} (those that came "
        f"stay in {store}):{listed}"
    )


@dataclass
class _Job:
    """What fetching one video after another goes by; `turned_away` has, by host, whom it refused since one came."""

    downloading: DownloadPolicy
    store: Store
    claimant: str
    tries: Tries
    turned_away: dict[str, list[str]] = field(default_factory=dict)
    next_start: float = 0.0

    def video(self, video: Video) -> Stored | Missing:
        """A video's copy in the store, or why there is none."""
        if stored := self._copy(video):
            return stored
        before = self.tries.newest(video)
        if before and before.outcome == GONE:
            return Missing(before.reason)
        with self.store.arriving(video) as partial:
            if stored := self._copy(video):
                return stored  # another job, which fetched it meanwhile
            self._wait()
            began = time.monotonic()
            entry: Stored | Missing
            missed: Missed | None = None
            try:
                _fetch(video, self.downloading, partial)
                entry = self.store.keep(video, partial, self.claimant)
            except Missed as error:
                entry, missed = missing(error), error
                if isinstance(missed, Gone) or (partial.exists() and not partial.stat().st_size):
                    discard(partial)
            self.tries.note(outcome(video, entry, True, time.monotonic() - began))
        if missed is None:
            self.turned_away.clear()
        elif missed.turned_away_by and (isinstance(missed, Later) or not before or before.reason != str(missed)):
            # A video that is forbidden again, at another time, is so on its own account.
            self._turned_away(video, missed)
        return entry

    def _copy(self, video: Video) -> Stored | None:
        stored = self.store.claimed(video, self.claimant)
        if stored:
            self.tries.note(outcome(video, stored, False, 0.0))
        return stored

    def _wait(self) -> None:
        time.sleep(max(0.0, self.next_start - time.monotonic()))
        self.next_start = time.monotonic() + self.downloading.pause

    def _turned_away(self, video: Video, missed: Missed) -> None:
        host = missed.turned_away_by
        refused = self.turned_away.setdefault(host, [])
        refused.append(video.video)
        if len(refused) >= MOST_TURNED_AWAY:
            self.tries.revise(refused)
            raise Blocked(
                f"{host}: turned away {len(refused)} videos in a row ({missed}), so this job asks no more: wait some "
                f"hours{missed.advice}, then run again, and ask less often: set download.pause, or --resources "
                "downloads=1"
            )


def _fetch(video: Video, downloading: DownloadPolicy, partial: Path) -> None:
    """Fetches a video and checks it; once more from its start where what came before may have spoilt it."""
    fetch = SOURCES[video.kind].fetch if video.kind in SOURCES else None
    if fetch is None:
        raise UserError(f"{video.video}: videos of the kind {video.kind} are not fetched: there is nothing to download")
    resumed = partial.exists() and partial.stat().st_size > 0
    _fetched(fetch, video, downloading, partial)
    try:
        check_video(partial)
    except Gone:
        discard(partial)
        if not resumed:
            raise
        _fetched(fetch, video, downloading, partial)
        check_video(partial)


def _fetched(
    fetch: Callable[[Video, DownloadPolicy, Path], None], video: Video, downloading: DownloadPolicy, partial: Path
) -> None:
    try:
        fetch(video, downloading, partial)
    except (Missed, UserError):
        raise
    except Exception as error:
        check_machine(error, video.video)
        _log.exception("%s", video.video)
        raise Later(f"it could not be fetched: {type(error).__name__}") from error
