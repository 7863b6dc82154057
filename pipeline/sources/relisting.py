"""Listings compared with the one before: a video that lies elsewhere now, or has another licence, is the same video."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from common_fate.datasets.catalog import (
    Plan,
    Video,
    known_again,
    read_catalog,
    read_plan,
    shard_digests,
    write_catalog,
)
from common_fate.errors import UserError
from pipeline.sources.source import Source

_MOST = 2**62  # sums of time stamps are kept in 64 bits


def relisted(dataset: Path, videos: Sequence[Video], source: Source) -> list[Video]:
    """Returns a listing with what the catalog of an earlier one knows of the same videos.

    A video is the same where its id, its size and its place are; in another place, where its time stamps are, too, as
    `mv`, `cp -a` and `rsync -a` leave them.

    Args:
        dataset: `results/NAME`.
        videos: as the source lists them now.
        source: theirs.
    """
    before = _before(dataset / "catalog.parquet")
    made = []
    for video in videos:
        old = before.get(video.video)
        if old and (old.uri, old.bytes) == (video.uri, video.bytes) and old.modified is not None:
            video = replace(video, modified=old.modified)
        elif stamps := source.state(video)[1]:
            video = replace(video, modified=stamps % _MOST)
        made.append(known_again(video, old) if old and _same(video, old, source) else video)
    return made


def _before(catalog: Path) -> dict[str, Video]:
    """The videos of an earlier listing by id; none where there was none, or it is damaged: it is written anew."""
    try:
        return {video.video: video for video in read_catalog(catalog)} if catalog.exists() else {}
    except UserError:
        return {}


def _same(video: Video, old: Video, source: Source) -> bool:
    if (video.kind, video.bytes) != (old.kind, old.bytes):
        return False
    if video.uri == old.uri:
        return True
    if source.within(video) != source.within(old) or not video.modified:
        return False
    before = source.state(old)[1] % _MOST if old.modified is None else old.modified
    return before == video.modified


def note_places(dataset: Path, videos: list[Video], plan: Plan) -> None:
    """Writes the catalog of a dataset of which no more is new than where its videos lie: then no job has to run, and
    none would write it. Where it cannot be written, it stays as it is until one does.
    """
    catalog = dataset / "catalog.parquet"
    old = list(_before(catalog).values())
    if old == videos or read_plan(dataset / "plan.json") != plan:
        return
    if [_but_for_places(video) for video in old] != [_but_for_places(video) for video in videos]:
        return
    if shard_digests(plan, old) == shard_digests(plan, videos):
        with suppress(UserError):
            write_catalog(catalog, videos)


def _but_for_places(video: Video) -> Video:
    return replace(video, uri="", modified=None, listed=None)
