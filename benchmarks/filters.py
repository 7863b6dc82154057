"""Scene cuts between clips put end to end: how many are found, and how many more are seen; and what looking costs."""

import tempfile
import time
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.frames import clip_in
from common_fate.datasets.catalog import Video
from pipeline.columns.frames.example_film import film, write_film
from pipeline.columns.frames.filters import FILTERS, Sieve
from pipeline.columns.frames.stage import STAGE, FramesOptions
from pipeline.sources import SOURCES
from pipeline.sources.source import Frame

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ONE_SHOT = ("bigbuckbunny.mp4", "carphone_pristine.mp4", "cockatoo.mp4", "flipping_a_pancake.mkv", "realshort.mp4")
PLACES = (0.0, 0.5, 1.0)  # where a clip is cut off
LASTS = 24  # frames of it that are taken
SIZE = (256, 144)
REPEATS = 3


def run() -> list[dict[str, Any]]:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        return [*_cuts(Path(folder)), *_cost(clip_in(Path(folder)))]


def _cuts(folder: Path) -> list[dict[str, Any]]:
    """Every ordered pair of clips, cut off at three places, encoded as H.264."""
    clips = _clips()
    films = found = more = 0
    for one, other in permutations(clips, 2):
        for place in PLACES:
            end = LASTS + round(place * (len(one) - LASTS))
            start = round(place * (len(other) - LASTS))
            cuts = _found(write_film(folder / "a.mp4", [*one[end - LASTS : end], *other[start : start + LASTS]]))
            hit = any(abs(cut - LASTS) <= 1 for cut in cuts)
            films, found, more = films + 1, found + hit, more + len(cuts) - hit
    alone = sum(len(_found(write_film(folder / "a.mp4", clip))) for clip in clips)
    frames = sum(map(len, clips))
    return [
        _row(f"cuts found within a frame, of {films} between clips", found, films),
        _row(f"further cuts seen in these {films}", more, 0),
        _row(f"cuts seen in {len(clips)} clips of one shot, {frames} frames", alone, 0),
    ]


def _row(what: str, ours: float, reach: object) -> dict[str, Any]:
    return {"what": f"filters: {what}", "ours": ours, "peer": None, "ratio": None, "reach": str(reach)}


def _clips() -> list[list[Any]]:
    """The clips of one shot that are here, small; where there is none, the scenes of the film made for this."""
    videos = [Video("v", "videos", str(DATA / "video" / name)) for name in ONE_SHOT]
    folders = sorted((DATA / "davis2016" / "JPEGImages" / "480p").glob("*/"))
    videos += [Video("v", "frames", str(folder)) for folder in folders]
    if DATA.is_dir():
        return [_small(video) for video in videos]
    made = film()
    return [made.pictures[start : start + LASTS] for start in (0, *made.cuts) if start != made.black.stop]


def _small(video: Video) -> list[Any]:
    source = SOURCES[video.kind]
    uri = (
        SOURCES["frames"].videos(SOURCES["frames"].options(path=video.uri), "")[0] if video.kind == "frames" else video
    )
    frames = source.read(uri, source.numbers(uri))
    return [cv2.resize(one.image, SIZE, interpolation=cv2.INTER_AREA) for one in frames if isinstance(one, Frame)]


def _found(path: Path) -> Sequence[int]:
    source, video, sieve = SOURCES["videos"], Video("v", "videos", str(path)), Sieve(["cuts"])
    for _ in sieve.kept(source.read(video, source.numbers(video)), ()):
        pass
    return sieve.cuts()


def _cost(clip: Path) -> list[dict[str, Any]]:
    """The frames stage with every filter, and as its peer without any: milliseconds a stored frame."""
    took = []
    for filters in (list(FILTERS), []):
        options = FramesOptions(select={"every": 5}, filters=filters)
        seconds, stored = [], 1
        for _ in range(REPEATS):
            started = time.process_time()
            stored = len(list(STAGE.run(iter([("v", {"video": Video("v", "videos", str(clip))})]), options)))
            seconds.append(time.process_time() - started)
        took.append(round(1e3 * float(np.min(seconds)) / stored, 2))
    row = _row(f"{clip.name}, every 5th, all filters against none (ms a stored frame)", took[0], "half as much again")
    return [row | {"peer": took[1], "ratio": round(took[1] / took[0], 2)}]
