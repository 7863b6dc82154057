"""A random choice in one pass, and choices that are kept: reading a hundred million lines takes an hour."""

import hashlib
import heapq
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from common_fate.datasets.catalog import Video
from common_fate.errors import UserError

_VERSION = 1  # raised when the same lines give other videos


def chosen(videos: Iterable[Video], sample: int | None, seed: int) -> list[Video]:
    """Returns the videos by id, each once; with `sample`, so many of them.

    Taken are those of the least keyed hashes of their ids: neither the order of the lines nor how they are split into
    files says which, and a larger sample holds every smaller one.
    """
    if sample is None:
        return [video for _, video in sorted({video.video: video for video in videos}.items())]
    kept: list[tuple[int, str]] = []
    by_id: dict[str, Video] = {}
    for video in videos:
        if video.video in by_id:
            continue
        entry = (-_rank(video.video, seed), video.video)
        if len(kept) < sample:
            heapq.heappush(kept, entry)
        elif entry > kept[0]:
            del by_id[heapq.heapreplace(kept, entry)[1]]
        else:
            continue
        by_id[video.video] = video
    return [by_id[video] for video in sorted(by_id)]


def _rank(video: str, seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(video.encode(), digest_size=8, key=str(seed).encode()).digest(), "big")


def remembered(
    folder: Path, options: dict[str, Any], files: Sequence[Path], select: Callable[[], list[Video]]
) -> list[Video]:
    """Returns what `select` gives, kept in a folder until the options or the files' names, sizes or times change."""
    from common_fate.datasets.catalog import read_catalog, write_catalog  # which needs what this is part of

    states = [(path.name, os.stat(path)) for path in files]
    known = [_VERSION, options, sorted((name, state.st_size, state.st_mtime_ns) for name, state in states)]
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    path = folder / f"yfcc100m-{digest[:16]}.parquet"
    if path.exists():
        try:
            return read_catalog(path)
        except UserError:
            pass  # damaged: it is written again
    videos = select()
    write_catalog(path, videos)
    return videos
